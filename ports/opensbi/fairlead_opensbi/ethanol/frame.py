"""The trap frame: 31 registers, then scause, sepc and stval, in the order a trap vector saves them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from fairlead.machine import Cpu
from fairlead.trap import Trap

__all__ = ["INTERRUPT", "TrapFrame"]

INTERRUPT = 1 << 63
"""scause's interrupt bit (RISC-V privileged specification, "Supervisor Cause Register")."""


class TrapFrame(NamedTuple):
    registers: Sequence[int]
    """x1…x31."""
    scause: int
    sepc: int
    stval: int

    @classmethod
    def capture(cls, cpu: Cpu, trap: Trap) -> TrapFrame:
        return cls(cpu.general(), trap.cause, trap.pc, trap.address)

    @property
    def is_interrupt(self) -> bool:
        return bool(self.scause & INTERRUPT)

    @property
    def code(self) -> int:
        """The exception code, without the interrupt bit."""
        return self.scause & ~INTERRUPT
