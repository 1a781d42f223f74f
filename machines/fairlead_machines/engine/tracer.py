"""Stops for a debugger: hooks on single addresses, on all instructions while stepping, on watched memory.

All of them end the engine's run from inside a hook before an instruction, which is precise. A memory hook is
not (the access is made, and made again on going on), so it only makes the hook on all instructions stop at
the next one.
"""

from __future__ import annotations

import ctypes
import mmap
from collections.abc import Callable, Collection
from typing import Any

from fairlead.machine import PAGE_SIZE
from fairlead.tracer import Watch
from fairlead_machines.engine.counter import Cell, counting_callback, make_executable
from fairlead_machines.engine.native import (
    CODE_HOOK,
    HOOK_CODE,
    HOOK_READ,
    HOOK_WRITE,
    MEMORY_HOOK,
    Unicorn,
)

__all__ = ["EngineTracer"]

_FAR = 1 << 62
_MOST_IDLE = 64
"""Hooks on addresses that are no breakpoints at the moment: a debugger takes all out at each stop."""
_LARGEST_ACCESS = 16


class EngineTracer:
    """`Tracer` over Unicorn's hooks."""

    def __init__(
        self, unicorn: Unicorn, physical: Callable[[int], int | None], on_halt: Callable[[], bool]
    ) -> None:
        self.on_halt = on_halt
        self._paused: int | None = None
        self._unicorn = unicorn
        self._physical = physical
        self._breakpoints: frozenset[int] = frozenset()
        self._sites: dict[int, int] = {}
        self._on_site = CODE_HOOK(self._at_breakpoint)
        self._passing: int | None = None
        self._halted_at: int | None = None
        self._hit = False
        self._watches: dict[tuple[Watch, int, int], tuple[int, Any]] = {}
        self._watched: Watch | None = None
        self._native: tuple[mmap.mmap, ctypes.c_char] | None = None
        self._record = (ctypes.c_int64 * 3)(_FAR)
        self._cell: Cell = ctypes.c_int64.from_buffer(self._record)
        self._step_callback, self._step_data = self._step_hook()
        self._step: int | None = None
        unicorn.keep_exits_inside_blocks(True)

    def _step_hook(self) -> tuple[Any, int | None]:
        """What counts instructions down and stops below zero: machine code where the host has some."""
        stop = ctypes.cast(self._unicorn.lib.uc_emu_stop, ctypes.c_void_p).value
        code = counting_callback(stop) if stop is not None else None
        if code is None:
            return CODE_HOOK(self._count_down), None
        self._native = make_executable(code)
        return ctypes.addressof(self._native[1]), ctypes.addressof(self._record)

    def set_breakpoints(self, addresses: Collection[int]) -> None:
        self._breakpoints = frozenset(addresses)
        added = self._breakpoints - self._sites.keys()
        for address in sorted(added):
            self._sites[address] = self._unicorn.add_hook(
                HOOK_CODE, self._on_site, begin=address, end=address
            )
        idle = self._sites.keys() - self._breakpoints
        if len(idle) > _MOST_IDLE:
            for address in sorted(idle):
                self._unicorn.remove_hook(self._sites.pop(address), self._on_site)
        if added or len(idle) > _MOST_IDLE:
            self._unicorn.flush_blocks()

    def set_watches(self, watches: Collection[Watch]) -> None:
        wanted = {
            (watch, start, size): None for watch in watches for start, size in self._physical_parts(watch)
        }
        changed = self._watches.keys() ^ wanted.keys()
        for part in [each for each in self._watches if each not in wanted]:
            self._unicorn.remove_hook(*self._watches.pop(part))
        for part in wanted:
            if part not in self._watches:
                self._watches[part] = self._add_watch(*part)
        if changed:
            self._unicorn.flush_blocks()
        self._update_steps()

    def _physical_parts(self, watch: Watch) -> list[tuple[int, int]]:
        """The watched range as (physical address, size), a part a page; what is not mapped is left out."""
        parts = []
        address, end = watch.address, watch.address + watch.size
        while address < end:
            size = min(end - address, PAGE_SIZE - address % PAGE_SIZE)
            physical = self._physical(address)
            if physical is not None:
                parts.append((physical, size))
            address += size
        return parts

    def _add_watch(self, watch: Watch, start: int, size: int) -> tuple[int, Any]:
        end = start + size

        def on_access(_uc: int, _kind: int, address: int, width: int, _value: int, _data: int) -> None:
            # Unicorn compares an access's first byte only.
            if address < end and address + width > start and self._watched is None:
                self._watched = watch
                if self._paused is None:
                    self._cell.value = 0
                else:
                    self._paused = 0

        callback = MEMORY_HOOK(on_access)
        kinds = (HOOK_READ if watch.read else 0) | (HOOK_WRITE if watch.write else 0)
        first = max(0, start - _LARGEST_ACCESS + 1)
        return self._unicorn.add_hook(kinds, callback, begin=first, end=end - 1), callback

    @property
    def steps(self) -> int | None:
        value = self._cell.value
        return None if value >= _FAR // 2 else max(0, value)

    @steps.setter
    def steps(self, value: int | None) -> None:
        self._cell.value = _FAR if value is None else value
        self._update_steps()

    def _update_steps(self) -> None:
        """Hook all instructions while that is needed, and only then: it is many times slower."""
        needed = self.steps is not None or bool(self._watches)
        if needed and self._step is None:
            self._step = self._unicorn.add_hook(HOOK_CODE, self._step_callback, self._step_data)
        elif not needed and self._step is not None:
            self._unicorn.remove_hook(self._step, self._step_callback)
            self._step = None
        else:
            return
        self._unicorn.flush_blocks()

    def take_watch(self) -> Watch | None:
        watched, self._watched = self._watched, None
        return watched

    def close(self) -> None:
        self.set_breakpoints(())
        for address in sorted(self._sites):
            self._unicorn.remove_hook(self._sites.pop(address), self._on_site)
        self.set_watches(())
        self.steps = None
        self._unicorn.keep_exits_inside_blocks(False)
        self._unicorn.flush_blocks()

    def free(self) -> None:
        """Give back host memory; the engine runs no more."""
        native, self._native = self._native, None
        if native is not None:
            memory = native[0]
            del native
            memory.close()

    # For the run loop.

    def take_stop(self, pc: int) -> bool:
        """Did the tracer end the engine's run, which stands at pc?"""
        hit, self._hit = self._hit, False
        if not hit and self._cell.value >= 0:
            return False
        self._cell.value = max(0, self._cell.value)
        self._halted_at = pc
        return True

    def resume(self, pc: int) -> None:
        """Go on at pc: past a breakpoint if the stop was at it."""
        self._passing = pc if pc == self._halted_at and pc in self._breakpoints else None

    def pause(self) -> None:
        """Stop nothing, as the engine runs for ends of its own."""
        self._paused, self._cell.value = self._cell.value, _FAR

    def unpause(self) -> None:
        if self._paused is not None:
            self._cell.value, self._paused = self._paused, None

    # Hooks, called inside the engine before an instruction.

    def _at_breakpoint(self, _unicorn: int, pc: int, _size: int, _data: int) -> None:
        passing, self._passing = self._passing, None
        if pc in self._breakpoints and pc != passing and self._paused is None:
            self._hit = True
            self._unicorn.lib.uc_emu_stop(self._unicorn.handle)

    def _count_down(self, _unicorn: int, _pc: int, _size: int, _data: int) -> None:
        self._cell.value -= 1
        if self._cell.value < 0:
            self._unicorn.lib.uc_emu_stop(self._unicorn.handle)
