"""Timers that go off once or again and again, on guest time."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["SHORTEST_INTERVAL", "IntervalTimer"]

SHORTEST_INTERVAL = 100_000
"""Nanoseconds between two expirations that are served apart; shorter intervals are counted together."""


_LAST = (1 << 63) - 1  # guest time ends here


class IntervalTimer:
    """One timer. `expire` is told how many times it went off since it was last told."""

    def __init__(
        self,
        now: Callable[[], int],
        call_at: Callable[[int, Callable[[], None]], Callable[[], None]],
        expire: Callable[[int], None],
    ) -> None:
        """`now` is guest nanoseconds; `call_at(time, action)` answers a function that cancels."""
        self._now = now
        self._call_at = call_at
        self._expire = expire
        self._cancel: Callable[[], None] | None = None
        self._due = 0
        self.interval = 0

    def set(self, delay: int, interval: int) -> None:
        """Go off after `delay` nanoseconds and then every `interval` if that is not 0; delay 0 disarms."""
        self.disarm()
        if delay > 0:
            self.interval = interval
            self._arm(self._now() + delay)

    def disarm(self) -> None:
        if self._cancel is not None:
            self._cancel()
            self._cancel = None
        self.interval = 0

    def remaining(self) -> int:
        """Nanoseconds until it goes off, at least 1; 0 if it is disarmed."""
        return 0 if self._cancel is None else max(1, self._due - self._now())

    def _arm(self, due: int) -> None:
        self._due = min(due, _LAST)
        self._cancel = self._call_at(self._due, self._fire)

    def _fire(self) -> None:
        now, interval = self._now(), self.interval
        self._cancel = None
        count = 1
        if interval:
            count = max(1, -(-(now + SHORTEST_INTERVAL - self._due) // interval))
            self._arm(self._due + count * interval)
        self._expire(count)
