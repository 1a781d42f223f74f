"""epoll_wait, poll and select from the guest: what they tell, and how a wait ends."""

from __future__ import annotations

import struct
from errno import EBADF, EFAULT, EINTR, EINVAL, EPERM
from typing import Any

import pytest
from deskhand import Hand

from fairlead.signal import Sig, Signal
from fairlead.syscall import Pending, Result, Wake

IN, OUT, HUP, NVAL = 1, 4, 0x10, 0x20
ET = 1 << 31
MILLISECOND = 1_000_000


@pytest.fixture
def hand(desk: Any) -> Hand:
    return Hand(desk)


@pytest.fixture
def epoll(desk: Any) -> int:
    fd: int = desk.value("epoll_create1", 0)
    return fd


def watch(desk: Any, hand: Hand, epoll: int, fd: int, events: int, data: int, operation: int = 1) -> None:
    desk.memory.write(hand.room + 512, struct.pack("<I4xQ", events, data))
    desk.value("epoll_ctl", epoll, operation, fd, hand.room + 512)


def told(desk: Any, hand: Hand, count: int) -> list[tuple[int, int]]:
    return list(struct.iter_unpack("<I4xQ", desk.memory.read(hand.room + 1024, 16 * count)))


def test_a_pipe_wakes_who_waits_in_epoll(desk: Any, hand: Hand, epoll: int) -> None:
    reader, writer = hand.pipe()
    watch(desk, hand, epoll, reader, IN | ET, 0xABCD_0000_1234)
    assert desk.value("epoll_pwait", epoll, hand.room + 1024, 8, 0, 0, 8) == 0
    first, second = desk.system.current, desk.thread()
    desk.wait("epoll_pwait", epoll, hand.room + 1024, 8, -1, 0, 8)
    desk.be(second)
    hand.put(writer, b"x")
    assert desk.finish(first) == Result(1) and told(desk, hand, 1) == [(IN, 0xABCD_0000_1234)]


def test_an_event_that_somebody_else_took_is_no_answer(desk: Any, hand: Hand, epoll: int) -> None:
    reader, writer = hand.pipe()
    watch(desk, hand, epoll, reader, IN, 1)
    first, second = desk.system.current, desk.thread()
    desk.wait("epoll_pwait", epoll, hand.room + 1024, 8, -1, 0, 8)
    desk.be(second)
    hand.put(writer, b"x")
    hand.get(reader)
    assert isinstance(desk.finish(first), Pending)


def test_waits_end_in_time(desk: Any, hand: Hand, epoll: int) -> None:
    start = desk.now
    thread = desk.wait("epoll_pwait", epoll, hand.room + 1024, 8, 5, 0, 8)
    desk.pass_time(5 * MILLISECOND)
    assert desk.finish(thread) == Result(0) and desk.now >= start + 5 * MILLISECOND
    desk.memory.write(hand.room, struct.pack("<qq", 0, 7))
    desk.wait("epoll_pwait2", epoll, hand.room + 1024, 8, hand.room, 0, 8)
    desk.pass_time(7)
    assert desk.finish(thread) == Result(0)
    desk.wait("ppoll", 0, 0, hand.room, 0, 8)
    desk.pass_time(7)
    assert desk.finish(thread) == Result(0)
    desk.wait("pselect6", 0, 0, 0, 0, hand.room, 0)
    desk.pass_time(7)
    assert desk.finish(thread) == Result(0)


def test_a_signal_ends_a_wait_for_good(desk: Any, hand: Hand, epoll: int) -> None:
    thread = desk.wait("epoll_pwait", epoll, hand.room + 1024, 8, -1, 0, 8)
    desk.system.scheduler.wake(thread, Wake.SIGNAL)
    assert desk.finish(thread) == Result(errno=EINTR)


def test_a_mask_of_its_own_holds_while_it_waits(desk: Any, hand: Hand, epoll: int) -> None:
    thread = desk.system.current
    desk.process.set_mask(thread, 1 << (Sig.SIGUSR1 - 1))
    desk.memory.write(hand.room, struct.pack("<Q", 1 << (Sig.SIGUSR2 - 1)))
    desk.wait("epoll_pwait", epoll, hand.room + 1024, 8, 1, hand.room, 8)
    assert thread.signals.blocked == 1 << (Sig.SIGUSR2 - 1)
    desk.pass_time(MILLISECOND)
    assert desk.finish(thread) == Result(0) and thread.signals.blocked == 1 << (Sig.SIGUSR1 - 1)
    # A signal that ends the wait is handled under the call's mask; the old one comes back after it.
    desk.wait("ppoll", 0, 0, 0, hand.room, 8)
    desk.system.post_signal(thread, Signal(Sig.SIGUSR1))
    desk.system.scheduler.wake(thread, Wake.SIGNAL)
    assert desk.finish(thread) == Result(errno=EINTR)
    assert desk.process.thread_data(thread).saved_mask == 1 << (Sig.SIGUSR1 - 1)
    assert desk.errno("ppoll", 0, 0, 0, hand.room, 4) == EINVAL


def test_more_events_than_asked_for_come_later(desk: Any, hand: Hand, epoll: int) -> None:
    for number in range(3):
        watch(desk, hand, epoll, desk.value("eventfd2", 1, 0), IN | ET, number)
    assert desk.value("epoll_pwait", epoll, hand.room + 1024, 2, 0, 0, 8) == 2
    assert [data for _, data in told(desk, hand, 2)] == [0, 1]
    assert desk.value("epoll_pwait", epoll, hand.room + 1024, 2, 0, 0, 8) == 1
    assert [data for _, data in told(desk, hand, 1)] == [2]


def test_epoll_refusals(desk: Any, hand: Hand, epoll: int) -> None:
    reader, _ = hand.pipe()
    file = hand.open("/etc/passwd", 0)
    assert desk.errno("epoll_ctl", epoll, 1, file, hand.room) == EPERM
    assert (
        desk.errno("epoll_ctl", epoll, 1, 99, hand.room)
        == desk.errno("epoll_ctl", 99, 1, 3, hand.room)
        == EBADF
    )
    assert desk.errno("epoll_ctl", reader, 1, epoll, hand.room) == EINVAL
    assert desk.errno("epoll_ctl", epoll, 1, epoll, hand.room) == EINVAL
    assert desk.errno("epoll_ctl", epoll, 7, reader, hand.room) == EINVAL
    assert desk.errno("epoll_ctl", epoll, 1, reader, hand.end) == EFAULT
    assert desk.errno("epoll_pwait", epoll, hand.end, 1, 0, 0, 8) == EFAULT
    assert desk.errno("epoll_pwait", epoll, hand.room, 0, 0, 0, 8) == EINVAL
    assert desk.errno("epoll_pwait", reader, hand.room, 1, 0, 0, 8) == EINVAL
    assert desk.errno("epoll_create1", 1) == EINVAL


def polled(desk: Any, hand: Hand, *entries: tuple[int, int], timeout: int = 0) -> tuple[Any, list[int]]:
    desk.memory.write(
        hand.room + 1024, b"".join(struct.pack("<ihh", fd, events, 0) for fd, events in entries)
    )
    desk.memory.write(hand.room, struct.pack("<qq", 0, timeout))
    result = desk.call("ppoll", hand.room + 1024, len(entries), hand.room, 0, 8)
    return result, answers(desk, hand, len(entries))


def answers(desk: Any, hand: Hand, count: int) -> list[int]:
    return [
        found for _, _, found in struct.iter_unpack("<ihH", desk.memory.read(hand.room + 1024, 8 * count))
    ]


def test_poll(desk: Any, hand: Hand) -> None:
    reader, writer = hand.pipe()
    file = hand.open("/etc/passwd", 0)
    result, found = polled(desk, hand, (reader, IN), (writer, IN | OUT), (file, IN), (77, IN), (-1, IN))
    assert (result, found) == (Result(3), [0, OUT, IN, NVAL, 0])
    hand.put(writer, b"x")
    desk.value("close", writer)
    assert polled(desk, hand, (reader, 0)) == (Result(1), [HUP])
    desk.value("read", reader, hand.room, 1)
    again, writer = hand.pipe()
    first, second = desk.system.current, desk.thread()
    pending, _ = polled(desk, hand, (again, IN), timeout=1000)
    assert isinstance(pending, Pending)
    desk.system.scheduler.park(first, pending)
    desk.be(second)
    hand.put(writer, b"x")
    assert desk.finish(first) == Result(1) and answers(desk, hand, 1) == [IN]
    assert desk.errno("ppoll", hand.end, 1, 0, 0, 8) == EFAULT
    assert desk.errno("ppoll", hand.room, 1 << 20, 0, 0, 8) == EINVAL


def test_select(desk: Any, hand: Hand) -> None:
    reader, writer = hand.pipe()

    def sets() -> list[int]:
        return list(struct.unpack("<QQ", desk.memory.read(hand.room + 1024, 16)))

    def ask(timeout: int) -> Any:
        desk.memory.write(hand.room + 1024, struct.pack("<QQqq", 1 << reader, 1 << writer, 0, timeout))
        at = hand.room + 1024
        return desk.call("pselect6", writer + 1, at, at + 8, 0, at + 16, 0)

    assert ask(0) == Result(1) and sets() == [0, 1 << writer]
    hand.put(writer, b"x")
    assert ask(0) == Result(2) and sets() == [1 << reader, 1 << writer]
    desk.value("close", writer)
    assert ask(0) == Result(errno=EBADF)
    assert desk.errno("pselect6", -1, 0, 0, 0, 0, 0) == EINVAL
    assert desk.errno("pselect6", 64, hand.end, 0, 0, 0, 0) == EFAULT
