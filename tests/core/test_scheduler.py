"""The scheduler's books, against a model and by example."""

from __future__ import annotations

from collections import deque

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from fairlead.errors import GuestRefusal
from fairlead.scheduler import MAX_THREADS, Scheduler
from fairlead.syscall import Pending, Result, Wake
from fairlead.thread import Thread, ThreadState, WaitQueue


def _pending(*queues: WaitQueue, deadline: int | None = None) -> Pending:
    return Pending(queues, lambda wake: Result(), deadline)


def _added(scheduler: Scheduler, *ids: int) -> list[Thread]:
    threads = [Thread(each, None) for each in ids]
    for thread in threads:
        scheduler.add(thread)
    return threads


def test_a_queue_wakes_in_the_order_of_waiting() -> None:
    scheduler = Scheduler()
    threads = _added(scheduler, 3, 1, 2)
    queue = scheduler.wait_queue()
    for thread in threads:
        scheduler.park(thread, _pending(queue))
    assert queue.wake(2) == 2
    assert [thread.id for thread in scheduler.ready] == [3, 1]
    assert queue.wake() == 1
    assert queue.wake() == 0


def test_a_wake_leaves_every_queue_and_cancels_the_deadline() -> None:
    scheduler = Scheduler()
    (thread,) = _added(scheduler, 1)
    first, second = scheduler.wait_queue(), scheduler.wait_queue()
    scheduler.park(thread, _pending(first, second, deadline=50))
    assert second.wake() == 1
    assert not first.waiters
    assert scheduler.next_time() is None
    scheduler.fire(100)
    assert thread.wake is Wake.EVENT


def test_timers_fire_by_time_then_by_order_of_making() -> None:
    scheduler = Scheduler()
    fired: list[str] = []
    for name, time in (("c", 20), ("a", 10), ("b", 10), ("d", 30)):
        scheduler.call_at(time, lambda name=name: fired.append(name))  # type: ignore[misc]
    scheduler.fire(20)
    assert fired == ["a", "b", "c"]
    assert scheduler.next_time() == 30


def test_a_timer_may_make_a_timer_that_is_due_already() -> None:
    scheduler = Scheduler()
    fired: list[int] = []
    scheduler.call_at(5, lambda: scheduler.call_at(6, lambda: fired.append(6)) and None)
    scheduler.fire(10)
    assert fired == [6]


def test_cancelled_timers_do_not_pile_up() -> None:
    scheduler = Scheduler()
    keep = scheduler.call_at(1_000_000, lambda: None)
    for time in range(10_000):
        scheduler.call_at(2_000_000 + time, lambda: None)()
    assert len(scheduler._timers) < 500
    keep()
    assert scheduler.next_time() is None


def test_ids_are_above_zero_and_unique() -> None:
    scheduler = Scheduler()
    _added(scheduler, 1)
    for identifier in (0, -1, 1):
        with pytest.raises(ValueError, match="zero or taken"):
            scheduler.add(Thread(identifier, None))


def test_threads_are_limited_as_by_rlimit_nproc() -> None:
    scheduler = Scheduler()
    _added(scheduler, *range(1, MAX_THREADS + 1))
    with pytest.raises(GuestRefusal) as refused:
        scheduler.add(Thread(MAX_THREADS + 1, None))
    assert refused.value.errno == 11


class Books(RuleBasedStateMachine):
    """Threads park, wake, time out and end in any order; a plain model keeps the same books."""

    def __init__(self) -> None:
        super().__init__()
        self.scheduler = Scheduler()
        self.queues = [self.scheduler.wait_queue() for _ in range(3)]
        self.model: list[deque[int]] = [deque() for _ in self.queues]
        self.deadlines: dict[int, int] = {}
        self.ready: list[int] = []
        self.now = 0
        self.last = 0

    def _left(self, identifier: int) -> None:
        for queue in self.model:
            if identifier in queue:
                queue.remove(identifier)
        self.deadlines.pop(identifier, None)

    @rule()
    def new(self) -> None:
        self.last += 1
        _added(self.scheduler, self.last)
        self.ready.append(self.last)

    @precondition(lambda self: self.ready)
    @rule(which=st.integers(0), queues=st.sets(st.integers(0, 2)), after=st.none() | st.integers(1, 20))
    def park(self, which: int, queues: set[int], after: int | None) -> None:
        identifier = self.ready.pop(which % len(self.ready))
        deadline = None if after is None else self.now + after
        waits = _pending(*(self.queues[each] for each in sorted(queues)), deadline=deadline)
        self.scheduler.park(self.scheduler.threads[identifier], waits)
        for each in queues:
            self.model[each].append(identifier)
        if deadline is not None:
            self.deadlines[identifier] = deadline

    @rule(which=st.integers(0, 2), count=st.none() | st.integers(0, 3))
    def wake(self, which: int, count: int | None) -> None:
        queue = self.model[which]
        woken = list(queue)[: len(queue) if count is None else count]
        assert self.queues[which].wake(count) == len(woken)
        for identifier in woken:
            self._left(identifier)
            self.ready.append(identifier)

    @rule(step=st.integers(1, 15))
    def time_passes(self, step: int) -> None:
        self.now += step
        self.scheduler.fire(self.now)
        due = sorted((time, identifier) for identifier, time in self.deadlines.items() if time <= self.now)
        for _, identifier in due:
            self._left(identifier)
            self.ready.append(identifier)

    @precondition(lambda self: self.scheduler.threads)
    @rule(which=st.integers(0))
    def end(self, which: int) -> None:
        identifier = sorted(self.scheduler.threads)[which % len(self.scheduler.threads)]
        self.scheduler.end(self.scheduler.threads[identifier])
        self._left(identifier)
        if identifier in self.ready:
            self.ready.remove(identifier)

    @invariant()
    def same_books(self) -> None:
        assert sorted(thread.id for thread in self.scheduler.ready) == sorted(self.ready)
        assert [[t.id for t in queue.waiters] for queue in self.queues] == [list(q) for q in self.model]
        assert self.scheduler.next_time() == min(self.deadlines.values(), default=None)
        for thread in self.scheduler.threads.values():
            waits = thread.id not in self.ready
            assert (thread.state is ThreadState.WAITING) == waits
            assert (thread.pending is not None) or not waits


Books.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestBooks = Books.TestCase
