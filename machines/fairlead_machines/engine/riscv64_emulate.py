"""Instructions that Unicorn cannot execute as a board needs them: time, satp and sfence.vma.

rdtime is an illegal instruction to Unicorn. satp and sfence.vma trap because mstatus.TVM is set: Unicorn
keeps old translations after a write to satp, and here those are flushed.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable

from fairlead.machine import PAGE_SIZE
from fairlead_machines.engine.clock import EngineClock
from fairlead_machines.engine.native import Unicorn
from fairlead_machines.engine.riscv64_cpu import SUPERVISOR, Riscv64Cpu
from fairlead_machines.engine.riscv64_decode import csr_access
from fairlead_machines.engine.riscv64_memory import GuestView
from fairlead_machines.engine.riscv64_registers import X

__all__ = ["TICK", "TIMEBASE", "TIME_COST", "Emulator"]

TIMEBASE = 10_000_000
"""timebase-frequency in Hz, of the time CSR and the timer, as on QEMU's virt board."""
TICK = 1_000_000_000 // TIMEBASE
TIME_COST = 20
"""Guest nanoseconds that a time read takes."""

_SFENCE_VMA, _SFENCE_VMA_MASK = 0x12000073, 0xFE007FFF
_SATP, _TIME = 0x180, 0xC01


class Emulator:
    """Executes single instructions in the engine's stead, pc being past them already."""

    def __init__(
        self,
        unicorn: Unicorn,
        cpu: Riscv64Cpu,
        clock: EngineClock,
        view: GuestView,
    ) -> None:
        self.time_source: Callable[[], int] | None = None
        self._unicorn = unicorn
        self._cpu = cpu
        self._view = view
        self._ram = view.ram
        self._now = clock.now
        self._charge = clock.charge
        self._write = unicorn.lib.uc_reg_write
        self._cell = ctypes.c_uint64()
        pointer = ctypes.byref(self._cell)
        self._targets = tuple((unicorn.handle, ctypes.c_int(X + n), pointer) for n in range(32))
        self._time_reads: dict[int, tuple[int, int, int, bytes]] = {}

    def read_time(self, pc: int) -> bool:
        """Serve a time read met before at pc, if its code is still the same; the hot path."""
        known = self._time_reads.get(pc)
        if known is None:
            return False
        rd, start, end, code = known
        if self._ram[start:end] != code:
            del self._time_reads[pc]
            return False
        self._charge(TIME_COST)
        source = self.time_source
        self._cell.value = (self._now() if source is None else source()) // TICK
        self._write(*self._targets[rd])
        return True

    def forget(self) -> None:
        """Virtual addresses or code have changed."""
        self._time_reads.clear()

    def emulate(self, pc: int) -> bool:
        """Execute what Unicorn called illegal at pc; False if it is illegal indeed."""
        word = self._view.instruction(pc)
        found = csr_access(word)
        if found is None:
            if word & _SFENCE_VMA_MASK != _SFENCE_VMA or self._cpu.get("priv") != SUPERVISOR:
                return False
            self._cpu.on_satp()
            return True
        csr, operation, rd, source = found
        if csr == _TIME and operation & 3 != 1 and not source:
            self._charge(TIME_COST)
            self._set(rd, (self.time_source or self._now)() // TICK)
            start = self._view.index(pc)
            if rd and start is not None and pc % PAGE_SIZE <= PAGE_SIZE - 4:
                self._time_reads[pc] = rd, start, start + 4, word.to_bytes(4, "little")
            return True
        if csr == _SATP and self._cpu.get("priv") == SUPERVISOR:
            self._satp(operation, rd, source)
            return True
        return False

    def _satp(self, operation: int, rd: int, source: int) -> None:
        """csrrw, csrrs, csrrc and their immediate forms (unprivileged specification, chapter 9)."""
        old = self._cpu.satp
        operand = source if operation & 4 or not source else self._cpu.get(f"x{source}")
        kind = operation & 3
        self._set(rd, old)
        if kind == 1:
            self._cpu.set_satp(operand)
        elif source:
            self._cpu.set_satp(old | operand if kind == 2 else old & ~operand)
        if self._cpu.satp != old:
            # Tables of the guest's own may lead anywhere: a store to a physical hole must stop at once.
            self._unicorn.set_exits_inside_blocks(True)

    def _set(self, rd: int, value: int) -> None:
        if rd:
            self._cell.value = value
            self._write(*self._targets[rd])
