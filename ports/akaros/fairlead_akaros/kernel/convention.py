"""How calls reach the OS half, and how their results go back.

A system call is a `struct syscall` in guest memory: rdi is the address of the first of a batch, rsi how many
there are, handed over by `int 0x30` or by the syscall instruction; rax comes back as how many were started
(kern/arch/x86/trap64.c). Each gets its result in place: retval, err, errstr, and SC_DONE in its flags. The
published kernel runs the first of a batch and warns; here the others follow, as its comment plans, one trap
each, however many: the first that is not in memory ends the batch, with the count of those before it.

Parlib's functions are code of the process on Akaros. Here their insides are the OS half's, behind a gate of
their own, int 0x31 with the function's number in rax and arguments as in C; the answer comes back in rax.
"""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from typing import TYPE_CHECKING, Protocol, cast

from fairlead.errors import GuestFault
from fairlead.machine import Cpu
from fairlead.syscall import BoundConvention, Result, Syscall
from fairlead.trap import Trap
from fairlead_akaros.abi import FASTCALL_SETFSBASE, MAX_ERRSTR_LEN, SC_DONE, SC_PROGRESS, T_SYSCALL, Errno
from fairlead_akaros.layouts import SYSCALL

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from fairlead.port import PortObject
    from fairlead.services.guestmemory import GuestMemory

__all__ = [
    "CALLED",
    "FRAME",
    "GATE",
    "POSIX",
    "POSIX_CALL",
    "STARTED",
    "T_GATE",
    "Boundary",
    "StructSyscall",
    "partial",
]

T_GATE = 0x31
"""The vector of parlib's gate; a process on Akaros that raises it gets a general protection fault."""
GATE = 1 << 32
"""A parlib function's number as a call: this and its place among the gates. System calls have 32 bits."""
POSIX = 2 << 32
"""The number of a call that parlib serves by Linux' number: this and that."""
POSIX_CALL = 0
"""The gate of posix_call, whose one argument is a frame with Linux' number and six arguments."""

CALLED = 8
"""rsp modulo 16 at a function's first instruction (System V ABI, AMD64 supplement, 3.2.2)."""


STARTED = Result()
"""The answer to a system call that goes on without its caller: nothing is written into the structure."""

_TOO = 1 << 64
"""In the value of a Result: it counts besides an errno, where otherwise -1 does."""


def partial(value: int, errno: int, errstr: str = "") -> Result:
    """An answer with a value, and with errno and words that say why there is no more."""
    return Result(_TOO | value, errno, errstr)


_SYSCALL_INSTRUCTION = 0x100  # Trap.cause where there is no vector
_HEAD = Struct("<I12xQ16x6Q")  # num, flags, arg0…arg5
_DONE = Struct("<iqQ")  # err, retval, flags
FRAME = Struct("<7Q")
"""What posix_call takes: Linux' number and the arguments."""
_MASK = (1 << 64) - 1
_SIZE = SYSCALL.size
_FLAGS = SYSCALL["flags"]
_ERR = SYSCALL["err"]
_RETVAL = SYSCALL["retval"]
_ERRSTR = SYSCALL["errstr"]
_MOST = 4096
"""Batches at a time that were broken off halfway."""


class Boundary:
    """The convention on one CPU."""

    def __init__(self, cpu: Cpu, memory: GuestMemory) -> None:
        self._memory = memory
        self._in = cpu.batch(("rax", "rdi", "rsi", "rdx", "rcx", "r8", "r9", "rsp", "fs_base"))
        self._out = cpu.batch(("rax",))
        self._batch = cpu.batch(("rax", "rdi", "rsi", "rip"))
        self._rest: dict[int, tuple[int, int]] = {}
        """Batches that are not through: the structure that is next, to the first and how many are due."""
        self._place: dict[int, int] = {}
        """Where the instruction is that handed a batch over, by the structure that is being served."""
        self.on_done: Callable[[int, int], None] = lambda address, flags: None
        """Told of each finished structure whose owner wants an event: its address, its flags."""
        self.stacks: dict[int, tuple[int, int, int, int]] = {}
        """Stacks that foreign code may run on, by the FS base of a thread: two, from bottom to top."""
        self.code = range(0)
        """Where parlib's code is, which alone may raise the gate's vector."""
        self.doors: Mapping[int, int] = {}
        """Parlib's instructions that hand a structure over, with rsp modulo 16 there."""
        self.guard: Callable[[int, int, int, int], None] = lambda pc, rsp, fs_base, due: None
        """Asked about a stack that is not known to be right: pc, rsp, FS base, what rsp modulo 16 must be."""

    def decode(self, trap: Trap) -> Syscall | None:
        rax, rdi, rsi, rdx, rcx, r8, r9, rsp, fs_base = self._in.read()
        cause = trap.cause
        due = self.doors.get(trap.pc) if cause != T_GATE else CALLED if trap.pc in self.code else None
        if due is not None:
            known = self.stacks.get(fs_base)
            if (
                known is None
                or rsp & 15 != due
                or not (known[0] < rsp <= known[1] or known[2] < rsp <= known[3])
            ):
                self.guard(trap.pc, rsp, fs_base, due)
        if cause == T_GATE:
            if trap.pc not in self.code:
                return None
            if rax == POSIX_CALL:
                try:
                    number, *arguments = self._memory.unpack(FRAME, rdi)
                except GuestFault:
                    return None
                return Syscall(POSIX + (number & 0xFFF), arguments, rdi)
            return Syscall(GATE + (rax & 0xFFF), (rdi, rsi, rdx, rcx, r8, r9), trap.pc)
        if cause not in (T_SYSCALL, _SYSCALL_INSTRUCTION) or rdi == FASTCALL_SETFSBASE or not rsi:
            return None
        try:
            number, _flags, *arguments = self._memory.unpack(_HEAD, rdi)
            self._memory.buffers(rdi, _SIZE, True)
        except GuestFault:
            return None
        if rsi > 1 or self._rest:
            if rsi > 1:
                if len(self._rest) >= _MOST:  # left behind by threads that are gone
                    self._rest.clear()
                    self._place.clear()
                self._rest.setdefault(rdi, (rdi, rsi))
            self._place[rdi] = trap.pc
        return Syscall(number, arguments, rdi)

    def is_call(self, trap: Trap) -> bool:
        """Is this a way to call at all? Other vectors have no gate: they are protection faults."""
        return trap.cause in (T_SYSCALL, _SYSCALL_INSTRUCTION) or (
            trap.cause == T_GATE and trap.pc in self.code
        )

    def refuse(self, trap: Trap) -> None:
        """Nothing that can be served was handed over: none was started, or none after those of a batch."""
        if trap.cause == T_GATE:
            self._out.write((-Errno.EFAULT,))
            return
        _rax, rdi, _rsi, rip = self._batch.read()
        batch = self._rest.pop(rdi, None)
        self._place.pop(rdi, None)
        if batch is None:
            self._out.write((0,))
            return
        first, count = batch
        self._batch.write(((rdi - first) // _SIZE, first, count, rip))

    def finish(self, call: Syscall, result: Result) -> None:
        if call.number >= GATE:
            self._out.write((-result.errno if result.errno else result.value,))
            return
        if result is not STARTED:
            self.complete(call.token, result)
        self._next(call.token)

    def complete(self, address: int, result: Result) -> None:
        """Write a result into its structure and say so; one that is gone from memory is left alone."""
        memory = self._memory
        try:
            flags = memory.read_u64(address + _FLAGS)
            if result.errno:
                text = result.errstr.encode("utf-8", "replace")[: MAX_ERRSTR_LEN - 1]
                memory.write(address + _ERRSTR, text + b"\0")
                memory.write_u64(address + _RETVAL, result.value & _MASK if result.value & _TOO else _MASK)
            else:
                memory.write(address + _ERRSTR, b"\0")
                memory.write_u64(address + _RETVAL, result.value)
            memory.write_u32(address + _ERR, result.errno)
            memory.write_u64(address + _FLAGS, flags & ~SC_PROGRESS | SC_DONE)
        except GuestFault:
            return
        self.on_done(address, flags)

    def _next(self, address: int) -> None:
        """After one structure: back to the instruction for the next of its batch, or on with the count."""
        batch = self._rest.pop(address, None)
        place = self._place.pop(address, 0)
        if batch is None:
            self._out.write((1,))
            return
        first, count = batch
        following = address + _SIZE
        done = (following - first) // _SIZE
        if done < count:
            self._rest[following] = batch
            self._batch.write((0, following, count - done, place))
        else:
            rip = self._batch.read()[3]
            self._batch.write((count, first, count, rip))

    def rewind(self, call: Syscall) -> None:
        """No call of Akaros' is made again: what ends one is an abort, which the caller sees."""
        raise AssertionError(f"call {call.number} was to be made again")


class _Owner(Protocol):
    boundary: Boundary


@dataclass(frozen=True, slots=True)
class StructSyscall:
    """The convention as a value; the OS half made its boundary when it was booted."""

    def bind(self, cpu: Cpu, os: PortObject) -> BoundConvention:
        return cast(_Owner, os).boundary
