"""Streams that wait for a host that is slow or has sent a signal: other threads run meanwhile."""

from __future__ import annotations

import os
import pty
from collections.abc import Callable, Iterator
from errno import EINTR
from typing import Any

import pytest

from fairlead.errors import GuestRefusal
from fairlead.services import hoststreams
from fairlead.services.flags import EPOLLET, EPOLLIN, EPOLLOUT, O_RDONLY, O_WRONLY
from fairlead.services.hoststreams import HostStream


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host that answers no sooner than at once is too slow."""
    monkeypatch.setattr(hoststreams, "_PATIENCE", 2)
    monkeypatch.setattr(hoststreams, "_STEP", 1)


def stream(wire: Any, host: int, flags: int = O_RDONLY) -> HostStream:
    return HostStream(flags, host, wire.wait_queue(), wire.stop_requested, waits=False)


def read(from_: HostStream, size: int = 10) -> bytes | None:
    into = bytearray(size)
    count = from_.read((memoryview(into),))
    return None if count is None else bytes(into[:count])


def test_a_host_that_is_too_slow_is_not_waited_for_again(
    impatient: None, new_wire: Callable[[], Any], pipe: tuple[int, int]
) -> None:
    reader = stream(new_wire(), pipe[0])
    assert not reader.external
    assert read(reader) is None
    assert reader.external
    os.write(pipe[1], b"late")
    assert read(reader) == b"late"


def test_a_reader_that_is_too_slow_is_not_waited_for_again(
    impatient: None, new_wire: Callable[[], Any], pipe: tuple[int, int]
) -> None:
    writer = stream(new_wire(), pipe[1], O_WRONLY)
    count = writer.write((memoryview(bytes(1 << 20)),))
    assert count is not None
    assert 4096 <= count < 1 << 20
    assert writer.external
    assert writer.write((memoryview(b"more"),)) is None
    os.read(pipe[0], 1 << 20)
    assert writer.write((memoryview(b"more"),)) == 4


def test_after_a_signal_a_wait_holds_nobody_up(new_wire: Callable[[], Any], pipe: tuple[int, int]) -> None:
    wire = new_wire()
    reader = stream(wire, pipe[0])
    wire.stopping = True
    with pytest.raises(GuestRefusal) as caught:
        read(reader)
    assert caught.value.errno == EINTR
    wire.stopping = False  # the guest has taken the signal
    assert reader.external
    assert read(reader) is None


def test_a_terminal_holds_nobody_up(new_wire: Callable[[], Any]) -> None:
    control, terminal = pty.openpty()
    try:
        reader = stream(new_wire(), terminal)
        assert reader.external
        assert read(reader) is None
        assert not reader.poll() & EPOLLIN
        assert reader.poll() & EPOLLOUT
        os.write(control, b"x\n")
        assert read(reader) == b"x\n"
    finally:
        os.close(control)
        os.close(terminal)


def test_an_epoll_that_watches_is_told(
    impatient: None, new_wire: Callable[[], Any], pipe: tuple[int, int], make_files: Callable[..., Any]
) -> None:
    """What was always ready becomes something that the host has to be asked about."""
    reader = stream(new_wire(), pipe[0])
    epoll = make_files().make_epoll()
    epoll.add(0, reader, EPOLLIN | EPOLLET, 1)
    assert epoll.collect(1) == [(EPOLLIN, 1)]
    assert not epoll.waits_for_host
    assert read(reader) is None
    assert epoll.waits_for_host
    assert epoll.collect(1) == []
    os.write(pipe[1], b"x")
    assert epoll.collect(1) == [(EPOLLIN, 1)]
    assert read(reader) == b"x"
    assert epoll.collect(1) == []
