"""epoll: levels, edges, one shots, nesting, and what happens to the closed."""

from __future__ import annotations

from collections.abc import Callable
from errno import EEXIST, EINVAL, ELOOP, ENOENT, ENOSPC, EPERM

import pytest

from fairlead.errors import GuestRefusal
from fairlead.services.flags import (
    EPOLLET,
    EPOLLEXCLUSIVE,
    EPOLLHUP,
    EPOLLIN,
    EPOLLONESHOT,
    EPOLLOUT,
    EPOLLRDHUP,
)
from fairlead.services.linux.files import Files
from fairlead.services.pipes import PipeDescription
from fairlead.services.polling import EpollDescription, WatchLimit


@pytest.fixture
def files(make_files: Callable[..., Files]) -> Files:
    return make_files()


@pytest.fixture
def ends(files: Files) -> tuple[PipeDescription, PipeDescription]:
    reader, writer = files.make_pipe(0)
    files.install_pair(reader, writer, cloexec=False)
    return reader, writer


def put(end: PipeDescription, data: bytes = b"x") -> None:
    assert end.write([memoryview(data)]) == len(data)


def take(end: PipeDescription, size: int = 100) -> int | None:
    return end.read([memoryview(bytearray(size))])


Ends = tuple[PipeDescription, PipeDescription]


def test_a_level_is_told_as_long_as_it_lasts(files: Files, ends: Ends) -> None:
    epoll = files.make_epoll()
    epoll.add(3, ends[0], EPOLLIN, 0xABCD)
    assert epoll.collect(10) == [] and not epoll.poll()
    put(ends[1])
    assert epoll.poll() & EPOLLIN
    assert epoll.collect(10) == epoll.collect(10) == [(EPOLLIN, 0xABCD)]
    take(ends[0])
    assert epoll.collect(10) == [] and not epoll.poll()


def test_an_edge_is_told_once(files: Files, ends: Ends) -> None:
    epoll = files.make_epoll()
    put(ends[1])
    epoll.add(3, ends[0], EPOLLIN | EPOLLET, 1)
    assert epoll.collect(10) == [(EPOLLIN, 1)] and epoll.collect(10) == []
    put(ends[1])  # more data: another edge, though nothing was taken
    assert epoll.collect(10) == [(EPOLLIN, 1)] and epoll.collect(10) == []
    put(ends[1])
    take(ends[0])
    assert epoll.collect(10) == []  # gone before anybody looked
    epoll.modify(3, ends[0], EPOLLIN | EPOLLET, 2)
    put(ends[1])
    epoll.modify(3, ends[0], EPOLLIN | EPOLLET, 3)
    assert epoll.collect(10) == [(EPOLLIN, 3)]


def test_as_go_watches_a_pipe(files: Files, ends: Ends) -> None:
    every = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET
    epoll = files.make_epoll()
    epoll.add(3, ends[0], every, 1)
    epoll.add(4, ends[1], every, 2)
    assert epoll.collect(10) == [(EPOLLOUT, 2)] and epoll.collect(10) == []
    put(ends[1], b"x" * 65_536)
    assert epoll.collect(10) == [(EPOLLIN, 1)]
    take(ends[0], 10)
    assert epoll.collect(10) == []  # no room for PIPE_BUF yet
    take(ends[0], 5000)
    assert epoll.collect(10) == [(EPOLLOUT, 2)]
    ends[1].release()
    assert epoll.collect(10) == [(EPOLLIN | EPOLLHUP, 1)]


def test_one_shot_is_quiet_until_it_is_set_again(files: Files, ends: Ends) -> None:
    epoll = files.make_epoll()
    epoll.add(3, ends[0], EPOLLIN | EPOLLONESHOT, 1)
    put(ends[1])
    assert epoll.collect(10) == [(EPOLLIN, 1)] and epoll.collect(10) == []
    put(ends[1])
    ends[1].release()
    assert epoll.collect(10) == []
    epoll.modify(3, ends[0], EPOLLIN | EPOLLONESHOT, 2)
    assert epoll.collect(10) == [(EPOLLIN | EPOLLHUP, 2)]


def test_a_full_answer_goes_round(files: Files) -> None:
    epoll = files.make_epoll()
    for number in range(5):
        event = files.make_event(0, 1, semaphore=False)
        epoll.add(number, event, EPOLLIN, number)
    seen = [data for _ in range(5) for _, data in epoll.collect(2)]
    assert seen == [0, 1, 2, 3, 4, 0, 1, 2, 3, 4]


def test_an_event_counter_wakes(files: Files) -> None:
    epoll, event = files.make_epoll(), files.make_event(0, 0, semaphore=False)
    epoll.add(5, event, EPOLLIN | EPOLLET, 1 << 63)
    assert epoll.collect(1) == []
    event.write([memoryview((3).to_bytes(8, "little"))])
    assert epoll.collect(1) == [(EPOLLIN, 1 << 63)] and epoll.collect(1) == []
    into = bytearray(8)
    assert event.read([memoryview(into)]) == 8 and into[0] == 3
    event.write([memoryview((1).to_bytes(8, "little"))])
    assert epoll.collect(1) == [(EPOLLIN, 1 << 63)]


def test_closing_the_last_descriptor_ends_the_watch(files: Files, ends: Ends) -> None:
    epoll = files.make_epoll()
    fd = files.install(epoll)
    reader = next(number for number in files.table if files.table.get(number) is ends[0])
    copy = files.table.duplicate(reader)
    epoll.add(reader, ends[0], EPOLLIN, 1)
    put(ends[1])
    files.table.close(reader)
    assert epoll.collect(10) == [(EPOLLIN, 1)]  # the copy keeps the description, as epoll(7) warns
    files.table.close(copy)
    assert epoll.collect(10) == []
    files.table.close(fd)
    assert not ends[1].pipe.reading.listeners and not ends[1].pipe.writing.listeners


def test_instances_may_watch_instances_but_not_in_circles(files: Files, ends: Ends) -> None:
    inner, outer, third = files.make_epoll(), files.make_epoll(), files.make_epoll()
    outer.add(5, inner, EPOLLIN, 7)
    inner.add(3, ends[0], EPOLLIN, 1)
    assert outer.collect(1) == []
    put(ends[1])
    assert outer.collect(1) == [(EPOLLIN, 7)] and inner.collect(1) == [(EPOLLIN, 1)]
    take(ends[0])
    assert outer.collect(1) == []
    for epoll, watched in ((inner, outer), (third, outer), (inner, third), (outer, outer)):
        assert refused(epoll, watched) == ELOOP
    outer.remove(5, inner)
    inner.add(6, outer, EPOLLIN, 1)


def refused(epoll: EpollDescription, watched: EpollDescription) -> int:
    with pytest.raises(GuestRefusal) as caught:
        epoll.add(9, watched, EPOLLIN, 0)
    return caught.value.errno


def test_refusals(files: Files, ends: Ends) -> None:
    epoll = files.make_epoll()
    epoll.add(3, ends[0], EPOLLIN, 1)
    regular = files.names.open(files.cwd, b"/etc/passwd", 0, 0)
    null = files.names.open(files.cwd, b"/dev/null", 0, 0)
    cases = [
        (lambda: epoll.add(3, ends[0], EPOLLIN, 1), EEXIST),
        (lambda: epoll.modify(4, ends[0], EPOLLIN, 1), ENOENT),
        (lambda: epoll.remove(3, ends[1]), ENOENT),
        (lambda: epoll.add(8, regular, EPOLLIN, 1), EPERM),
        (lambda: epoll.add(8, null, EPOLLIN, 1), EPERM),
        (lambda: epoll.modify(3, ends[0], EPOLLIN | EPOLLEXCLUSIVE, 1), EINVAL),
    ]
    for action, errno in cases:
        with pytest.raises(GuestRefusal) as caught:
            action()
        assert caught.value.errno == errno


def test_watches_are_bounded(files: Files, ends: Ends) -> None:
    limit = WatchLimit(2)
    epoll = EpollDescription(0, ends[0].pipe.reading.queue, limit)
    epoll.add(1, ends[0], EPOLLIN, 1)
    epoll.add(2, ends[0], EPOLLIN, 1)
    with pytest.raises(GuestRefusal) as caught:
        epoll.add(3, ends[0], EPOLLIN, 1)
    assert caught.value.errno == ENOSPC
    epoll.remove(1, ends[0])
    epoll.add(3, ends[0], EPOLLIN, 1)
    epoll.release()
    assert limit.left == 2
