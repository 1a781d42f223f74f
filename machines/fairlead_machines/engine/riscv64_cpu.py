"""The RV64GC hart: registers, batches, saved contexts."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from typing import Any

from fairlead.errors import MachineError
from fairlead.machine import Batch, Context
from fairlead_machines.engine.native import Registers, Unicorn
from fairlead_machines.engine.riscv64_registers import GENERAL, IDS, MSTATUS, PRIV, SATP

__all__ = ["MACHINE", "SUPERVISOR", "USER", "Riscv64Cpu"]

USER, SUPERVISOR, MACHINE = 0, 1, 3
_FS_INITIAL = 1 << 13
_FS = 3 << 13
_TVM = 1 << 20
_BARE, _SV39 = 0, 8

# A context is an array of these, PRIV last: writing it drops the load reservation (and the FPU must be on,
# by sstatus, before fcsr can be written).
_CONTEXT = (*GENERAL, "pc", *(f"f{n}" for n in range(32)), "sstatus", "fcsr", "priv")
_INDEX = {IDS.get(name, PRIV): position for position, name in enumerate(_CONTEXT)}
_POSITION = {name: _INDEX[number] for name, number in IDS.items() if number in _INDEX} | {
    "priv": _INDEX[PRIV]
}


class Riscv64Cpu:
    """`Cpu` for one hart, id 0, in S-mode.

    Beyond the contract's registers: fflags, frm, sie, sip, sepc, scause, stval, scounteren, priv (0 U, 1 S).
    mstatus.TVM is kept set, so that satp accesses and sfence.vma trap to the engine: Unicorn itself does not
    flush its translations on a new satp.
    """

    arch = "riscv64"

    def __init__(self, unicorn: Unicorn) -> None:
        self._unicorn = unicorn
        self._lib = unicorn.lib
        self._read = unicorn.lib.uc_reg_read
        self._write = unicorn.lib.uc_reg_write
        self._cell = ctypes.c_uint64()
        pointer = ctypes.byref(self._cell)
        self._args = {
            name: (unicorn.handle, ctypes.c_int(number), pointer)
            for name, number in (*IDS.items(), ("priv", PRIV))
        }
        self._pc_args = self._args["pc"]
        self._general = Registers(unicorn, [IDS[name] for name in GENERAL])
        self.satp = 0
        self.on_satp: Callable[[], None] = unicorn.flush_tlb
        self._reset()

    def _reset(self) -> None:
        """S-mode with the FPU on, paging off, interrupts off; TVM set."""
        self.set_machine(MSTATUS, _FS_INITIAL | _TVM)
        self.set("priv", SUPERVISOR)

    @property
    def pc(self) -> int:
        self._read(*self._pc_args)
        return self._cell.value

    @pc.setter
    def pc(self, value: int) -> None:
        self._cell.value = value
        self._write(*self._pc_args)

    def get(self, register: str) -> int:
        try:
            arguments = self._args[register]
        except KeyError:
            return self._special(register)
        if register in _FLOAT_CSRS and not self.get("sstatus") & _FS:
            return 0  # the read would fail and leave what was there before
        self._read(*arguments)
        return self._cell.value

    def set(self, register: str, value: int) -> None:
        if register == "satp":
            self.set_satp(value)
            return
        try:
            arguments = self._args[register]
        except KeyError:
            raise _unknown(register) from None
        self._cell.value = value
        self._write(*arguments)

    def _special(self, register: str) -> int:
        if register == "satp":
            return self.satp
        if register in ("x0", "zero"):
            return 0
        raise _unknown(register)

    def batch(self, registers: Sequence[str]) -> Batch:
        for name in registers:
            if name not in IDS:
                raise _unknown(name) if name != "satp" else MachineError("satp cannot be part of a batch")
        return Registers(self._unicorn, [IDS[name] for name in registers])

    def general(self) -> Sequence[int]:
        return self._general.read()

    def save(self, into: Context | None = None) -> Context:
        registers = self._context(into) if into is not None else self._new_context()
        registers.load()
        return registers

    def blank(self) -> Context:
        registers = self._new_context()
        registers.values[_POSITION["sstatus"]] = _FS_INITIAL
        registers.values[_POSITION["priv"]] = SUPERVISOR
        return registers

    def restore(self, context: Context) -> None:
        context.store()

    def peek(self, context: Context, register: str) -> int:
        try:
            value: int = context.values[_POSITION[register]]
        except KeyError:
            raise _unknown(register) from None
        return value

    def poke(self, context: Context, register: str, value: int) -> None:
        try:
            context.values[_POSITION[register]] = value
        except KeyError:
            raise _unknown(register) from None

    def _new_context(self) -> Registers:
        return Registers(self._unicorn, [IDS.get(name, PRIV) for name in _CONTEXT])

    @staticmethod
    def _context(into: Any) -> Registers:
        if not isinstance(into, Registers) or len(into.values) != len(_CONTEXT):
            raise MachineError("not a context saved by this CPU")
        return into

    def get_machine(self, number: int) -> int:
        """A machine-mode CSR, read with the privilege raised; drops the load reservation."""
        privilege = self.get("priv")
        self.set("priv", MACHINE)
        self._read(self._unicorn.handle, ctypes.c_int(number), ctypes.byref(self._cell))
        value = self._cell.value
        self.set("priv", privilege)
        return value

    def set_machine(self, number: int, value: int) -> None:
        """A machine-mode CSR, written with the privilege raised; drops the load reservation."""
        privilege = self.get("priv")
        self.set("priv", MACHINE)
        self._cell.value = value
        self._write(self._unicorn.handle, ctypes.c_int(number), ctypes.byref(self._cell))
        self.set("priv", privilege)

    def set_satp(self, value: int) -> None:
        """Change address spaces; as on hardware, an unknown mode changes nothing."""
        if value >> 60 not in (_BARE, _SV39):
            return
        self.set_machine(SATP, value)
        self.satp = value
        self.on_satp()


_FLOAT_CSRS = frozenset({"fcsr", "frm", "fflags"})


def _unknown(register: str) -> MachineError:
    return MachineError(f"riscv64 has no register {register!r} that can be used here")
