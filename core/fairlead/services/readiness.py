"""Readiness of what can be polled: threads that wait for a change, and listeners (epoll) told of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fairlead.thread import WaitQueue

__all__ = ["Readiness"]


class Readiness:
    """One side of a pipe, an event counter, an epoll instance: changes are announced as EPOLL* bits."""

    __slots__ = ("listeners", "queue")

    def __init__(self, queue: WaitQueue) -> None:
        self.queue = queue
        self.listeners: dict[Callable[[int], None], None] = {}

    def notify(self, events: int) -> None:
        """Wake everybody who waits for a change, in the order they came."""
        if self.queue.waiters:
            self.queue.wake()
        if self.listeners:
            for listener in tuple(self.listeners):
                listener(events)
