"""What has to be forgotten when mappings or code change under the engine."""

from __future__ import annotations

from collections.abc import Callable

from fairlead.machine import PAGE_SIZE
from fairlead_machines.engine.counter import Counter
from fairlead_machines.engine.native import Unicorn
from fairlead_machines.engine.ram import EngineRam
from fairlead_machines.engine.riscv64_counters import CounterReads
from fairlead_machines.engine.riscv64_cpu import MACHINE, Riscv64Cpu
from fairlead_machines.engine.riscv64_emulate import Emulator
from fairlead_machines.engine.riscv64_memory import GuestView
from fairlead_machines.engine.sv39 import Sv39, UserSv39

__all__ = ["Translations"]

_FEW_PAGES = 16


class Translations:
    """Keeps Unicorn's translated addresses and code, and what is remembered beside it, true to memory."""

    def __init__(
        self,
        unicorn: Unicorn,
        ram: EngineRam,
        cpu: Riscv64Cpu,
        counter: Counter,
        view: GuestView,
        emulator: Emulator,
        counter_reads: CounterReads,
    ) -> None:
        self._unicorn = unicorn
        self._base = ram.base
        self._size = ram.size
        self._cpu = cpu
        self._exits_inside = counter.kind != "blocks"  # count= stops by them
        self._view = view
        self._emulator = emulator
        self._counter_reads = counter_reads
        self._ran = False
        cpu.on_satp = self.forget_addresses
        ram.on_code_written(self.forget_code)

    def before_run(self) -> None:
        """Look at the code only now: a loader writes and maps in any order."""
        self._ran = True
        if self._counter_reads.unseen:
            self._counter_reads.look()

    def new_tables(self, allocate: Callable[[int], int]) -> Sv39:
        return (UserSv39 if self._cpu.user else Sv39)(
            self._view.words, self._base, allocate, self.forget_addresses, self._executable, self._activate
        )

    def _activate(self, satp: int) -> None:
        """Run under tables made here: they lead to RAM and devices, to a physical hole only on purpose."""
        self._cpu.set_satp(satp)
        self._unicorn.set_exits_inside_blocks(self._exits_inside or bool(self._counter_reads.sites))

    def forget_addresses(self) -> None:
        """Forget what virtual addresses meant."""
        self._emulator.forget()
        self._unicorn.flush_tlb()

    def _executable(self, virtual: int, physical: int, size: int) -> None:
        """Pages have become executable."""
        start = physical - self._base
        if 0 <= start < self._size:
            self._counter_reads.mapped(virtual, start, size)
        self.forget_code(physical, size)

    def forget_code(self, address: int, size: int) -> None:
        """Forget code translated from a physical range."""
        self._emulator.forget()
        self._counter_reads.written(address - self._base, size)
        if not self._ran:
            return
        if self._counter_reads.unseen:
            self._counter_reads.look()
        if size > _FEW_PAGES * PAGE_SIZE:
            self._unicorn.flush_blocks()
            return
        # Blocks are named by the addresses of the current mode; in M-mode those are physical.
        privilege = self._cpu.get("priv")
        self._cpu.set("priv", MACHINE)
        while size > 0:
            part = min(size, PAGE_SIZE - address % PAGE_SIZE)
            self._unicorn.remove_blocks(address, address + part)
            address += part
            size -= part
        self._cpu.set("priv", privilege)
