"""The stack guard: foreign code runs on g0's stack and on signal stacks, never on a goroutine's.

A goroutine's stack is small, and Go moves it. The boundary looks at the stack pointer of each call through
the usys tables; where the calling M's stacks are is read out of the runtime's structures here, when it is not
known yet, and kept by the thread's FS base.
"""

from __future__ import annotations

from collections.abc import Mapping

from fairlead.errors import FairleadError, GuestFault
from fairlead.port import Program
from fairlead.services.guestmemory import GuestMemory
from fairlead_akaros.kernel.convention import CALLED, Boundary

__all__ = ["StackError", "StackGuard"]

_G = -8
"""Where a thread's g is, from its FS base."""
_MOST = 4096
"""Threads whose stacks are kept."""


class StackError(FairleadError):
    """The guest called foreign code on a stack that is not for that, or about one that has moved."""


class StackGuard:
    def __init__(
        self,
        memory: GuestMemory,
        program: Program,
        boundary: Boundary,
        functions: Mapping[str, int],
        internal: frozenset[str],
    ) -> None:
        """`functions` are where parlib's functions start; nobody calls those in `internal`."""
        self._memory = memory
        self._program = program
        self._functions = sorted(((address, name) for name, address in functions.items()), reverse=True)
        self._internal = internal
        record = program.image.require_record()
        self._bounds = record.field("g_stack_lo"), record.field("g_stack_hi")
        self._m = record.field("g_m")
        self._stacks = record.field("m_g0"), record.field("m_gsignal")
        self._known = boundary.stacks
        boundary.guard = self.look

    def forget(self) -> None:
        """A thread has ended: another may get its structures."""
        self._known.clear()

    def look(self, pc: int, rsp: int, fs_base: int, due: int) -> None:
        """Is `rsp` right for a call that has come to parlib's instruction at `pc`? StackError if not."""
        function = self._function(pc)
        if function in self._internal:
            return
        if function == "go_syscall":  # it has pushed a word, and has a gate in it besides
            due = 0
        stacks = self._read(fs_base)
        if stacks is None:
            return  # there is no g: a thread of others, or vcore context
        (g0_lo, g0_hi), (signal_lo, signal_hi) = stacks
        if len(self._known) >= _MOST:
            self._known.clear()
        self._known[fs_base] = (g0_lo, g0_hi, signal_lo, signal_hi)
        if not (g0_lo < rsp <= g0_hi or signal_lo < rsp <= signal_hi):
            wrong = "which is not on a stack for foreign code"
        elif rsp % 16 != due:
            wrong = f"which leaves its stack unaligned (rsp mod 16 is {(rsp - due) % 16} at the call, not 0)"
        else:
            return
        allowed = f"g0's {g0_lo:#x}-{g0_hi:#x}"
        if signal_hi:
            allowed += f" or the signal stack {signal_lo:#x}-{signal_hi:#x}"
        from fairlead_akaros.parlib.callers import Callers

        callers = Callers(self._program.image, self._memory)
        caller = callers.direct(rsp + CALLED - due)
        raise StackError(
            f"{function} was called with stack pointer {rsp + CALLED - due:#x}, {wrong}: those are "
            f"{allowed}; called by {caller}",
            hint="usys.Call and usys.Call1 change to the right stack",
        )

    def _function(self, pc: int) -> str:
        for address, name in self._functions:
            if address <= pc < address + 256:
                return name
        return f"code at {pc:#x}"

    def _read(self, fs_base: int) -> tuple[tuple[int, int], tuple[int, int]] | None:
        """Bounds of g0's and gsignal's stack of the M whose thread has this FS base; None without a g."""
        memory = self._memory
        try:
            g = memory.read_u64(fs_base + _G)
            if not g:
                return None
            m = memory.read_u64(g + self._m)
            if not m:
                return None
            g0, gsignal = (self._stack(memory.read_u64(m + each)) for each in self._stacks)
        except GuestFault:
            return None
        return g0, gsignal

    def _stack(self, g: int) -> tuple[int, int]:
        lo, hi = self._bounds
        return (self._memory.read_u64(g + lo), self._memory.read_u64(g + hi)) if g else (0, 0)
