"""Pipes against a byte string, and what their ends tell each other."""

from __future__ import annotations

from collections.abc import Callable
from errno import EBUSY, EINVAL, ENXIO, EPERM, EPIPE
from stat import S_IFIFO

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from fairlead.errors import GuestRefusal
from fairlead.scheduler import Scheduler
from fairlead.services.flags import (
    EPOLLERR,
    EPOLLHUP,
    EPOLLIN,
    EPOLLOUT,
    O_NONBLOCK,
    O_RDONLY,
    O_RDWR,
    O_WRONLY,
    PIPE_BUF,
)
from fairlead.services.linux.files import Files
from fairlead.services.pipes import FifoDescription, PipePool, make_pipe


def pool(limit: int = 64 << 20) -> PipePool:
    return PipePool(Scheduler().wait_queue, lambda: 5, limit=limit)


def view(data: bytes | bytearray) -> list[memoryview]:
    half = len(data) // 2
    return [memoryview(data)[:half], memoryview(data)[half:]]


sizes = st.sampled_from([0, 1, 7, PIPE_BUF - 1, PIPE_BUF, PIPE_BUF + 1, 30_000, 65_536, 70_000])


class AgainstBytes(RuleBasedStateMachine):
    @initialize()
    def start(self) -> None:
        self.pool = pool()
        self.reader, self.writer = make_pipe(self.pool, 0)
        self.heard: list[tuple[str, int]] = []
        self.reader.pipe.reading.listeners[lambda events: self.heard.append(("reader", events))] = None
        self.reader.pipe.writing.listeners[lambda events: self.heard.append(("writer", events))] = None
        self.model = b""
        self.stamp = 0

    @rule(size=sizes)
    def write(self, size: int) -> None:
        self.stamp += 1
        data = bytes((self.stamp % 251 + 1,)) * size
        room = self.reader.pipe.capacity - len(self.model)
        count = self.writer.write(view(data))
        if size == 0:
            assert count == 0
        elif size <= PIPE_BUF:
            assert count == (size if room >= size else None)  # whole or not at all
        else:
            assert count == (min(room, size) or None)
        self.model += data[: count or 0]
        assert self.heard == ([("reader", EPOLLIN | 0x40)] if count else [])

    @rule(size=sizes)
    def read(self, size: int) -> None:
        into = bytearray(size)
        count = self.reader.read(view(into))
        if not self.model:
            assert count is None
            return
        assert count == min(size, len(self.model)) and into[:count] == self.model[:count]
        self.model = self.model[count:]
        assert {who for who, _ in self.heard} <= {"writer"} and len(self.heard) == (count > 0)

    @rule(size=st.sampled_from([0, 1, 4096, 5000, 65_536, 100_000, 1 << 20]))
    def resize(self, size: int) -> None:
        try:
            set_to = self.reader.pipe.resize(size)
        except GuestRefusal as refusal:
            assert refusal.errno == EBUSY and len(self.model) > size
            return
        assert set_to >= max(size, 4096) and set_to.bit_count() == 1

    @invariant()
    def agree(self) -> None:
        if hasattr(self, "reader"):
            self.heard.clear()
            pipe = self.reader.pipe
            assert len(pipe) == self.reader.available() == len(self.model) <= pipe.capacity
            assert bool(self.reader.poll() & EPOLLIN) == bool(self.model)
            assert bool(self.writer.poll() & EPOLLOUT) == (pipe.capacity - len(self.model) >= PIPE_BUF)
            assert self.pool.used == pipe.capacity


TestAgainstBytes = AgainstBytes.TestCase
TestAgainstBytes.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)


def test_the_last_writer_ends_the_stream() -> None:
    reader, writer = make_pipe(pool(), 0)
    writer.write([memoryview(b"last")])
    writer.release()
    assert reader.poll() & (EPOLLIN | EPOLLHUP) == EPOLLIN | EPOLLHUP
    into = bytearray(10)
    assert reader.read([memoryview(into)]) == 4 and reader.read([memoryview(into)]) == 0
    reader.release()
    assert reader.pipe.capacity == 0


def test_nobody_reads() -> None:
    reader, writer = make_pipe(pool(), 0)
    reader.release()
    assert writer.poll() & EPOLLERR
    with pytest.raises(GuestRefusal) as caught:
        writer.write([memoryview(b"x")])
    assert caught.value.errno == EPIPE


def test_all_pipes_together_are_bounded() -> None:
    small = pool(limit=3 * 65_536)
    pairs = [make_pipe(small, 0) for _ in range(5)]
    assert [pair[0].pipe.capacity for pair in pairs] == [65_536] * 3 + [4096] * 2
    with pytest.raises(GuestRefusal) as caught:
        pairs[3][0].pipe.resize(1 << 20)
    assert caught.value.errno == EPERM
    for pair in pairs:
        for end in pair:
            end.release()
    assert small.used == 0
    with pytest.raises(GuestRefusal) as caught:
        make_pipe(small, 0)[0].pipe.resize(1 << 31)
    assert caught.value.errno == EINVAL


@pytest.fixture
def fifo(make_files: Callable[..., Files]) -> Files:
    files = make_files(cwd="/tmp")
    files.names.make_node(files.cwd, b"fifo", S_IFIFO | 0o644)
    return files


def opened(files: Files, flags: int) -> FifoDescription:
    description = files.names.open(files.cwd, b"fifo", flags, 0)
    assert isinstance(description, FifoDescription)
    return description


def test_a_fifo_waits_for_its_other_end(fifo: Files) -> None:
    reader = opened(fifo, O_RDONLY)
    before = reader.meetings()
    assert reader.waits_for() is reader.pipe.reading
    writer = opened(fifo, O_WRONLY)
    assert writer.waits_for() is None and reader.waits_for() is None and reader.meetings() == before + 1
    writer.write([memoryview(b"through")])
    writer.release()
    into = bytearray(7)
    assert reader.read([memoryview(into)]) == 7 and into == b"through"
    reader.release()
    # The next one to open it finds it empty.
    again = opened(fifo, O_RDWR)
    assert again.waits_for() is None and again.read([memoryview(into)]) is None
    again.release()


def test_a_fifo_without_a_reader_refuses_a_writer_that_will_not_wait(fifo: Files) -> None:
    with pytest.raises(GuestRefusal) as caught:
        opened(fifo, O_WRONLY | O_NONBLOCK)
    assert caught.value.errno == ENXIO
    reader = opened(fifo, O_RDONLY | O_NONBLOCK)
    assert reader.waits_for() is None
    opened(fifo, O_WRONLY | O_NONBLOCK).release()
    reader.release()
    fifo.names.remove(fifo.cwd, b"fifo", 0)
    assert fifo.pipes.used == 0
