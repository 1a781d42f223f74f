"""Futexes against a list of who waits for what, on the real scheduler's queues."""

from __future__ import annotations

from errno import EAGAIN, EINTR, EINVAL, ETIMEDOUT
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from fairlead.errors import GuestFault, GuestRefusal
from fairlead.scheduler import Scheduler
from fairlead.services.futex import MATCH_ANY, FutexTable
from fairlead.services.guestmemory import GuestMemory
from fairlead.services.regions import Region, RegionMap
from fairlead.syscall import Pending, Result, Wake
from fairlead.thread import Thread, ThreadState
from fairlead_machines.engine.ram import EngineRam

BASE = 0x10000


class Bench:
    """Threads, and one page of memory for the words they wait on."""

    def __init__(self) -> None:
        ram = EngineRam(0x8000_0000, 4096)
        regions = RegionMap(BASE, 1 << 38, BASE)
        regions.replace(BASE, BASE + 4096, [Region(BASE, BASE + 4096, 3, 0x8000_0000)])
        self.memory = GuestMemory(ram, regions)
        self.scheduler = Scheduler()
        self.table = FutexTable(self.memory, self.scheduler.wait_queue)
        self.made = 0

    def thread(self) -> Thread:
        self.made += 1
        thread = Thread(self.made, None)
        self.scheduler.add(thread)
        return thread

    def wait(self, address: int, expected: int, **more: Any) -> tuple[Thread, Result | None]:
        """A new thread waits; its result if it need not."""
        thread = self.thread()
        answer = self.table.wait(address, expected, **more)
        if isinstance(answer, Pending):
            self.scheduler.park(thread, answer)
            return thread, None
        return thread, answer

    def resume(self, thread: Thread) -> Result:
        assert thread.pending is not None and thread.wake is not None
        answer = thread.pending.resume(thread.wake)
        thread.pending = thread.wake = None
        assert isinstance(answer, Result)
        return answer


words = st.sampled_from([BASE, BASE + 4, BASE + 64])
bitsets = st.sampled_from([1, 2, 3, MATCH_ANY])
counts = st.sampled_from([0, 1, 2, 3, 1 << 30])


class AgainstLists(RuleBasedStateMachine):
    """`waiting` has (thread, word, bitset) in the order they came; `woken` what each must be answered."""

    def __init__(self) -> None:
        super().__init__()
        self.bench = Bench()
        self.waiting: list[tuple[Thread, int, int]] = []
        self.woken: dict[Thread, int] = {}

    @rule(word=words, value=st.integers(0, 2), expected=st.integers(0, 2), bitset=bitsets)
    def wait(self, word, value, expected, bitset):
        self.bench.memory.write_u32(word, value)
        thread, result = self.bench.wait(word, expected, bitset=bitset)
        if value != expected:
            assert result == Result(errno=EAGAIN)
        else:
            assert result is None
            self.waiting.append((thread, word, bitset))

    @rule(word=words, count=counts, bitset=bitsets)
    def wake(self, word, count, bitset):
        chosen = [each for each in self.waiting if each[1] == word and each[2] & bitset][:count]
        assert self.bench.table.wake(word, count, bitset) == len(chosen)
        for each in chosen:
            self.waiting.remove(each)
            self.woken[each[0]] = 0

    @rule(source=words, goal=words, count=counts, limit=counts)
    def requeue(self, source, goal, count, limit):
        here = [each for each in self.waiting if each[1] == source]
        woken, moved = here[:count], here[count:][:limit]
        assert self.bench.table.requeue(source, count, goal, limit) == (len(woken), len(moved))
        for each in woken:
            self.waiting.remove(each)
            self.woken[each[0]] = 0
        for each in moved:
            self.waiting.remove(each)
            self.waiting.append((each[0], goal, each[2]))

    @precondition(lambda self: self.waiting)
    @rule(data=st.data(), reason=st.sampled_from([Wake.TIMEOUT, Wake.SIGNAL]))
    def give_up(self, data, reason):
        each = data.draw(st.sampled_from(self.waiting))
        self.bench.scheduler.wake(each[0], reason)
        self.waiting.remove(each)
        self.woken[each[0]] = ETIMEDOUT if reason is Wake.TIMEOUT else EINTR

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def end(self, data):
        each = data.draw(st.sampled_from(self.waiting))
        self.bench.scheduler.end(each[0])
        self.waiting.remove(each)

    @precondition(lambda self: self.woken)
    @rule(data=st.data())
    def resume(self, data):
        thread = data.draw(st.sampled_from(list(self.woken)))
        assert self.bench.resume(thread).errno == self.woken.pop(thread)

    @invariant()
    def only_the_right_ones_wait(self):
        waiting = {t for t in self.bench.scheduler.threads.values() if t.state is ThreadState.WAITING}
        assert waiting == {each[0] for each in self.waiting}


AgainstLists.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestAgainstLists = AgainstLists.TestCase


def test_words_are_aligned_and_bitsets_not_empty():
    table = Bench().table
    for refused in (
        lambda: table.wait(BASE + 1, 0),
        lambda: table.wake(BASE + 2, 1),
        lambda: table.wait(BASE, 0, bitset=0),
        lambda: table.wake(BASE, 1, bitset=0),
        lambda: table.requeue(BASE, 1, BASE + 3, 1),
    ):
        with pytest.raises(GuestRefusal) as caught:
            refused()
        assert caught.value.errno == EINVAL
    with pytest.raises(GuestFault):
        table.wait(0x2000, 0)


def test_requeue_looks_at_the_word_first():
    bench = Bench()
    bench.memory.write_u32(BASE, 5)
    with pytest.raises(GuestRefusal) as caught:
        bench.table.requeue(BASE, 1, BASE + 4, 1, 6)
    assert caught.value.errno == EAGAIN


def test_only_a_wait_without_a_deadline_is_made_again():
    bench = Bench()
    thread, _ = bench.wait(BASE, 0, restart=True)
    bench.scheduler.wake(thread, Wake.SIGNAL)
    assert bench.resume(thread) == Result(errno=EINTR, restart=True)


def test_nothing_is_left_of_waiters_that_are_gone():
    bench = Bench()
    for n in range(50):
        thread, _ = bench.wait(BASE + 4 * n, 0)
        bench.scheduler.wake(thread, Wake.TIMEOUT)
        bench.resume(thread)
    assert not bench.table._waiters
