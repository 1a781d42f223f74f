"""The address of the last fault, which Unicorn keeps but does not show.

CPURISCVState begins with gpr[32], fpr[32], pc, load_res, load_val, frm, badaddr (qemu/target/riscv/cpu.h in
Unicorn 2.1.4), and a saved context holds it from its start. Where in a context it starts is found by marked
registers, so another layout is noticed when a machine is made, not in a wrong fault address.
"""

from __future__ import annotations

import ctypes

from fairlead.errors import MachineError
from fairlead_machines.engine.native import Registers, Unicorn
from fairlead_machines.engine.riscv64_registers import IDS

__all__ = ["FaultAddress"]

_MARKS = {f"x{n}": 0xFA17_0000_0000_0000 | n for n in range(1, 32)} | {
    f"f{n}": 0xFA17_1111_0000_0000 | n for n in range(32)
}
_AFTER_FPR = 8 * 4
"""pc, load_res, load_val and frm stand between f31 and badaddr."""


class FaultAddress:
    """Reads badaddr, which Unicorn sets at page faults and misaligned accesses."""

    __slots__ = ("_cell", "_context", "_handle", "_lib", "_save")

    def __init__(self, unicorn: Unicorn) -> None:
        self._lib = unicorn.lib
        self._handle = unicorn.handle
        self._context = ctypes.c_void_p()
        unicorn.check(
            self._lib.uc_context_alloc(self._handle, ctypes.byref(self._context)), "uc_context_alloc"
        )
        marks = Registers(unicorn, [IDS[name] for name in _MARKS])
        before = marks.read()
        marks.write(list(_MARKS.values()))
        self._save = self._lib.uc_context_save
        self._save(self._handle, self._context)
        marks.write(before)
        start = self._context.value
        assert start is not None
        raw = ctypes.string_at(start, self._lib.uc_context_size(self._handle))
        pattern = bytes(8) + b"".join(mark.to_bytes(8, "little") for mark in _MARKS.values())
        found = raw.find(pattern)
        if found < 0:
            raise MachineError(
                "Unicorn's CPU state does not begin with the registers; fault addresses are lost"
            )
        self._cell = ctypes.c_uint64.from_address(start + found + len(pattern) + _AFTER_FPR)

    def read(self) -> int:
        self._save(self._handle, self._context)
        return self._cell.value

    def close(self) -> None:
        self._lib.uc_context_free(self._context)
