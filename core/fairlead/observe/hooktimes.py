"""Where the host's time goes: CPU time spent in each hook, the time of hooks inside it taken off."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Generator
from typing import TypeVar

from fairlead import hookimpl
from fairlead.machine import Cpu
from fairlead.port import Resume
from fairlead.signal import Signal
from fairlead.syscall import Pending, Result, Syscall
from fairlead.thread import NewThread
from fairlead.trap import Trap

__all__ = ["HookTimes"]

Answer = TypeVar("Answer")


class HookTimes:
    """An observer with a stop watch; what it measures differs from run to run."""

    def __init__(self) -> None:
        self.spent: Counter[str] = Counter()
        """Hook to nanoseconds of this thread's CPU time."""
        self._inside = [0]
        """What hooks inside each hook under way have taken."""

    def _timed(self, name: str) -> Generator[None, Answer, Answer]:
        inside = self._inside
        inside.append(0)
        started = time.thread_time_ns()
        try:
            return (yield)
        finally:
            took = time.thread_time_ns() - started
            self.spent[name] += took - inside.pop()
            inside[-1] += took

    @hookimpl(wrapper=True)
    def newosproc(self, thread: NewThread) -> Generator[None, int, int]:
        return (yield from self._timed("newosproc"))

    @hookimpl(wrapper=True)
    def nanotime(self) -> Generator[None, int, int]:
        return (yield from self._timed("nanotime"))

    @hookimpl(wrapper=True)
    def handle_trap(self, cpu: Cpu, trap: Trap) -> Generator[None, Resume, Resume]:
        return (yield from self._timed("handle_trap"))

    @hookimpl(wrapper=True)
    def syscall(self, cpu: Cpu, call: Syscall) -> Generator[None, Result | Pending, Result | Pending]:
        return (yield from self._timed("syscall"))

    @hookimpl(wrapper=True)
    def deliver_signal(self, cpu: Cpu, signal: Signal) -> Generator[None, bool, bool]:
        return (yield from self._timed("deliver_signal"))
