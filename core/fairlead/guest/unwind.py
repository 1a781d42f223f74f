"""A Go stack, call by call, from a stopped thread's registers and the runtime's own tables of frame sizes.

As runtime/traceback.go (unwinder.next) does it: a function's frame ends at the stack pointer plus what pcsp
says. Above it x86-64 has the return address; RISC-V has it at the frame's lowest word, or still in ra. Where
the system stack of a thread ends, its goroutine's goes on. Nothing that stands in guest memory raises, or
goes on for ever.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from fairlead.errors import GuestFault
from fairlead.guest.lines import Lines

__all__ = ["Call", "Goroutine", "Unwinder"]

_MOST = 100
_STACK, _M, _SCHED, _GOID = 0, 48, 56, 152
"""Offsets in g (runtime/runtime2.go): stack.lo and stack.hi, m, sched.sp and sched.pc, goid."""
_G0, _CURG = 0, 184
"""Offsets in m: g0, curg."""
_LARGEST_ID = 1 << 40


class Call(NamedTuple):
    """One step of the way: `pc` is the instruction that a function stands at, or its call."""

    pc: int
    known: bool
    """Whether the program's tables know a function there."""
    switched: bool = False
    """The first on the goroutine's own stack, the ones before being on the system stack."""


class Goroutine(NamedTuple):
    """Whose stack a thread is on."""

    address: int
    id: int
    is_g0: bool
    sp: int
    """Where it stands if another stack is in use: gobuf's."""
    pc: int


class Unwinder:
    """Reads one guest's stacks; `read` gives a word of its memory, or raises GuestFault."""

    def __init__(self, lines: Lines | None, arch: str, read: Callable[[int], int]) -> None:
        self._lines = lines
        self._links = arch == "riscv64"
        self._read = read

    def walk(self, pc: int, sp: int, link: int, goroutine: Goroutine | None) -> Iterator[Call]:
        """From the innermost function outwards; `link` is ra, and what it is does not matter on x86-64."""
        innermost, switched, here = True, False, pc
        outer = None if goroutine is None or not goroutine.is_g0 else self.current_of(goroutine)
        for _ in range(_MOST):
            frame = None if self._lines is None else self._lines.frame_at(here)
            yield Call(here, frame is not None, switched)
            switched = False
            ends = frame is not None and (frame.top or (frame.writes_sp and not innermost))
            step = None if ends else self._caller(sp, 0 if frame is None else frame.size, innermost, link)
            if step is None or (frame is None and not innermost):
                if outer is None:
                    return
                here, sp, outer, innermost, switched = outer.pc, outer.sp, None, False, True
                continue
            here, sp = step
            innermost = False

    def _caller(self, sp: int, size: int, innermost: bool, link: int) -> tuple[int, int] | None:
        """Where the call of the function was made, and the stack pointer there; None if that is nowhere."""
        end = sp + size
        if sp % 8:
            return None
        try:
            if not self._links:
                back, end = self._read(end), end + 8
            elif innermost and size == 0:
                back = link
            else:
                back = self._read(sp)
        except GuestFault:
            return None
        if not back or (end <= sp and not innermost):
            return None
        return back - 1, end

    def goroutine_at(self, address: int) -> Goroutine | None:
        """The goroutine at an address, if that is one: its m must know it."""
        read = self._read
        try:
            low, high, m = read(address + _STACK), read(address + _STACK + 8), read(address + _M)
            g0 = read(m + _G0)
            if address % 8 or not low < high or read(g0 + _M) != m:
                return None
            sp, pc, identifier = read(address + _SCHED), read(address + _SCHED + 8), read(address + _GOID)
        except GuestFault:
            return None
        if identifier > _LARGEST_ID:
            return None
        return Goroutine(address, identifier, address == g0, sp, pc)

    def current_of(self, system: Goroutine) -> Goroutine | None:
        """The goroutine that a thread on its system stack works for, if it stands on a stack of its own."""
        try:
            current = self.goroutine_at(self._read(self._read(system.address + _M) + _CURG))
            if current is None or current.is_g0:
                return None
            low, high = (self._read(current.address + each) for each in (_STACK, _STACK + 8))
        except GuestFault:
            return None
        return current if low <= current.sp <= high else None
