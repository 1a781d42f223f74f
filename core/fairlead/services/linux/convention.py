"""How calls are made on each architecture (syscall(2), "Architecture calling conventions")."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from fairlead.machine import Cpu
from fairlead.port import PortObject
from fairlead.syscall import BoundConvention, Convention, RegisterABI, Syscall
from fairlead.trap import Trap

__all__ = ["CONVENTIONS", "SyscallInstruction"]

_VECTORS = 256


class SyscallInstruction(NamedTuple):
    """The x86-64 instruction of that name, arguments in registers; `int n` makes no call, as in a kernel
    without 32-bit programs."""

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


CONVENTIONS: Mapping[str, Convention] = MappingProxyType(
    {
        "amd64": SyscallInstruction(
            RegisterABI(number="rax", arguments=("rdi", "rsi", "rdx", "r10", "r8", "r9"), result="rax")
        ),
        "riscv64": RegisterABI(number="a7", arguments=("a0", "a1", "a2", "a3", "a4", "a5"), result="a0"),
    }
)
"""By GOARCH."""
