"""--check stacks: the memory that goroutines' stacks have left, and arguments that still point there.

The runtime tells of each move, and of memory that is in use again: as a stack, or as a span of the heap.
"""

from __future__ import annotations

from fairlead.errors import GuestFault
from fairlead.port import Services
from fairlead.services.guestmemory import GuestMemory
from fairlead.services.linux.calls import SERVED, find_handler
from fairlead.services.linux.numbers import name_of
from fairlead.syscall import Syscall
from fairlead.trap import Trap
from fairlead_akaros.kernel import children, files, paths, processes, taps, wstat
from fairlead_akaros.kernel.convention import FRAME, GATE, POSIX, Boundary
from fairlead_akaros.names import call_name
from fairlead_akaros.parlib.code import GATES
from fairlead_akaros.parlib.oldstacks import Move, OldStacks
from fairlead_akaros.parlib.stacks import StackError

__all__ = ["CheckedBoundary", "Moves"]

_FUNCTIONS = {
    "futex": 4,
    "serialize_argv_envp": 2,
    "sigaction": 3,
    "sigaltstack": 2,
    "pthread_sigmask": 3,
    "uthread_blockon_sysc": 1,
}
"""Functions that take pointers, and how many arguments they have.

Not pthread_create: a new stack's end may be where an old one begins.
"""
_KERNEL = {
    number: handler.__code__.co_argcount - 1
    for module in (children, files, paths, processes, taps, wstat)
    for number, handler in module.HANDLERS.items()
}
"""System calls and how many arguments they have; those of memory itself may well be about an old stack."""


class Moves:
    def __init__(self, services: Services, memory: GuestMemory) -> None:
        self._services = services
        self._memory = memory
        self.old = OldStacks()
        self._registers = services.machine.cpu.batch(("rsp", "rbp"))
        self._arity: dict[int, int] = {}

    def arguments(self, frame: int) -> int:
        """Check a call by Linux' number, before the runtime does anything for it; 0, for the caller."""
        try:
            number, *arguments = self._memory.unpack(FRAME, frame)
        except GuestFault:
            return 0
        self.posix(number & 0xFFF, arguments, 0)
        return 0

    def posix(self, number: int, arguments: list[int], pushed: int) -> None:
        arity = self._arity.get(number)
        if arity is None:
            name = name_of("x86_64", number)
            handler = None if SERVED.get(name) == "memory" else find_handler(name)
            arity = self._arity[number] = handler.__code__.co_argcount - 1 if handler is not None else 0
        for index, value in enumerate(arguments[:arity]):
            if self.old and (move := self.old.find(value)) is not None:
                raise self._stale(name_of("x86_64", number), f"argument {index + 1}", value, move, pushed)

    def call(self, call: Syscall, pushed: int) -> None:
        """StackError for a call with an argument that points into an old stack.

        `pushed` is how many bytes are on the stack above the return address of the function that makes it.
        """
        if not self.old:
            return
        number = call.number
        if number >= POSIX:
            self.posix(number - POSIX, list(call.arguments), pushed)
            return
        what = call_name(number)
        if number >= GATE:
            arity = _FUNCTIONS.get(GATES[number - GATE], 0) if number - GATE < len(GATES) else 0
        else:
            arity = _KERNEL.get(number, 0)
            if (move := self.old.find(call.token)) is not None:
                raise self._stale(what, "the struct syscall", call.token, move, pushed)
        for index, value in enumerate(call.arguments[:arity]):
            if (move := self.old.find(value)) is not None:
                raise self._stale(what, f"argument {index + 1}", value, move, pushed)

    def _stale(self, what: str, which: str, value: int, move: Move, pushed: int) -> StackError:
        from fairlead_akaros.parlib.callers import Callers

        rsp, rbp = self._registers.read()
        caller = Callers(self._services.program.image, self._memory).outer(rsp + pushed, rbp)
        return StackError(
            f"{what}: {which}, {value:#x}, points into the stack {move.lo:#x}-{move.hi:#x} that goroutine "
            f"{move.goid} has left for {move.new_lo:#x}-{move.new_hi:#x}; in {caller}",
            hint="take the address where the call is made: Go moves stacks, but not what a uintptr says",
        )


class CheckedBoundary(Boundary):
    """The convention with each call's arguments checked."""

    moves: Moves

    def decode(self, trap: Trap) -> Syscall | None:
        call = super().decode(trap)
        if call is not None:
            self.moves.call(call, 8 if self.doors.get(trap.pc) == 0 else 0)
        return call
