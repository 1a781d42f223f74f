"""How calls are made on x86-64: by the syscall instruction only (syscall(2), "Architecture calling
conventions")."""

from __future__ import annotations

from typing import NamedTuple

from fairlead.machine import Cpu
from fairlead.port import PortObject
from fairlead.syscall import BoundConvention, RegisterABI, Syscall
from fairlead.trap import Trap

__all__ = ["SyscallInstruction"]

_VECTORS = 256


class SyscallInstruction(NamedTuple):
    """Arguments in registers; `int n` makes no call, as in a kernel without 32-bit programs."""

    registers: RegisterABI

    def bind(self, cpu: Cpu, os: PortObject) -> BoundConvention:
        return _Bound(self.registers.bind(cpu, os))


class _Bound:
    def __init__(self, registers: BoundConvention) -> None:
        self._decode = registers.decode
        self.finish = registers.finish
        self.rewind = registers.rewind

    def decode(self, trap: Trap) -> Syscall | None:
        return None if trap.cause < _VECTORS else self._decode(trap)
