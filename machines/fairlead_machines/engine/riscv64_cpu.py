"""The RV64GC hart: registers, batches, saved contexts."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from typing import Any

from fairlead.errors import MachineError
from fairlead.machine import Batch, Context
from fairlead_machines.engine.native import Registers, Unicorn
from fairlead_machines.engine.riscv64_registers import (
    FLOAT_CSRS,
    GENERAL,
    IDS,
    MSTATUS,
    PC,
    PRIV,
    SATP,
    SUPERVISOR_CSRS,
)

__all__ = ["MACHINE", "SUPERVISOR", "USER", "Riscv64Cpu"]

USER, SUPERVISOR, MACHINE = 0, 1, 3
_FS_INITIAL = 1 << 13
_FS = 3 << 13
_TVM = 1 << 20
_BARE, _SV39 = 0, 8

# A context is an array of these. PRIV stands first so that sstatus can be written whatever the mode was;
# sstatus before fcsr, which needs the FPU on, and after it, because writing fcsr marks the FPU's state dirty;
# and PRIV again at the end: writing it drops the load reservation.
_CONTEXT = ("priv", "sstatus", *GENERAL, "pc", *(f"f{n}" for n in range(32)), "fcsr", "sstatus", "priv")
_CONTEXT_IDS = tuple(IDS.get(name, PRIV) for name in _CONTEXT)
_RAISED, _UNIT = 0, 1
_SSTATUS, _PRIV = len(_CONTEXT) - 2, len(_CONTEXT) - 1
_SLOTS = {name: _CONTEXT_IDS.index(number) for name, number in IDS.items() if number in _CONTEXT_IDS}
_SLOTS |= {"sstatus": _SSTATUS, "priv": _PRIV}
_FCSR = _SLOTS["fcsr"]


class Riscv64Cpu:
    """`Cpu` for one hart, id 0, whose guest starts in S-mode or is a program in U-mode.

    Beyond the contract's registers: fflags, frm, sie, sip, sepc, scause, stval, scounteren, priv (0 U, 1 S).
    mstatus.TVM is kept set, so that satp accesses and sfence.vma trap to the engine: Unicorn itself does not
    flush its translations on a new satp.
    """

    arch = "riscv64"

    def __init__(self, unicorn: Unicorn, *, user: bool = False) -> None:
        self.user = user
        """Is the guest in U-mode, with all of S-mode done by the caller of `run`?"""
        self._mode = USER if user else SUPERVISOR
        self._unicorn = unicorn
        self._lib = unicorn.lib
        self._read = unicorn.lib.uc_reg_read
        self._write = unicorn.lib.uc_reg_write
        self._cell = ctypes.c_uint64()
        pointer = ctypes.byref(self._cell)
        arguments = {
            name: (unicorn.handle, ctypes.c_int(number), pointer)
            for name, number in (*IDS.items(), ("priv", PRIV))
        }
        self._csrs = {name: arguments.pop(name) for name in (*SUPERVISOR_CSRS, *FLOAT_CSRS)}
        self._args = arguments
        self._pc_args = arguments["pc"]
        self._pc = Registers(unicorn, [PC])
        self._general = Registers(unicorn, [IDS[name] for name in GENERAL])
        self.satp = 0
        self.on_satp: Callable[[], None] = unicorn.flush_tlb
        self._reset()

    def _reset(self) -> None:
        """The guest's mode with the FPU on, paging off, interrupts off; TVM set."""
        self.set_machine(MSTATUS, _FS_INITIAL | _TVM)
        self.set("priv", self._mode)

    @property
    def pc(self) -> int:
        self._read(*self._pc_args)
        return self._cell.value

    @pc.setter
    def pc(self, value: int) -> None:
        # In a batch: a single write makes Unicorn skip its own updates of pc until the run's end.
        self._pc.write((value,))

    def get(self, register: str) -> int:
        arguments = self._args.get(register)
        if arguments is None:
            return self._get_special(register)
        self._read(*arguments)
        return self._cell.value

    def set(self, register: str, value: int) -> None:
        arguments = self._args.get(register)
        if arguments is None or register == "pc":
            self._set_special(register, value)
            return
        self._cell.value = value
        self._write(*arguments)

    def _get_special(self, register: str) -> int:
        """Unicorn fails silently at a CSR that the current mode, or the FPU being off, closes."""
        arguments = self._csrs.get(register)
        if arguments is None:
            if register == "satp":
                return self.satp
            if register in ("x0", "zero"):
                return 0
            raise _unknown(register)
        if register in FLOAT_CSRS:
            # A program in U-mode cannot turn the FPU off, and to look would drop its load reservation.
            if not self.user and not self.get("sstatus") & _FS:
                return 0
        elif not self.get("priv"):
            self.set("priv", SUPERVISOR)
            self._read(*arguments)
            value = self._cell.value
            self.set("priv", USER)
            return value
        self._read(*arguments)
        return self._cell.value

    def _set_special(self, register: str, value: int) -> None:
        if register == "satp":
            self.set_satp(value)
            return
        if register == "pc":
            self.pc = value
            return
        arguments = self._csrs.get(register)
        if arguments is None:
            raise _unknown(register)
        privilege = self.get("priv")
        if not privilege:
            self.set("priv", SUPERVISOR)
        self._cell.value = value
        self._write(*arguments)
        if not privilege:
            self.set("priv", USER)

    def trap_vector(self) -> int:
        """Where the guest takes its traps itself; 0 if it does not, as no program does."""
        return 0 if self.user else self.get("stvec")

    def batch(self, registers: Sequence[str]) -> Batch:
        """CSRs in a batch have no sure value while the hart is in U-mode or, for fcsr, the FPU is off."""
        for name in registers:
            if name not in IDS:
                raise _unknown(name)
        return Registers(self._unicorn, [IDS[name] for name in registers])

    def general(self) -> Sequence[int]:
        return self._general.read()

    def save(self, into: Context | None = None) -> Context:
        registers = self._new_context() if into is None else self._context(into)
        registers.load()
        values = registers.values
        if values[_RAISED] != SUPERVISOR:
            values[_RAISED] = SUPERVISOR
            values[_UNIT] = values[_SSTATUS] = self.get("sstatus")
        if not values[_SSTATUS] & _FS:
            values[_FCSR] = 0
        return registers

    def blank(self) -> Context:
        registers = self._new_context()
        values = registers.values
        values[_RAISED], values[_PRIV] = SUPERVISOR, self._mode
        values[_UNIT] = values[_SSTATUS] = _FS_INITIAL
        return registers

    def restore(self, context: Context) -> None:
        context.store()

    def peek(self, context: Context, register: str) -> int:
        try:
            value: int = context.values[_SLOTS[register]]
        except KeyError:
            raise _unknown(register) from None
        return value

    def poke(self, context: Context, register: str, value: int) -> None:
        try:
            context.values[_SLOTS[register]] = value
        except KeyError:
            raise _unknown(register) from None
        if register == "sstatus":
            context.values[_UNIT] = value

    def _new_context(self) -> Registers:
        return Registers(self._unicorn, _CONTEXT_IDS)

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


def _unknown(register: str) -> MachineError:
    return MachineError(f"riscv64 has no register {register!r} that can be used here")
