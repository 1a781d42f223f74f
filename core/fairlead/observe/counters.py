"""Counts of hook calls, traps by kind and system calls by number."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator

from fairlead import hookimpl
from fairlead.machine import Cpu
from fairlead.port import Resume
from fairlead.signal import Signal
from fairlead.syscall import Pending, Result, Syscall
from fairlead.thread import NewThread
from fairlead.trap import Trap

__all__ = ["Counters"]


class Counters:
    """An observer that only counts."""

    def __init__(self) -> None:
        self.hooks: Counter[str] = Counter()
        self.traps: Counter[str] = Counter()
        self.calls: Counter[int] = Counter()

    @hookimpl(wrapper=True)
    def newosproc(self, thread: NewThread) -> Generator[None, int, int]:
        self.hooks["newosproc"] += 1
        return (yield)

    @hookimpl(wrapper=True)
    def nanotime(self) -> Generator[None, int, int]:
        self.hooks["nanotime"] += 1
        return (yield)

    @hookimpl(wrapper=True)
    def handle_trap(self, cpu: Cpu, trap: Trap) -> Generator[None, Resume, Resume]:
        self.hooks["handle_trap"] += 1
        self.traps[trap.kind.value] += 1
        return (yield)

    @hookimpl(wrapper=True)
    def syscall(self, cpu: Cpu, call: Syscall) -> Generator[None, Result | Pending, Result | Pending]:
        self.hooks["syscall"] += 1
        self.calls[call.number] += 1
        return (yield)

    @hookimpl(wrapper=True)
    def deliver_signal(self, cpu: Cpu, signal: Signal) -> Generator[None, bool, bool]:
        self.hooks["deliver_signal"] += 1
        return (yield)
