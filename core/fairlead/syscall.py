"""A system call: what is asked, what is answered, and how an answer can come later."""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

from fairlead.machine import Batch, Cpu
from fairlead.trap import Trap

if TYPE_CHECKING:
    from fairlead.port import PortObject
    from fairlead.thread import WaitQueue

__all__ = ["Convention", "Pending", "RegisterABI", "Result", "Syscall", "Wake"]


@dataclass(slots=True)
class Syscall:
    """One call by one thread; `arguments` are unsigned 64-bit, as many as the convention carries.

    `token` is the convention's own (the address of Akaros' struct syscall, say).
    """

    number: int
    arguments: Sequence[int]
    token: int = 0


class Result(NamedTuple):
    """A finished call: `value`, or an `errno` above zero with, on systems that have them, its string."""

    value: int = 0
    errno: int = 0
    errstr: str = ""
    restart: bool = False
    """Interrupted before it did anything: made again unless a signal handler says otherwise (errno EINTR)."""
    resumed: bool = False
    """The call itself put the thread's registers in place (sigreturn): no result is written."""


class Wake(enum.Enum):
    """Why a parked call goes on."""

    EVENT = "event"
    TIMEOUT = "timeout"
    SIGNAL = "signal"


@dataclass(slots=True)
class Pending:
    """An answer that comes later: the thread parks until a queue wakes it, time comes or a signal does.

    `resume` runs when the thread is next picked, on its own registers, and may answer Pending again.
    `deadline` is in guest nanoseconds (`Clock.now`); None waits for ever.
    """

    queues: tuple[WaitQueue, ...]
    resume: Callable[[Wake], Result | Pending]
    deadline: int | None = None
    interruptible: bool = True
    external: bool = False
    """The host may wake it (input): a machine with only such threads is not deadlocked."""


class Convention(Protocol):
    """How a port's guests make a call: a value that a port hands over, not a class per OS."""

    def bind(self, cpu: Cpu, os: PortObject) -> BoundConvention:
        """Prepare for one CPU and the OS half behind it (its memory, say), once at boot."""


class BoundConvention(Protocol):
    def decode(self, trap: Trap) -> Syscall | None:
        """The call a SYSCALL trap makes; None if it is not of this convention."""

    def finish(self, call: Syscall, result: Result) -> None:
        """Hand the result to the thread whose registers the CPU holds."""

    def rewind(self, call: Syscall) -> None:
        """Put the thread whose registers the CPU holds back before its call, so that it is made again."""


class RegisterABI(NamedTuple):
    """Arguments in registers; an error comes back as -errno (Linux: syscall(2), "Architecture calling
    conventions").

    Where `selector` is given, only traps with `selector` = `selects` are calls of this convention.
    """

    number: str
    arguments: tuple[str, ...]
    result: str
    selector: str = ""
    selects: int = 0

    def bind(self, cpu: Cpu, os: PortObject) -> BoundConvention:
        return _BoundRegisters(self, cpu)


class _BoundRegisters:
    def __init__(self, abi: RegisterABI, cpu: Cpu) -> None:
        self._abi = abi
        self._cpu = cpu
        self._selects = abi.selects if abi.selector else None
        first = (abi.selector,) if abi.selector else ()
        self._in: Batch = cpu.batch((*first, abi.number, *abi.arguments))
        self._out: Batch = cpu.batch((abi.result,))
        counter = "pc" if cpu.arch == "riscv64" else "rip"
        self._back: Batch = cpu.batch((*first, abi.number, *abi.arguments, counter))

    def decode(self, trap: Trap) -> Syscall | None:
        values = self._in.read()
        if self._selects is None:
            return Syscall(values[0], values[1:], trap.pc)
        if values[0] != self._selects:
            return None
        return Syscall(values[1], values[2:], trap.pc)

    def finish(self, call: Syscall, result: Result) -> None:
        self._out.write((-result.errno if result.errno else result.value,))

    def rewind(self, call: Syscall) -> None:
        first = () if self._selects is None else (self._selects,)
        self._back.write((*first, call.number, *call.arguments, call.token))
