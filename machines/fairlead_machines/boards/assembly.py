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

__all__ = ["make_clock", "make_memory"]

_LARGE_PAGE = 2 << 20
_LEAST_MEMORY, _MOST_MEMORY = 4 << 20, 64 << 30


def make_memory(
    options: BoardOptions, board: str, base: int, unicorn: Unicorn, jump_to_itself: bytes
) -> tuple[EngineRam, Counter]:
    """RAM at `base` and the counter asked for; UsageError for a size that makes no sense.

    `jump_to_itself` is an instruction of one-instruction endless loop, run from RAM to probe the counter.
    """
    size = options.memory
    if not _LEAST_MEMORY <= size <= _MOST_MEMORY or size % _LARGE_PAGE:
        raise UsageError(
            f"the board {board} cannot have {size} bytes of memory",
            hint="take a multiple of 2 MiB from 4 MiB to 64 GiB",
        )
    ram = EngineRam(base, size)
    unicorn.map_ram(ram.base, ram.size, ram.host)

    def spin(count: int) -> None:
        """Run `count` instructions of the loop, and leave no trace of it."""
        ram.view[: len(jump_to_itself)] = jump_to_itself
        unicorn.check(unicorn.lib.uc_emu_start(unicorn.handle, base, 0, 0, ctypes.c_size_t(count)), "probe")
        ram.zero(base, len(jump_to_itself))
        unicorn.flush_blocks()

    return ram, make_counter(options.counter, unicorn, spin)


def make_clock(options: BoardOptions, counter: Counter, wakeup: Wakeup) -> EngineClock:
    """The clock asked for."""
    if options.clock == "host":
        return HostClock(counter, options.epoch, wakeup)
    if options.clock == "virtual":
        return VirtualClock(counter, options.epoch, wakeup)
    raise UsageError(f"there is no clock {options.clock!r}", hint='take "virtual" or "host"')
