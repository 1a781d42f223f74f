"""Puts the parts of the board `virt` together."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

from fairlead.errors import UsageError
from fairlead.machine import BoardOptions, Machine, Part
from fairlead_machines.engine.clock import EngineClock, HostClock, VirtualClock
from fairlead_machines.engine.counter import Counter, make_counter
from fairlead_machines.engine.native import ARCH_RISCV, MODE_RISCV64, Unicorn
from fairlead_machines.engine.ram import EngineRam
from fairlead_machines.engine.riscv64 import Riscv64Machine
from fairlead_machines.engine.riscv64_cpu import Riscv64Cpu
from fairlead_machines.engine.wakeup import Wakeup

__all__ = ["VirtMachine", "build"]

_MEMORY = 2 << 20
_LEAST_MEMORY, _MOST_MEMORY = 4 << 20, 64 << 30


class VirtMachine(Riscv64Machine):
    """`Machine` for the board `virt`."""

    def device_tree(self) -> bytes:
        return b""


def build(options: BoardOptions, parts: Sequence[Part]) -> Machine:
    """Make a machine; UsageError for options that make no sense."""
    memory = options.memory
    if not _LEAST_MEMORY <= memory <= _MOST_MEMORY or memory % _MEMORY:
        raise UsageError(
            f"{memory} bytes of memory cannot be had", hint="take a multiple of 2 MiB from 4 MiB to 64 GiB"
        )
    address = {part.name: part.address for part in parts}
    unicorn = Unicorn(ARCH_RISCV, MODE_RISCV64)
    ram = EngineRam(address["ram"], memory)
    unicorn.map_ram(ram.base, ram.size, ram.host)
    counter = make_counter(options.counter, unicorn, lambda count: _spin(unicorn, ram, count))
    wakeup = Wakeup()
    return VirtMachine(unicorn, ram, _clock(options, counter, wakeup), counter, wakeup, Riscv64Cpu(unicorn))


def _clock(options: BoardOptions, counter: Counter, wakeup: Wakeup) -> EngineClock:
    if options.clock == "host":
        return HostClock(counter, options.epoch, wakeup)
    if options.clock == "virtual":
        return VirtualClock(counter, options.epoch, wakeup)
    raise UsageError(f"no clock {options.clock!r}", hint='there are "virtual" and "host"')


_JUMP_TO_ITSELF = b"\x6f\x00\x00\x00"


def _spin(unicorn: Unicorn, ram: EngineRam, count: int) -> None:
    """Run `count` instructions of a loop at the start of RAM, and leave no trace of it."""
    ram.view[: len(_JUMP_TO_ITSELF)] = _JUMP_TO_ITSELF
    unicorn.check(unicorn.lib.uc_emu_start(unicorn.handle, ram.base, 0, 0, ctypes.c_size_t(count)), "probe")
    ram.zero(ram.base, len(_JUMP_TO_ITSELF))
    unicorn.flush_blocks()
