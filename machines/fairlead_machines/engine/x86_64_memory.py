"""Guest memory as the CPU sees it now: reads by virtual address from the host's side."""

from __future__ import annotations

from fairlead.machine import PAGE_SIZE
from fairlead_machines.engine.paging4 import Paging4
from fairlead_machines.engine.ram import EngineRam
from fairlead_machines.engine.x86_64_cpu import X86Cpu

__all__ = ["GuestView"]

_MASK = (1 << 64) - 1


class GuestView:
    """Reads of RAM by virtual address, whatever the page's permissions."""

    __slots__ = ("_base", "_cpu", "_size", "ram", "words")

    def __init__(self, ram: EngineRam, cpu: X86Cpu) -> None:
        self.ram = ram.view
        self.words = ram.view.cast("Q")
        self._base = ram.base
        self._size = ram.size
        self._cpu = cpu

    def read(self, address: int, size: int) -> bytes:
        """Up to `size` bytes, fewer where memory ends."""
        found = b""
        while size > 0:
            part = min(size, PAGE_SIZE - address % PAGE_SIZE)
            where = Paging4.walk(self.words, self._base, self._cpu.cr3, address)
            if where is None or not 0 <= where[0] - self._base < self._size:
                break
            index = where[0] - self._base
            found += bytes(self.ram[index : index + part])
            address = address + part & _MASK
            size -= part
        return found

    def physical(self, address: int) -> int | None:
        """Where in RAM the byte at an address is; None if it is not there."""
        where = Paging4.walk(self.words, self._base, self._cpu.cr3, address)
        return where[0] if where is not None and 0 <= where[0] - self._base < self._size else None

    def read_back(self, end: int, size: int) -> bytes:
        """Up to `size` bytes that stand before `end`, fewer where memory begins."""
        start = end - size & _MASK
        found = self.read(start, size)
        return found if len(found) == size else self.read(end & -PAGE_SIZE, end % PAGE_SIZE)[-size:]

    def word(self, address: int) -> int | None:
        """The 8 bytes at an address; None if they are not there."""
        found = self.read(address, 8)
        return int.from_bytes(found, "little") if len(found) == 8 else None

    def close(self) -> None:
        self.words.release()
