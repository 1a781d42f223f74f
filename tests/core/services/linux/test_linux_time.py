"""Clocks, sleeping and timers, on guest time that the test lets pass."""

from __future__ import annotations

from errno import EAGAIN, EFAULT, EINTR, EINVAL, EPERM
from struct import pack, unpack
from typing import Any

import pytest

from fairlead.syscall import Pending, Result, Wake
from fairlead.thread import ThreadState

MS = 1_000_000
SECOND = 1000 * MS
SIGALRM, SIGPROF, SIGUSR1 = 14, 27, 10
HANDLER = 0x40_0000


def put(desk: Any, address: int, *values: int) -> int:
    desk.memory.write(address, pack(f"<{len(values)}q", *values))
    return address


def handle(desk: Any, number: int) -> None:
    """Give a signal a handler, so that it is not ignored and does not end the process."""
    put(desk, desk.room + 512, HANDLER, 0, 0)
    desk.value("rt_sigaction", number, desk.room + 512, 0, 8)


@pytest.mark.parametrize(("clock", "since_1970"), [(0, True), (1, False), (5, True), (7, False), (2, False)])
def test_clocks_agree_with_the_machine(desk: Any, clock: int, since_1970: bool) -> None:
    desk.pass_time(1234 * MS)
    desk.value("clock_gettime", clock, desk.room)
    seconds, nanoseconds = unpack("<qq", desk.memory.read(desk.room, 16))
    epoch = desk.system.machine.clock.epoch if since_1970 else 0
    assert seconds * SECOND + nanoseconds == epoch + desk.now
    assert desk.value("clock_getres", clock, 0) == 0


def test_clock_refusals(desk: Any) -> None:
    assert desk.errno("clock_gettime", 99, desk.room) == EINVAL
    assert desk.errno("clock_gettime", 1, 8) == EFAULT
    assert desk.errno("clock_settime", 0, desk.room) == EPERM
    assert desk.errno("nanosleep", put(desk, desk.room, 0, 10**9), 0) == EINVAL
    assert desk.errno("nanosleep", put(desk, desk.room, -1, 0), 0) == EINVAL
    assert desk.errno("clock_nanosleep", 3, 0, put(desk, desk.room, 1, 0), 0) == 95


def test_a_sleep_ends_in_time_or_tells_what_is_left(desk: Any) -> None:
    thread = desk.wait("nanosleep", put(desk, desk.room, 3600, 0), desk.room + 32)
    desk.pass_time(3600 * SECOND)
    assert desk.finish(thread) == Result()
    thread = desk.wait("nanosleep", put(desk, desk.room, 10, 0), desk.room + 32)
    desk.pass_time(4 * SECOND)
    desk.system.scheduler.wake(thread, Wake.SIGNAL)
    assert desk.finish(thread) == Result(errno=EINTR)
    assert unpack("<qq", desk.memory.read(desk.room + 32, 16)) == (6, 0)


def test_a_sleep_until_a_time(desk: Any) -> None:
    desk.pass_time(SECOND)
    thread = desk.wait("clock_nanosleep", 1, 1, put(desk, desk.room, 5, 0), 0)
    assert thread.pending.deadline == 5 * SECOND


def test_no_wait_goes_beyond_the_end_of_time(desk: Any) -> None:
    desk.pass_time(SECOND)
    for name, arguments in (
        ("nanosleep", (put(desk, desk.room, 2**63 - 1, 0), 0)),
        ("futex", (desk.room + 64, 0, 0, desk.room)),
    ):
        pending = desk.call(name, *arguments)
        assert isinstance(pending, Pending) and pending.deadline == 2**63 - 1


def test_an_interval_timer_signals_the_process(desk: Any) -> None:
    handle(desk, SIGALRM)
    desk.value("setitimer", 0, put(desk, desk.room, 0, 10_000, 0, 5_000), 0)
    desk.pass_time(4 * MS)
    desk.value("getitimer", 0, desk.room)
    assert unpack("<qqqq", desk.memory.read(desk.room, 32)) == (0, 10_000, 0, 1_000)
    assert not desk.signals()
    desk.pass_time(MS)
    (signal,) = desk.signals()
    assert (signal.number, signal.code) == (SIGALRM, 0x80)
    desk.value("setitimer", 0, put(desk, desk.room, 0, 0, 0, 0), desk.room + 64)
    assert unpack("<qqqq", desk.memory.read(desk.room + 64, 32)) == (0, 10_000, 0, 10_000)
    assert desk.system.scheduler.next_time() is None
    assert desk.errno("setitimer", 3, 0, 0) == EINVAL


def test_an_interval_too_short_costs_no_more_than_a_longer_one(desk: Any) -> None:
    handle(desk, SIGALRM)
    desk.value("setitimer", 0, put(desk, desk.room, 0, 1, 0, 1), 0)
    fired = 0
    scheduler = desk.system.scheduler
    while (due := scheduler.next_time()) is not None and due <= 10 * MS:
        desk.system.machine.clock.idle_until(due)
        scheduler.fire(desk.now)
        fired += 1
    assert fired <= 101


def sigevent(desk: Any, address: int, notify: int, thread: int, number: int = SIGPROF, value: int = 9) -> int:
    desk.memory.write(address, pack("<QiiQ40x", value, number, notify, thread))
    return address


def test_a_timer_of_a_thread_signals_that_thread(desk: Any) -> None:
    handle(desk, SIGUSR1)
    other = desk.thread()
    event = sigevent(desk, desk.room, 4, other.id, SIGUSR1)
    desk.value("timer_create", 1, event, desk.room + 128)
    identifier = desk.memory.read_u32(desk.room + 128)
    desk.value("timer_settime", identifier, 0, put(desk, desk.room, 0, 2 * MS, 0, 3 * MS), 0)
    desk.value("timer_gettime", identifier, desk.room + 64)
    assert unpack("<qqqq", desk.memory.read(desk.room + 64, 32)) == (0, 2 * MS, 0, 3 * MS)
    desk.pass_time(3 * MS)
    (signal,) = other.signals.pending.values()
    assert (signal.number, signal.code, signal.pid, signal.uid, signal.value) == (SIGUSR1, -2, 0, 0, 9)
    assert desk.value("timer_getoverrun", identifier) == 0
    desk.value("timer_delete", identifier)
    assert desk.errno("timer_delete", identifier) == EINVAL
    assert desk.system.scheduler.next_time() is None


def test_expirations_that_went_by_are_counted(desk: Any) -> None:
    handle(desk, SIGALRM)
    start = desk.now
    desk.value("timer_create", 1, 0, desk.room)
    desk.value("timer_settime", 0, 0, put(desk, desk.room, 0, 2 * MS, 0, 2 * MS), 0)
    desk.system.machine.clock.idle_until(start + 9 * MS)
    desk.system.scheduler.fire(desk.now)
    assert [signal.uid for signal in desk.signals()] == [3]
    assert desk.value("timer_getoverrun", 0) == 3
    assert desk.system.scheduler.next_time() == start + 10 * MS


def test_a_timer_set_to_a_time(desk: Any) -> None:
    desk.pass_time(SECOND)
    desk.value("timer_create", 1, 0, desk.room)
    desk.value("timer_settime", 0, 1, put(desk, desk.room, 0, 0, 4, 0), 0)
    assert desk.system.scheduler.next_time() == 4 * SECOND


def test_timer_refusals(desk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    room = desk.room
    assert desk.errno("timer_create", 42, 0, room) == EINVAL
    assert desk.errno("timer_create", 1, sigevent(desk, room, 4, 4242), room + 128) == EINVAL
    assert desk.errno("timer_create", 1, sigevent(desk, room, 0, 0, number=65), room + 128) == EINVAL
    assert desk.errno("timer_create", 1, sigevent(desk, room, 9, 0), room + 128) == EINVAL
    assert desk.errno("timer_create", 1, 0, 8) == EFAULT
    assert not desk.process.timers._posix_timers
    assert desk.errno("timer_settime", 0, 0, room, 0) == EINVAL
    monkeypatch.setattr("fairlead.services.linux.timers._MAX_TIMERS", 1)
    desk.value("timer_create", 1, 0, room)
    assert desk.errno("timer_create", 1, 0, room) == EAGAIN


def profile_timer(desk: Any) -> None:
    """A timer on the current thread's processor time, every 10 ms, as Go's profiler makes it."""
    handle(desk, SIGPROF)
    me = desk.system.current.id
    desk.value("timer_create", 3, sigevent(desk, desk.room, 4, me), desk.room + 128)
    identifier = desk.memory.read_u32(desk.room + 128)
    desk.value("timer_settime", identifier, 0, put(desk, desk.room, 0, 10 * MS, 0, 10 * MS), 0)


def test_a_processor_timer_counts_only_while_its_thread_runs(desk: Any) -> None:
    profile_timer(desk)
    me = desk.system.current
    desk.pass_time(10 * MS)
    assert [signal.number for signal in desk.signals(me)] == [SIGPROF]
    me.signals.pending.clear()
    other = desk.thread()
    me.state = ThreadState.READY  # preempted just now: it ran until this moment
    desk.pass_time(10 * MS)
    assert [signal.number for signal in desk.signals(me)] == [SIGPROF]
    me.signals.pending.clear()
    desk.be(other)
    desk.pass_time(50 * MS)
    assert not desk.signals(me)
    assert desk.system.scheduler.next_time() is not None


def test_a_processor_timer_of_the_process_counts_any_thread(desk: Any) -> None:
    handle(desk, SIGPROF)
    desk.value("setitimer", 2, put(desk, desk.room, 0, 10_000, 0, 10_000), 0)
    other = desk.thread()
    desk.wait("futex", desk.room + 64, 0, 0, 0)
    desk.pass_time(10 * MS)
    assert [signal.number for signal in desk.signals(other)] == [SIGPROF]
    desk.be(other)
    desk.wait("futex", desk.room + 64, 0, 0, 0)
    desk.pass_time(20 * MS)
    assert desk.system.scheduler.next_time() is None


def test_a_processor_timer_keeps_no_idle_machine_busy(desk: Any) -> None:
    profile_timer(desk)
    me = desk.wait("futex", desk.room + 64, 0, 0, 0)
    desk.pass_time(20 * MS)
    assert desk.system.scheduler.next_time() is None
    assert not desk.signals(me)
    desk.process.futexes.wake(desk.room + 64, 1)
    desk.finish(me)
    assert desk.system.scheduler.next_time() == desk.now + 10 * MS
    desk.process.timers.wake_dormant()
    assert len(desk.system.scheduler._timers) == 1
    desk.pass_time(10 * MS)
    assert [signal.number for signal in desk.signals(me)] == [SIGPROF]
