"""The x86-64 CPU in ring 3: registers, batches, saved contexts."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from typing import Any

from fairlead.errors import MachineError
from fairlead.machine import Batch, Context
from fairlead_machines.engine.native import Registers, Unicorn
from fairlead_machines.engine.ram import EngineRam
from fairlead_machines.engine.x86_64_boot import enter_ring_3
from fairlead_machines.engine.x86_64_registers import GENERAL, IDS, VECTORS, user_flags
from fairlead_machines.engine.x86_64_state import States

__all__ = ["X86Cpu"]

_MXCSR = 0xFFFF
_NOT_IN_CONTEXT = frozenset({"cr2", "cr3"})


def _mxcsr(value: int) -> int:
    return value & _MXCSR


_SANITISERS: dict[str, Callable[[int], int]] = {"rflags": user_flags, "mxcsr": _mxcsr}
"""Registers of which a user thread has not every value; guarded in reads too, for Unicorn's errors."""


class _GuardedRegisters(Registers):
    """A batch with registers that not every value may go to."""

    __slots__ = ("_guards",)

    def __init__(self, unicorn: Unicorn, names: Sequence[str]) -> None:
        super().__init__(unicorn, [IDS[name] for name in names])
        self._guards = [(n, _SANITISERS[name]) for n, name in enumerate(names) if name in _SANITISERS]

    def read(self) -> tuple[int, ...]:
        return tuple(self._guarded(super().read()))

    def write(self, values: Sequence[int]) -> None:
        super().write(self._guarded(values))

    def _guarded(self, values: Sequence[int]) -> Sequence[int]:
        values = list(values)
        for position, guard in self._guards:
            values[position] = guard(values[position])
        return values


class X86Cpu:
    """`Cpu` for one processor that executes ring 3 only.

    CR3 and CR2 belong to the processor, not to a thread: they are not part of a context. RFLAGS always has IF
    set and IOPL zero, whatever is written to it.
    """

    arch = "x86_64"

    def __init__(self, unicorn: Unicorn, ram: EngineRam) -> None:
        """Brings a freshly opened Unicorn to ring 3; the start of RAM is used and zeroed."""
        self._unicorn = unicorn
        self._read = unicorn.lib.uc_reg_read
        self._write = unicorn.lib.uc_reg_write
        self._read_state = unicorn.lib.uc_context_reg_read
        self._write_state = unicorn.lib.uc_context_reg_write
        self._cell = (ctypes.c_uint64 * 2)()
        pointer = ctypes.byref(self._cell)
        self._args = {
            name: (unicorn.handle, ctypes.c_int(number), pointer) for name, number in (IDS | VECTORS).items()
        }
        self._pc_args = self._args["rip"]
        # Writing rip by uc_reg_write would keep Unicorn from telling later hooks of the run where they are.
        self._pc_write = Registers(unicorn, [IDS["rip"]]).write
        self._general = Registers(unicorn, [IDS[name] for name in GENERAL])
        self.states = States(unicorn)
        enter_ring_3(unicorn, ram)
        self.states.set_template()
        self.cr3 = 0
        self._special = {"rip": self._set_pc, "cr3": self.set_cr3}

    @property
    def pc(self) -> int:
        self._read(*self._pc_args)
        value: int = self._cell[0]
        return value

    @pc.setter
    def pc(self, value: int) -> None:
        self._pc_write((value,))

    def _set_pc(self, value: int) -> None:
        self.pc = value

    def get(self, register: str) -> int:
        self._read(*self._arguments(register))
        return self._value(register)

    def set(self, register: str, value: int) -> None:
        special = self._special.get(register)
        if special is not None:
            special(value)
            return
        arguments = self._arguments(register)
        self._put(register, value)
        self._write(*arguments)

    def set_cr3(self, value: int) -> None:
        """Change address spaces; all translations are forgotten."""
        self._cell[0] = value
        self._write(*self._args["cr3"])
        self.cr3 = value

    def batch(self, registers: Sequence[str]) -> Batch:
        for name in registers:
            if name not in IDS:
                raise _unknown(name)
            if name == "cr3":
                raise MachineError("cr3 cannot be part of a batch")
        if any(name in _SANITISERS for name in registers):
            return _GuardedRegisters(self._unicorn, registers)
        return Registers(self._unicorn, [IDS[name] for name in registers])

    def general(self) -> Sequence[int]:
        return self._general.read()

    def save(self, into: Context | None = None) -> Context:
        state = self._state(into) if into is not None else self.states.new()
        self.states.save(state)
        return state

    def blank(self) -> Context:
        return self.states.new()

    def restore(self, context: Context) -> None:
        self.states.restore(self._state(context), self.cr3)

    def peek(self, context: Context, register: str) -> int:
        self._read_state(self._state(context), *self._in_context(register))
        return self._value(register)

    def poke(self, context: Context, register: str, value: int) -> None:
        arguments = self._in_context(register)
        self._put(register, value)
        self._write_state(self._state(context), *arguments)

    def _value(self, register: str) -> int:
        value: int = self._cell[0]
        if register in VECTORS:
            value |= self._cell[1] << 64
        elif register in _SANITISERS:
            value = _SANITISERS[register](value)
        return value

    def _put(self, register: str, value: int) -> None:
        guard = _SANITISERS.get(register)
        self._cell[0] = guard(value) if guard is not None else value
        self._cell[1] = value >> 64

    def _arguments(self, register: str) -> tuple[Any, ...]:
        self._cell[0] = 0  # narrow registers fill part of it
        try:
            return self._args[register]
        except KeyError:
            raise _unknown(register) from None

    def _in_context(self, register: str) -> tuple[Any, ...]:
        if register in _NOT_IN_CONTEXT:
            raise MachineError(f"{register} is not part of a saved state")
        return self._arguments(register)[1:]

    def _state(self, context: Any) -> Any:
        if not isinstance(context, self.states.type):
            raise MachineError("not a context saved by this CPU")
        return context


def _unknown(register: str) -> MachineError:
    return MachineError(f"x86-64 has no register {register!r} that can be used here")
