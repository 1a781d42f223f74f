"""Puts the parts of the board `pc` together."""

from __future__ import annotations

from collections.abc import Sequence

from fairlead.machine import BoardOptions, Console, Machine, Part
from fairlead_machines.boards.assembly import make_clock, open_engine
from fairlead_machines.engine.counter import Counter
from fairlead_machines.engine.native import ARCH_X86, MODE_64, Unicorn
from fairlead_machines.engine.ram import EngineRam
from fairlead_machines.engine.wakeup import Wakeup
from fairlead_machines.engine.x86_64 import X86Machine
from fairlead_machines.engine.x86_64_cpu import X86Cpu
from fairlead_machines.engine.x86_64_cpuid import MODEL

__all__ = ["PcMachine", "build"]

_JUMP_TO_ITSELF = bytes.fromhex("ebfe")
_ENOUGH = 1_000
"""Units that bringing the processor to ring 3 does not use up."""


class PcMachine(X86Machine):
    """`Machine` for the board `pc`."""

    def __init__(self, options: BoardOptions, unicorn: Unicorn, ram: EngineRam, counter: Counter) -> None:
        wakeup = Wakeup()
        counter.cell.value = _ENOUGH
        cpu = X86Cpu(unicorn, ram)
        super().__init__(unicorn, ram, make_clock(options, counter, wakeup), counter, wakeup, cpu)
        self.console: Console = options.console

    def device_tree(self) -> bytes:
        return b""


def build(options: BoardOptions, parts: Sequence[Part]) -> Machine:
    """Make a machine; UsageError for options that make no sense."""
    base = next(part.address for part in parts if part.name == "memory")
    unicorn, ram, counter = open_engine(options, "pc", base, ARCH_X86, MODE_64, MODEL, _JUMP_TO_ITSELF)
    return PcMachine(options, unicorn, ram, counter)
