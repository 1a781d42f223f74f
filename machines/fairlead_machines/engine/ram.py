"""Guest RAM as one anonymous mapping: untouched pages cost nothing, and Python reads it without a call."""

from __future__ import annotations

import ctypes
import mmap
import sys
from collections.abc import Callable

from fairlead.errors import MachineError
from fairlead.machine import PAGE_SIZE

__all__ = ["EngineRam"]

_NORESERVE: int = getattr(mmap, "MAP_NORESERVE", 0x4000 if sys.platform == "linux" else 0)
"""Python 3.11 does not name it; asm-generic/mman-common.h."""
_GIVE_BACK = 16 * PAGE_SIZE
"""From this many bytes on, giving pages back to the host beats writing zeroes (measured at 32 to 128 KiB)."""
_GIVES_ZEROES = sys.platform == "linux"
"""madvise(2): only Linux promises zero pages after MADV_DONTNEED on a private anonymous mapping."""
_ZEROES = bytes(_GIVE_BACK + 2 * PAGE_SIZE)


class EngineRam:
    """`Ram` over an anonymous, private, no-reserve mmap."""

    __slots__ = ("_drop_code", "_memory", "base", "host", "size", "view")

    def __init__(self, base: int, size: int) -> None:
        flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _NORESERVE
        try:
            self._memory = mmap.mmap(-1, size, flags=flags)
        except (OSError, OverflowError, ValueError) as error:
            raise MachineError(
                f"the host refuses {size >> 20} MiB of address space for guest memory: {error}",
                hint="ask for less (--memory)",
            ) from None
        self.base = base
        self.size = size
        self.view = memoryview(self._memory)
        self.host = ctypes.addressof(ctypes.c_char.from_buffer(self._memory))
        self._drop_code: Callable[[int, int], None] = _nothing

    def on_code_written(self, drop_code: Callable[[int, int], None]) -> None:
        """What `code_written` calls."""
        self._drop_code = drop_code

    def zero(self, address: int, size: int) -> None:
        start = address - self.base
        end = start + size
        if start < 0 or size < 0 or end > self.size:
            raise MachineError(f"physical range {address:#x}+{size:#x} is not RAM")
        if size < _GIVE_BACK:
            self.view[start:end] = _ZEROES[:size]
            return
        first = -(-start // PAGE_SIZE) * PAGE_SIZE
        last = end // PAGE_SIZE * PAGE_SIZE
        if first > start:
            self.view[start:first] = _ZEROES[: first - start]
        if not _GIVES_ZEROES:
            for part in range(first, last, _GIVE_BACK):
                self.view[part : min(part + _GIVE_BACK, last)] = _ZEROES[: min(_GIVE_BACK, last - part)]
        elif last > first:
            self._memory.madvise(mmap.MADV_DONTNEED, first, last - first)
        if end > last:
            self.view[last:end] = _ZEROES[: end - last]

    def code_written(self, address: int, size: int) -> None:
        self._drop_code(address, size)

    def close(self) -> None:
        """Free the mapping; views that others still hold keep it until they are gone."""
        try:
            self.view.release()
            self._memory.close()
        except BufferError:
            pass


def _nothing(address: int, size: int) -> None:
    """No engine yet, no translated code."""
