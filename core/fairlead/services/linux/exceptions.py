"""What Linux makes of an exception in user mode: its signal, si_code and si_addr.

x86-64 after arch/x86/kernel/traps.c and arch/x86/mm/fault.c, riscv64 after arch/riscv/kernel/traps.c and
arch/riscv/mm/fault.c; si_code by its name in asm-generic/siginfo.h.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from typing import NamedTuple

from fairlead.machine import Cpu
from fairlead.signal import Sig, Signal
from fairlead.trap import Trap, TrapKind

__all__ = ["Exceptions"]

_SI_KERNEL = 0x80
_SEGV_MAPERR, _SEGV_ACCERR = 1, 2
_BUS_ADRALN = 1
_FPE_INTDIV, _FPE_FLTINV = 1, 7
_ILL_ILLOPC, _ILL_ILLOPN = 1, 2
_TRAP_BRKPT, _TRAP_TRACE = 1, 2

_DEBUG, _PROTECTION = 1, 13
_TF = 1 << 8
_IN_IDT = 2  # in the error code of a descriptor (Intel SDM volume 3A, section 6.13)


class _At(enum.Enum):
    """What si_addr is."""

    NOWHERE = "0"
    INSTRUCTION = "where the thread goes on if its handler changes nothing"
    ACCESS = "the address that was accessed"


class _Row(NamedTuple):
    signal: Sig
    code: int
    at: _At


_X86_64: Mapping[int, _Row] = {
    0: _Row(Sig.SIGFPE, _FPE_INTDIV, _At.INSTRUCTION),
    _DEBUG: _Row(Sig.SIGTRAP, _TRAP_BRKPT, _At.INSTRUCTION),
    3: _Row(Sig.SIGTRAP, _SI_KERNEL, _At.NOWHERE),
    4: _Row(Sig.SIGSEGV, _SI_KERNEL, _At.NOWHERE),
    6: _Row(Sig.SIGILL, _ILL_ILLOPN, _At.INSTRUCTION),
    10: _Row(Sig.SIGSEGV, _SI_KERNEL, _At.NOWHERE),
    11: _Row(Sig.SIGBUS, _SI_KERNEL, _At.NOWHERE),
    12: _Row(Sig.SIGBUS, _SI_KERNEL, _At.NOWHERE),
    _PROTECTION: _Row(Sig.SIGSEGV, _SI_KERNEL, _At.NOWHERE),
    14: _Row(Sig.SIGSEGV, _SEGV_MAPERR, _At.ACCESS),
    16: _Row(Sig.SIGFPE, _FPE_FLTINV, _At.INSTRUCTION),
    17: _Row(Sig.SIGBUS, _BUS_ADRALN, _At.NOWHERE),
    19: _Row(Sig.SIGFPE, _FPE_FLTINV, _At.INSTRUCTION),
}
"""By vector (Intel SDM volume 3A, table 6-1)."""

_RISCV64: Mapping[int, _Row] = {
    0: _Row(Sig.SIGBUS, _BUS_ADRALN, _At.INSTRUCTION),
    1: _Row(Sig.SIGSEGV, _SEGV_ACCERR, _At.INSTRUCTION),
    2: _Row(Sig.SIGILL, _ILL_ILLOPC, _At.INSTRUCTION),
    3: _Row(Sig.SIGTRAP, _TRAP_BRKPT, _At.INSTRUCTION),
    4: _Row(Sig.SIGBUS, _BUS_ADRALN, _At.INSTRUCTION),
    5: _Row(Sig.SIGSEGV, _SEGV_ACCERR, _At.INSTRUCTION),
    6: _Row(Sig.SIGBUS, _BUS_ADRALN, _At.INSTRUCTION),
    7: _Row(Sig.SIGSEGV, _SEGV_ACCERR, _At.INSTRUCTION),
    12: _Row(Sig.SIGSEGV, _SEGV_MAPERR, _At.ACCESS),
    13: _Row(Sig.SIGSEGV, _SEGV_MAPERR, _At.ACCESS),
    15: _Row(Sig.SIGSEGV, _SEGV_MAPERR, _At.ACCESS),
}
"""By exception code (RISC-V privileged specification, table "Supervisor cause register values")."""


class Exceptions:
    """Turns the exceptions of one architecture into signals."""

    def __init__(self, arch: str, is_mapped: Callable[[int], bool]) -> None:
        self._rows = _RISCV64 if arch == "riscv64" else _X86_64
        self._is_mapped = is_mapped

    def signal(self, cpu: Cpu, trap: Trap) -> Signal:
        cause, error = trap.cause, trap.error
        if trap.kind is TrapKind.SYSCALL:  # `int n` of a vector whose gate is not for programs
            cause, error = _PROTECTION, trap.cause << 3 | _IN_IDT
            cpu.pc = trap.pc
        number, code, at = self._rows[cause]
        address = 0
        if at is _At.INSTRUCTION:
            address = cpu.pc
        elif at is _At.ACCESS:
            address = trap.address
            if self._is_mapped(address):
                code = _SEGV_ACCERR
        if number is Sig.SIGTRAP and cause == _DEBUG and cpu.get("rflags") & _TF:
            code = _TRAP_TRACE
        return Signal(number, code, address, synchronous=True, trap=cause, error=error)
