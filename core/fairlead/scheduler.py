"""Threads on the one CPU: who is ready, who waits and for how long, and what happens at a given time.

Mechanism only: which ready thread runs next is the port's policy (`PortObject.pick`).
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence

from fairlead.errors import GuestRefusal
from fairlead.syscall import Pending, Wake
from fairlead.thread import Thread, ThreadState, WaitQueue

__all__ = ["MAX_THREADS", "Scheduler"]

MAX_THREADS = 20_000
"""Living threads a guest may have; more are refused with EAGAIN, as RLIMIT_NPROC does."""

_EAGAIN = 11


class _Timer:
    """One call at a time; compares by time, then by order of making."""

    __slots__ = ("action", "order", "time")

    def __init__(self, time: int, order: int, action: Callable[[], None] | None) -> None:
        self.time = time
        self.order = order
        self.action = action

    def __lt__(self, other: _Timer) -> bool:
        return (self.time, self.order) < (other.time, other.order)


class Scheduler:
    """The books of all threads; nothing here runs guest code."""

    def __init__(self) -> None:
        self.threads: dict[int, Thread] = {}
        self.ready: dict[Thread, None] = {}
        self._timers: list[_Timer] = []
        self._cancelled = 0
        self._order = 0
        self._timeouts: dict[Thread, Callable[[], None]] = {}
        self.on_event: Callable[[str, Thread], None] | None = None
        """Told "new", "pick", "wake", "block" and "end" while somebody traces scheduling."""

    def add(self, thread: Thread) -> None:
        if thread.id <= 0 or thread.id in self.threads:
            raise ValueError(f"thread id {thread.id:#x} is zero or taken")
        if len(self.threads) >= MAX_THREADS:
            raise GuestRefusal(_EAGAIN)
        self.threads[thread.id] = thread
        self.ready[thread] = None
        self._tell("new", thread)

    def take(self, thread: Thread) -> None:
        """A ready thread gets the CPU."""
        del self.ready[thread]
        thread.state = ThreadState.RUNNING
        self._tell("pick", thread)

    def end(self, thread: Thread) -> None:
        self._leave_queues(thread)
        self.ready.pop(thread, None)
        self.threads.pop(thread.id, None)
        thread.state = ThreadState.ENDED
        thread.pending = None
        self._tell("end", thread)

    def park(self, thread: Thread, pending: Pending) -> None:
        """Let a thread wait for any of the pending answer's queues, its deadline or a signal."""
        thread.state = ThreadState.WAITING
        thread.pending = pending
        thread.wake = None
        self.ready.pop(thread, None)
        for queue in pending.queues:
            queue.waiters[thread] = None
        if pending.deadline is not None:
            self._timeouts[thread] = self.call_at(pending.deadline, lambda: self.wake(thread, Wake.TIMEOUT))
        self._tell("block", thread)

    def wake(self, thread: Thread, reason: Wake) -> None:
        """Make a waiting thread ready; any other is left as it is."""
        if thread.state is not ThreadState.WAITING:
            return
        self._leave_queues(thread)
        thread.state = ThreadState.READY
        thread.wake = reason
        self.ready[thread] = None
        self._tell("wake", thread)

    def wait_queue(self) -> WaitQueue:
        return WaitQueue(self.wake)

    def call_at(self, time: int, action: Callable[[], None]) -> Callable[[], None]:
        self._order += 1
        timer = _Timer(time, self._order, action)
        heapq.heappush(self._timers, timer)

        def cancel() -> None:
            if timer.action is not None:
                timer.action = None
                self._cancelled += 1
                if self._cancelled > 64 and self._cancelled * 2 > len(self._timers):
                    self._timers = [each for each in self._timers if each.action is not None]
                    heapq.heapify(self._timers)
                    self._cancelled = 0

        return cancel

    def next_time(self) -> int | None:
        """When the next timer is due; None without one."""
        while self._timers and self._timers[0].action is None:
            heapq.heappop(self._timers)
            self._cancelled -= 1
        return self._timers[0].time if self._timers else None

    def fire(self, now: int) -> None:
        """Run what is due, earliest first."""
        while (time := self.next_time()) is not None and time <= now:
            timer = heapq.heappop(self._timers)
            action, timer.action = timer.action, None  # too late to be cancelled
            if action is not None:
                action()

    def ready_threads(self) -> Sequence[Thread]:
        return tuple(self.ready)

    def waits_for_host(self) -> list[Thread]:
        return [t for t in self.threads.values() if t.pending is not None and t.pending.external]

    def _leave_queues(self, thread: Thread) -> None:
        if thread.pending is not None:
            for queue in thread.pending.queues:
                queue.waiters.pop(thread, None)
        cancel = self._timeouts.pop(thread, None)
        if cancel is not None:
            cancel()

    def _tell(self, event: str, thread: Thread) -> None:
        if self.on_event is not None:
            self.on_event(event, thread)
