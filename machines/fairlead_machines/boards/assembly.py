"""What building a board's engine takes, whatever the architecture."""

from __future__ import annotations

import ctypes

from fairlead.errors import UsageError
from fairlead.machine import BoardOptions
from fairlead_machines.engine.clock import EngineClock, HostClock, VirtualClock
from fairlead_machines.engine.counter import Counter, make_counter
from fairlead_machines.engine.native import Unicorn
from fairlead_machines.engine.ram import EngineRam
from fairlead_machines.engine.wakeup import Wakeup

__all__ = ["make_clock", "open_engine"]

_LARGE_PAGE = 2 << 20
_CLOCKS: dict[str, type[VirtualClock] | type[HostClock]] = {"virtual": VirtualClock, "host": HostClock}
_LEAST_MEMORY, _MOST_MEMORY = 4 << 20, 64 << 30


def open_engine(
    options: BoardOptions, board: str, base: int, arch: int, mode: int, model: int | None, jump: bytes
) -> tuple[Unicorn, EngineRam, Counter]:
    """An engine with RAM at `base` and the counter asked for; UsageError for options that make no sense.

    `jump` is the instruction that jumps to itself, which is run to probe the counter and leaves no trace.
    """
    size = options.memory
    if not _LEAST_MEMORY <= size <= _MOST_MEMORY or size % _LARGE_PAGE:
        raise UsageError(
            f"the board {board} cannot have {size} bytes of memory",
            hint="take a multiple of 2 MiB from 4 MiB to 64 GiB",
        )
    if options.clock not in _CLOCKS:
        raise UsageError(f"there is no clock {options.clock!r}", hint='take "virtual" or "host"')
    unicorn = Unicorn(arch, mode, model)  # before the RAM, see Unicorn.__init__
    ram = EngineRam(base, size)
    unicorn.map_ram(ram.base, ram.size, ram.host)

    def spin(count: int) -> None:
        ram.view[: len(jump)] = jump
        unicorn.check(unicorn.lib.uc_emu_start(unicorn.handle, base, 0, 0, ctypes.c_size_t(count)), "probe")
        ram.zero(base, len(jump))
        unicorn.flush_blocks()

    return unicorn, ram, make_counter(options.counter, unicorn, spin)


def make_clock(options: BoardOptions, counter: Counter, wakeup: Wakeup) -> EngineClock:
    return _CLOCKS[options.clock](counter, options.epoch, wakeup)
