"""Guest time: virtual, counted in guest work, or the host's."""

from __future__ import annotations

import time
from typing import Protocol

from fairlead_machines.engine.counter import Counter
from fairlead_machines.engine.wakeup import Wakeup

__all__ = ["EngineClock", "HostClock", "VirtualClock"]

_FOREVER = 1 << 62
_START = 1_000
"""What `now` answers first, ns: above zero, as the contract asks."""


class EngineClock(Protocol):
    """A `Clock` as the run loop drives it."""

    @property
    def kind(self) -> str: ...

    @property
    def epoch(self) -> int: ...

    @property
    def work(self) -> int: ...

    def now(self) -> int: ...

    def idle_until(self, time: int | None) -> bool: ...

    def charge(self, nanoseconds: int) -> None: ...

    def start(self, limit: int, most: int) -> None:
        """Give the counter what may be run up to guest time `limit`, at most `most` units."""

    def finish(self, counted_out: bool) -> None:
        """Settle after the engine has stopped; `counted_out` if the counter stopped it."""


class VirtualClock:
    """Counts guest work: a fixed number of nanoseconds a block or instruction; idle time is skipped.

    now = anchor - remaining * unit, where `anchor` is the time at which the counter runs out. Charging time
    takes units from the counter, so the end of the quantum stays where it is.
    """

    __slots__ = (
        "_anchor", "_cell", "_charged", "_counter", "_idled", "_rest", "_unit", "_wakeup", "epoch", "kind"
    )  # fmt: skip

    def __init__(self, counter: Counter, epoch: int, wakeup: Wakeup) -> None:
        self.kind = counter.kind
        self.epoch = epoch
        self._counter = counter
        self._cell = counter.cell
        self._unit = counter.nanoseconds
        self._wakeup = wakeup
        self._cell.value = 0
        self._anchor = _START
        self._rest = 0
        self._charged = 0  # units
        self._idled = 0  # ns

    @property
    def work(self) -> int:
        return (self.now() - _START - self._idled) // self._unit - self._charged

    def now(self) -> int:
        return self._anchor - self._cell.value * self._unit

    def idle_until(self, time: int | None) -> bool:
        if time is None:
            return self._wakeup.wait(None)
        if self._wakeup.take():
            return False
        ahead = time - self.now()
        if ahead > 0:
            self._anchor += ahead
            self._idled += ahead
        return True

    def charge(self, nanoseconds: int) -> None:
        units, self._rest = divmod(self._rest + nanoseconds, self._unit)
        self._cell.value -= units
        self._charged += units

    def start(self, limit: int, most: int) -> None:
        now = self.now()
        units = min(most, -((now - limit) // self._unit))
        self._cell.value = units
        self._anchor = now + units * self._unit

    def finish(self, counted_out: bool) -> None:
        if counted_out:
            self._cell.value += self._counter.spent


class HostClock:
    """The host's monotonic clock; counters only slice the run."""

    kind = "host"
    work = 0
    __slots__ = ("_cell", "_counter", "_rate", "_sliced", "_started", "_wakeup", "_zero", "epoch")

    def __init__(self, counter: Counter, epoch: int, wakeup: Wakeup) -> None:
        self.epoch = epoch
        self._counter = counter
        self._cell = counter.cell
        self._wakeup = wakeup
        self._zero = time.monotonic_ns() - _START
        self._rate = 0.1  # units a nanosecond; measured as the guest runs
        self._started = self._sliced = 0

    def now(self) -> int:
        return time.monotonic_ns() - self._zero

    def idle_until(self, time: int | None) -> bool:
        if time is None:
            return self._wakeup.wait(None)
        while (ahead := time - self.now()) > 0:
            if not self._wakeup.wait(ahead):
                return False
        return not self._wakeup.take()

    def charge(self, nanoseconds: int) -> None:
        """The work has taken its time; but it shortens the slice, for traps that no counter sees."""
        self._cell.value -= 1

    def start(self, limit: int, most: int) -> None:
        self._started = self.now()
        wanted = int((limit - self._started) * self._rate) + 1 if limit < _FOREVER else most
        self._sliced = max(1, min(most, wanted))
        self._cell.value = self._sliced

    def finish(self, counted_out: bool) -> None:
        if counted_out:
            took = self.now() - self._started
            if took > 0:
                self._rate = self._sliced / took
            self._cell.value += self._counter.spent
