"""A trap: control leaving the guest, as the architecture reports it."""

from __future__ import annotations

import enum
from dataclasses import dataclass

__all__ = ["Trap", "TrapKind"]


class TrapKind(enum.Enum):
    """What happened, the same on every architecture; `Trap.cause` keeps the architecture's own number."""

    SYSCALL = "syscall"  # ecall; int n, syscall
    FETCH_FAULT = "fetch fault"  # instruction page fault
    LOAD_FAULT = "load fault"
    STORE_FAULT = "store fault"
    MISALIGNED = "misaligned"  # address-misaligned exceptions, #AC
    ILLEGAL = "illegal instruction"  # scause 2, #UD
    BREAKPOINT = "breakpoint"  # ebreak, int3
    DIVIDE = "divide error"  # #DE; RISC-V has none
    PROTECTION = "protection fault"  # #GP; access faults on RISC-V
    TIMER = "timer interrupt"
    SOFTWARE = "software interrupt"
    EXTERNAL = "external interrupt"

    @property
    def is_interrupt(self) -> bool:
        return self in _INTERRUPTS


_INTERRUPTS = frozenset({TrapKind.TIMER, TrapKind.SOFTWARE, TrapKind.EXTERNAL})


@dataclass(slots=True)
class Trap:
    """One trap; the interrupted registers are read from the `Cpu` it comes with.

    `cause` is scause with its interrupt bit (RISC-V privileged specification, table "Supervisor cause
    register values after trap") or the x86 vector number, 256 or more for the syscall instruction. `pc` is
    sepc: the trapping instruction, or for an interrupt the next one to run. `address` is stval or CR2; 0
    where the architecture gives none. `error` is the x86 error code, 0 elsewhere.
    """

    kind: TrapKind
    cause: int
    pc: int
    address: int = 0
    error: int = 0
