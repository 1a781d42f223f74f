"""malloc and free in the process' break (BRK_START…BRK_END), for what parlib hands to programs."""

from __future__ import annotations

from fairlead.errors import GuestRefusal
from fairlead.machine import PAGE_SIZE, Prot
from fairlead.services.addressspace import AddressSpace
from fairlead_akaros.abi import BRK_END, BRK_START

__all__ = ["Heap"]

_ALIGNMENT = 16
_CHUNK = 16 * PAGE_SIZE
_LARGEST = 1 << 26
_MOST = 1 << 20
"""Blocks at a time; their books are kept on the host."""


class Heap:
    """Blocks by size, reused when they come back; the books are the host's."""

    def __init__(self, memory: AddressSpace) -> None:
        self._memory = memory
        self._top = self._end = BRK_START
        self._sizes: dict[int, int] = {}
        self._free: dict[int, list[int]] = {}

    def malloc(self, size: int) -> int:
        """A zeroed block of at most 64 MiB, 0 where there is no memory."""
        size = max(_ALIGNMENT, -(-size // _ALIGNMENT) * _ALIGNMENT)
        if size > _LARGEST or len(self._sizes) >= _MOST:
            return 0
        kept = self._free.get(size)
        if kept:
            address = kept.pop()
            self._memory.write(address, bytes(size))
        elif self._grow(size):
            address = self._top
            self._top += size
        else:
            return 0
        self._sizes[address] = size
        return address

    def pages(self, count: int) -> int:
        """Whole pages that are never given back; GuestRefusal where there is no memory."""
        self._top = -(-self._top // PAGE_SIZE) * PAGE_SIZE
        if not self._grow(count * PAGE_SIZE):
            raise GuestRefusal(12)
        address = self._top
        self._top += count * PAGE_SIZE
        return address

    def free(self, address: int) -> bool:
        """Take a block back; False for what is none."""
        size = self._sizes.pop(address, 0)
        if size:
            self._free.setdefault(size, []).append(address)
        return bool(size)

    def _grow(self, size: int) -> bool:
        missing = self._top + size - self._end
        if missing > 0:
            step = -(-missing // _CHUNK) * _CHUNK
            if self._end + step > BRK_END:
                return False
            try:
                self._memory.mmap(self._end, step, Prot.READ | Prot.WRITE, fixed=True)
            except GuestRefusal:
                return False
            self._end += step
        return True
