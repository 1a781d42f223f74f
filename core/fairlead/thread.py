"""An OS thread as the core keeps it: a saved CPU context, a state, and what it waits for."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple

from fairlead.machine import Context
from fairlead.signal import SignalMask
from fairlead.syscall import Pending, Syscall, Wake

__all__ = ["NewThread", "Thread", "ThreadState", "WaitQueue"]


class ThreadState(enum.Enum):
    READY = "ready"
    RUNNING = "running"
    WAITING = "waiting"
    ENDED = "ended"


class NewThread(NamedTuple):
    """What `newosproc` is asked for: where the thread starts, and with which registers.

    The thread starts at `pc` with `sp` and the other `registers` set; what is not named is copied from the
    thread that asks (`inherit`), as clone does it, or zero. `id` is the identifier wanted, 0 for a new one.
    """

    pc: int
    sp: int
    registers: Mapping[str, int] = MappingProxyType({})
    inherit: bool = False
    id: int = 0


@dataclass(slots=True, eq=False)
class Thread:
    """One thread. `id` is what the guest knows it by (gettid, m.procid); never 0."""

    id: int
    context: Context
    state: ThreadState = ThreadState.READY
    signals: SignalMask = field(default_factory=SignalMask)
    call: Syscall | None = None
    """The call that is being served or waited for."""
    pending: Pending | None = None
    wake: Wake | None = None
    """Why it was woken, until it runs again."""
    restart: bool = False
    """Its interrupted call is to be made again unless a signal handler says otherwise."""
    name: str = ""


class WaitQueue:
    """Threads that wait for one thing, first come first served."""

    __slots__ = ("_on_wake", "waiters")

    def __init__(self, on_wake: Callable[[Thread, Wake], None]) -> None:
        self._on_wake = on_wake
        self.waiters: dict[Thread, None] = {}

    def wake(self, count: int | None = None) -> int:
        """Wake at most `count` threads (all if None); how many there were."""
        woken = 0
        while self.waiters and (count is None or woken < count):
            self._on_wake(next(iter(self.waiters)), Wake.EVENT)
            woken += 1
        return woken
