"""The host's streams: what passes, what waits, and that nothing waits past a request to stop."""

from __future__ import annotations

import io
import os
import pty
import stat
import threading
import time
from collections.abc import Callable, Iterator
from errno import EINTR, EINVAL, EPERM, EPIPE, ESPIPE
from pathlib import Path
from typing import Any

import pytest

from fairlead.errors import GuestRefusal
from fairlead.services.flags import EPOLLET, EPOLLIN, EPOLLOUT, O_RDONLY, O_WRONLY
from fairlead.services.hoststreams import HostStream
from fairlead.services.linux.files import Files


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for end in ends:
        try:
            os.close(end)
        except OSError:
            pass


class Host:
    """Streams, and the host's wish to stop."""

    def __init__(self, wire: Any) -> None:
        self.wire = wire

    def stream(self, host: Any, flags: int = O_RDONLY, *, waits: bool = False) -> HostStream:
        return HostStream(flags, host, self.wire.wait_queue(), self.wire.stop_requested, waits=waits)

    def stop_soon(self) -> threading.Thread:
        def stop() -> None:
            time.sleep(0.02)
            self.wire.stopping = True

        thread = threading.Thread(target=stop)
        thread.start()
        return thread


@pytest.fixture
def host(new_wire: Callable[[], Any]) -> Host:
    return Host(new_wire())


def read(stream: HostStream, size: int = 100) -> bytes | None:
    into = bytearray(size)
    count = stream.read((memoryview(into)[:1], memoryview(into)[1:]))
    return None if count is None else bytes(into[:count])


def write(stream: HostStream, data: bytes) -> int | None:
    return stream.write((memoryview(data)[:1], memoryview(data)[1:]))


def refused(action: Callable[[], Any]) -> int | None:
    with pytest.raises((GuestRefusal, OSError)) as caught:
        action()
    error: Any = caught.value
    number: int | None = error.errno
    return number


def test_a_pipe_passes_bytes_and_its_end(host: Host, pipe: tuple[int, int]) -> None:
    reader, writer = host.stream(pipe[0]), host.stream(pipe[1], O_WRONLY)
    assert write(writer, b"hello") == 5 and read(reader) == b"hello"
    os.close(pipe[1])
    assert read(reader) == b""
    assert stat.S_ISFIFO(reader.stat().mode) and not reader.terminal
    assert refused(lambda: reader.seek(0, 0)) == refused(lambda: reader.preadv((), 0)) == ESPIPE
    assert refused(reader.sync) == refused(lambda: writer.truncate(0)) == EINVAL


def test_a_read_waits_for_the_host(host: Host, pipe: tuple[int, int]) -> None:
    later = threading.Timer(0.02, os.write, (pipe[1], b"late"))
    later.start()
    assert read(host.stream(pipe[0])) == b"late"
    later.join()


def test_a_read_that_waits_can_be_stopped(host: Host, pipe: tuple[int, int]) -> None:
    stopper = host.stop_soon()
    assert refused(lambda: read(host.stream(pipe[0]))) == EINTR
    stopper.join()


def test_a_write_that_waits_can_be_stopped(host: Host, pipe: tuple[int, int]) -> None:
    writer = host.stream(pipe[1], O_WRONLY)
    stopper = host.stop_soon()
    count = write(writer, b"x" * (1 << 20))  # more than the pipe holds, and nobody reads
    assert count is not None and 4096 <= count < 1 << 20
    assert refused(lambda: write(writer, b"more")) == EINTR
    stopper.join()


def test_a_long_write_arrives_whole(host: Host, pipe: tuple[int, int]) -> None:
    data = os.urandom(300_000)
    got = bytearray()

    def drain() -> None:
        while len(got) < len(data):
            got.extend(os.read(pipe[0], 5000))

    thread = threading.Thread(target=drain)
    thread.start()
    assert write(host.stream(pipe[1], O_WRONLY), data) == len(data)
    thread.join()
    assert got == data


def test_a_reader_gone_is_a_broken_pipe(host: Host, pipe: tuple[int, int]) -> None:
    writer = host.stream(pipe[1], O_WRONLY)
    os.close(pipe[0])
    assert refused(lambda: write(writer, b"x")) == EPIPE


def test_a_non_blocking_host_descriptor_is_waited_for_all_the_same(host: Host, pipe: tuple[int, int]) -> None:
    os.set_blocking(pipe[1], False)
    writer = host.stream(pipe[1], O_WRONLY)
    while True:
        try:
            os.write(pipe[1], b"x" * 4096)
        except BlockingIOError:
            break
    later = threading.Timer(0.02, os.read, (pipe[0], 1 << 20))
    later.start()
    assert write(writer, b"then") == 4
    later.join()


def test_a_regular_file_can_be_positioned(host: Host, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    with path.open("r+b") as file:
        stream = host.stream(file.fileno(), 2)
        assert read(stream, 3) == b"012" and stream.seek(1, 1) == 4 and read(stream, 2) == b"45"
        into = bytearray(2)
        assert stream.preadv((memoryview(into),), 8) == 2 and into == b"89"
        assert stream.available() == 4 and stream.stat().size == 10 and not stream.sources
        stream.truncate(3)
        assert stat.S_ISREG(stream.stat().mode) and path.read_bytes() == b"012"


def test_file_objects_will_do(host: Host) -> None:
    source, sink = io.BytesIO(b"given"), io.BytesIO()
    assert read(host.stream(source), 3) == b"giv" and write(host.stream(sink, O_WRONLY), b"taken") == 5
    assert sink.getvalue() == b"taken"


def test_a_terminal_shows_what_it_is(host: Host, pipe: tuple[int, int]) -> None:
    control, terminal = pty.openpty()
    try:
        stream = host.stream(terminal, 2)
        attributes = stream.terminal_attributes()
        assert attributes is not None and attributes[3] & 0o10 and len(attributes[4]) >= 19  # ECHO
        assert stream.window() is not None and stream.terminal and stat.S_ISCHR(stream.stat().mode)
        os.write(control, b"line\n")
        assert read(stream) == b"line\n"
        other = host.stream(pipe[0])
        assert other.terminal_attributes() is None and other.window() is None
    finally:
        os.close(control)
        os.close(terminal)


def test_with_the_virtual_clock_everything_is_ready(
    host: Host, pipe: tuple[int, int], make_files: Callable[..., Files]
) -> None:
    """A transfer takes no guest time: the guest sees the same however slow the host is."""
    stream = host.stream(pipe[0])
    assert stream.poll() & EPOLLIN and not stream.external
    epoll = make_files().make_epoll()
    epoll.add(0, stream, EPOLLIN | EPOLLET, 1)
    assert epoll.collect(1) == [(EPOLLIN, 1)] and epoll.collect(1) == [] and not epoll.waits_for_host


def test_with_the_hosts_clock_a_read_does_not_hold_up_the_others(
    host: Host, pipe: tuple[int, int], make_files: Callable[..., Files]
) -> None:
    stream = host.stream(pipe[0], waits=True)
    epoll = make_files().make_epoll()
    epoll.add(0, stream, EPOLLIN | EPOLLOUT | EPOLLET, 1)
    assert read(stream) is None and not stream.poll() & EPOLLIN and epoll.waits_for_host
    assert [event for event, _ in epoll.collect(1)] in ([], [EPOLLOUT])
    os.write(pipe[1], b"ab")
    assert [event & EPOLLIN for event, _ in epoll.collect(1)] == [EPOLLIN] and epoll.collect(1) == []
    assert read(stream, 1) == b"a"
    assert [event & EPOLLIN for event, _ in epoll.collect(1)] == [EPOLLIN]  # there is more
    assert read(stream) == b"b" and read(stream) is None and epoll.collect(1) == []
    os.write(pipe[1], b"c")
    assert [event & EPOLLIN for event, _ in epoll.collect(1)] == [EPOLLIN]


def test_a_program_without_streams_has_null_ones(make_files: Callable[..., Files]) -> None:
    files = make_files(streams=(None, None, None))
    closed = os.dup(0)
    os.close(closed)
    other = make_files(streams=(closed, io.BytesIO(b"x"), io.BytesIO()))
    into = memoryview(bytearray(4))
    assert files.description(0).read((into,)) == other.description(0).read((into,)) == 0
    assert files.description(1).write((into,)) == 4
    with pytest.raises(GuestRefusal) as caught:
        files.make_epoll().add(0, files.description(0), EPOLLIN, 0)
    assert caught.value.errno == EPERM


def test_dev_stdout_is_standard_output_whatever_it_is(
    make_files: Callable[..., Files], tmp_path: Path, pipe: tuple[int, int]
) -> None:
    with (tmp_path / "out").open("wb") as file:
        for number in (pipe[1], file.fileno()):
            files = make_files(streams=(None, number, None))
            again = files.names.open(files.cwd, b"/dev/stdout", O_WRONLY, 0)
            assert again.write((memoryview(b"out"),)) == 3
    assert os.read(pipe[0], 10) == b"out" == (tmp_path / "out").read_bytes()
