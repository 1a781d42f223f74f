"""Who made a call: return addresses up a goroutine's frames, and the Go functions and lines they are in."""

from __future__ import annotations

from collections.abc import Iterator

from fairlead.errors import GuestFault
from fairlead.guest.image import Image
from fairlead.guest.lines import Line, Lines, read_lines
from fairlead.services.guestmemory import GuestMemory

__all__ = ["Callers"]

_MOST = 64
_INNER = ("runtime.", "internal/", "syscall.", "usys.", "runtime/")
"""Functions that are never who is to blame for an argument."""


class Callers:
    def __init__(self, image: Image, memory: GuestMemory) -> None:
        self._memory = memory
        self._lines: Lines | None = read_lines(image)

    def direct(self, rsp: int) -> str:
        """Who called the function whose return address is at `rsp`, in words."""
        try:
            pc = self._memory.read_u64(rsp)
        except GuestFault:
            return "an unknown place"
        line = self._line(pc - 1)
        return str(line) if line is not None else f"pc {pc:#x}"

    def outer(self, rsp: int, rbp: int) -> str:
        """The innermost function on the way here that is the program's own, and who called that."""
        frames = self._all(rsp, rbp)
        own = [line for line in frames if not line.function.startswith(_INNER)][:2] or frames[:1]
        return ", called by ".join(map(str, own)) or self.direct(rsp)

    def _line(self, pc: int) -> Line | None:
        return self._lines.function_at(pc) if self._lines is not None else None

    def _all(self, rsp: int, rbp: int) -> list[Line]:
        lines = self._lines
        return [] if lines is None else [line for pc in self._walk(rsp, rbp) for line in lines.frames_at(pc)]

    def _walk(self, rsp: int, rbp: int) -> Iterator[int]:
        """The calls' own addresses: frame pointers lead from g0's stack over to the goroutine's."""
        memory = self._memory
        try:
            yield memory.read_u64(rsp) - 1
            for _ in range(_MOST):
                if not rbp or rbp % 8:
                    return
                yield memory.read_u64(rbp + 8) - 1
                rbp = memory.read_u64(rbp)
        except GuestFault:
            return
