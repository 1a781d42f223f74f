"""read, write and their kin on a guest's memory: short counts, bad addresses, waits and signals."""

from __future__ import annotations

import struct
from errno import EAGAIN, EBADF, EFAULT, EINTR, EINVAL, EISDIR, EPIPE, ESPIPE
from typing import Any

import pytest
from deskhand import HERE, Hand

from fairlead.machine import PAGE_SIZE
from fairlead.services.flags import O_APPEND, O_CREAT, O_DIRECTORY, O_NONBLOCK, O_RDONLY, O_RDWR, O_WRONLY
from fairlead.signal import Sig, Signal
from fairlead.syscall import Pending, Result, Wake


@pytest.fixture
def hand(desk: Any) -> Hand:
    return Hand(desk)


def test_bytes_go_into_a_file_and_come_back(desk: Any, hand: Hand) -> None:
    fd = hand.open("/tmp/file", O_RDWR | O_CREAT)
    assert hand.put(fd, b"hello, world") == 12
    assert desk.value("lseek", fd, 7, 0) == 7 and hand.get(fd) == b"world" and hand.get(fd) == b""
    assert desk.value("pwrite64", fd, hand.room + 8192, 3, 100) == 3
    assert desk.value("lseek", fd, 0, 2) == 103 and desk.value("lseek", fd, -3, 2) == 100
    assert desk.value("pread64", fd, hand.room, 50, 98) == 5
    for arguments in ((fd, 0, 9), (fd, -1, 0), (fd, 1 << 63, 0)):
        assert desk.errno("lseek", *arguments) == EINVAL
    assert desk.errno("pread64", fd, hand.room, 1, -1) == EINVAL


def test_vectors_are_filled_in_turn(desk: Any, hand: Hand) -> None:
    fd = hand.open("/tmp/file", O_RDWR | O_CREAT)
    hand.put(fd, b"abcdefgh")
    vector = hand.iovec((hand.room + 100, 3), (hand.room + 200, 0), (hand.room + 300, 100))
    assert desk.value("preadv", fd, vector, 3, 1) == 7
    assert desk.memory.read(hand.room + 100, 3) == b"bcd" and desk.memory.read(hand.room + 300, 4) == b"efgh"
    desk.value("lseek", fd, 0, 0)
    assert desk.value("writev", fd, vector, 1) == 3
    desk.value("lseek", fd, 0, 0)
    assert hand.get(fd) == b"bcddefgh"
    assert desk.errno("readv", fd, vector, 1025) == EINVAL
    assert desk.errno("readv", fd, hand.iovec((hand.room, 1 << 63)), 1) == EINVAL
    assert desk.errno("readv", fd, hand.end - 8, 1) == EFAULT
    assert desk.value("readv", fd, 0, 0) == 0


def test_what_is_reachable_moves_and_the_rest_is_a_short_count(desk: Any, hand: Hand) -> None:
    fd = hand.open("/tmp/file", O_RDWR | O_CREAT)
    hand.put(fd, b"x" * 200)
    desk.value("lseek", fd, 0, 0)
    assert desk.value("read", fd, hand.end - 50, 100) == 50
    assert desk.errno("read", fd, hand.end, 100) == EFAULT
    assert desk.value("lseek", fd, 0, 1) == 50
    assert desk.value("write", fd, hand.end - 30, 100) == 30
    assert desk.errno("write", fd, hand.end, 1) == EFAULT
    vector = hand.iovec((hand.room, 10), (hand.end, 10), (hand.room, 10))
    assert desk.value("readv", fd, vector, 3) == 10
    assert desk.errno("readv", fd, hand.iovec((hand.end, 10), (hand.room, 10)), 2) == EFAULT
    for address in (0, 1, hand.end, 1 << 47, (1 << 64) - 1, (1 << 64) - 50):
        assert desk.errno("read", fd, address, 100) == EFAULT
        assert desk.value("read", fd, address, 0) == 0
    assert desk.value("read", fd, hand.room, (1 << 64) - 1) <= 200  # more than one call moves


def test_a_read_only_page_is_no_place_to_read_into(desk: Any, hand: Hand) -> None:
    fd = hand.open("/etc/passwd", O_RDONLY)
    page = desk.memory.mmap(0, PAGE_SIZE, 1)
    assert desk.errno("read", fd, page, 10) == EFAULT
    assert desk.errno("fstat", fd, page) == EFAULT


def test_the_access_mode_is_kept(desk: Any, hand: Hand) -> None:
    reading, writing = hand.open("/etc/passwd", O_RDONLY), hand.open("/tmp/new", O_CREAT | O_WRONLY)
    assert desk.errno("write", reading, hand.room, 1) == EBADF
    assert desk.errno("read", writing, hand.room, 1) == EBADF
    assert desk.errno("read", 99, hand.room, 1) == desk.errno("read", -1, hand.room, 1) == EBADF
    assert desk.errno("read", hand.open("/tmp", O_DIRECTORY), hand.room, 1) == EISDIR


def test_appending_goes_to_the_end_whatever_the_position(desk: Any, hand: Hand) -> None:
    fd = hand.open("/tmp/file", O_RDWR | O_CREAT | O_APPEND)
    hand.put(fd, b"abc")
    desk.value("lseek", fd, 0, 0)
    hand.put(fd, b"def")
    assert desk.value("lseek", fd, 0, 1) == 6
    desk.memory.write(hand.room, b"ghi")
    assert desk.value("pwrite64", fd, hand.room, 3, 0) == 3
    desk.value("lseek", fd, 0, 0)
    assert hand.get(fd) == b"abcdefghi"


# -- waiting --------------------------------------------------------------------------------------------


def test_a_reader_waits_for_a_writer(desk: Any, hand: Hand) -> None:
    reader, writer = hand.pipe()
    first, second = desk.system.current, desk.thread()
    waiting = desk.wait("read", reader, hand.room + 1000, 100)
    assert waiting is first
    desk.be(second)
    hand.put(writer, b"wake")
    assert desk.finish(first) == Result(4) and desk.memory.read(hand.room + 1000, 4) == b"wake"


def test_a_writer_waits_for_room_and_tells_all_it_moved(desk: Any, hand: Hand) -> None:
    reader, writer = hand.pipe()
    big = desk.memory.mmap(0, 200_000, 3)
    first, second = desk.system.current, desk.thread()
    desk.wait("write", writer, big, 150_000)
    desk.be(second)
    assert desk.value("read", reader, big, 65_536) == 65_536
    answer = desk.finish(first)
    assert isinstance(answer, Pending)  # 18,928 bytes are left
    desk.system.scheduler.park(first, answer)
    desk.be(second)
    assert desk.value("read", reader, big, 65_536) == 65_536
    assert desk.finish(first) == Result(150_000)


def test_a_signal_ends_a_wait(desk: Any, hand: Hand) -> None:
    reader, writer = hand.pipe()
    big = desk.memory.mmap(0, 200_000, 3)
    thread = desk.system.current
    for call, arguments, expected in (
        ("read", (reader, hand.room, 1), Result(errno=EINTR, restart=True)),
        ("write", (writer, big, 150_000), Result(65_536)),
        ("write", (writer, big, 150_000), Result(errno=EINTR, restart=True)),
    ):
        desk.wait(call, *arguments)
        desk.system.scheduler.wake(thread, Wake.SIGNAL)
        assert desk.finish(thread) == expected


def test_a_buffer_unmapped_meanwhile_is_a_fault(desk: Any, hand: Hand) -> None:
    reader, writer = hand.pipe()
    page = desk.memory.mmap(0, PAGE_SIZE, 3)
    first, second = desk.system.current, desk.thread()
    desk.wait("read", reader, page, 100)
    desk.be(second)
    desk.memory.munmap(page, PAGE_SIZE)
    hand.put(writer, b"data")
    assert desk.finish(first).errno == EFAULT
    assert hand.get(reader) == b"data"  # nothing was lost


def test_non_blocking_ends_say_so(desk: Any, hand: Hand) -> None:
    reader, writer = hand.pipe(O_NONBLOCK)
    assert desk.errno("read", reader, hand.room, 1) == EAGAIN
    big = desk.memory.mmap(0, 100_000, 3)
    assert desk.value("write", writer, big, 100_000) == 65_536
    assert desk.errno("write", writer, big, 1) == EAGAIN
    event = desk.value("eventfd2", 0, O_NONBLOCK)
    assert desk.errno("read", event, hand.room, 8) == EAGAIN
    assert desk.errno("read", event, hand.room, 7) == EINVAL
    assert hand.put(event, struct.pack("<Q", 5)) == 8 and hand.get(event) == struct.pack("<Q", 5)
    assert hand.put(event, struct.pack("<Q", 2**64 - 2)) == 8
    assert desk.errno("write", event, hand.text("\x01"), 8) == EAGAIN


def test_writing_to_nobody_is_a_signal_too(desk: Any, hand: Hand) -> None:
    reader, writer = hand.pipe()
    desk.value("close", reader)
    assert desk.errno("write", writer, hand.room, 1) == EPIPE
    assert [signal.number for signal in desk.signals()] == [Sig.SIGPIPE]


def test_a_fifo_opens_when_both_ends_do(desk: Any, hand: Hand) -> None:
    desk.value("mknodat", HERE, hand.text("/tmp/fifo"), 0o010644, 0)
    first, second = desk.system.current, desk.thread()
    desk.wait("openat", HERE, hand.text("/tmp/fifo"), O_RDONLY, 0)
    desk.be(second)
    writer = hand.open("/tmp/fifo", O_WRONLY)
    reader = desk.finish(first).value
    hand.put(writer, b"met")
    assert hand.get(reader) == b"met"
    desk.value("close", writer)
    desk.value("close", reader)
    # One that came and went again ends the wait as well, and a signal ends it without a trace.
    desk.wait("openat", HERE, hand.text("/tmp/fifo"), O_RDONLY, 0)
    desk.be(second)
    desk.value("close", hand.open("/tmp/fifo", O_WRONLY))
    reader = desk.finish(first).value
    assert hand.get(reader) == b""
    desk.value("close", reader)
    table = desk.process.files.table
    before = len(table)
    desk.wait("openat", HERE, hand.text("/tmp/fifo"), O_WRONLY, 0)
    desk.system.post_signal(desk.system.current, Signal(Sig.SIGUSR1))
    desk.system.scheduler.wake(first, Wake.SIGNAL)
    assert desk.finish(first) == Result(errno=EINTR, restart=True)
    assert len(table) == before and desk.process.files.pipes.used == 0


# -- copies ---------------------------------------------------------------------------------------------


def test_copies_between_files(desk: Any, hand: Hand) -> None:
    source, into = hand.open("/tmp/a", O_RDWR | O_CREAT), hand.open("/tmp/b", O_RDWR | O_CREAT)
    hand.put(source, b"0123456789")
    desk.memory.write(hand.room, struct.pack("<qq", 2, 1))
    assert desk.value("copy_file_range", source, hand.room, into, hand.room + 8, 5, 0) == 5
    assert struct.unpack("<qq", desk.memory.read(hand.room, 16)) == (7, 6)
    assert desk.value("lseek", into, 0, 2) == 6 and desk.value("lseek", source, 0, 1) == 10
    desk.value("lseek", source, 8, 0)
    assert desk.value("copy_file_range", source, 0, into, 0, 100, 0) == 2
    assert desk.value("copy_file_range", source, 0, into, 0, 100, 0) == 0
    desk.value("lseek", into, 0, 0)
    assert hand.get(into) == b"\x0023456" + b"89"
    assert desk.errno("copy_file_range", source, 0, source, 0, 100, 0) == EINVAL
    reader, writer = hand.pipe()
    assert desk.errno("copy_file_range", source, 0, writer, 0, 1, 0) == EINVAL
    assert desk.errno("splice", reader, 0, into, 0, 1, 0) == EINVAL
    desk.value("lseek", source, 0, 0)
    assert desk.value("sendfile", writer, source, 0, 4) == 4 and hand.get(reader) == b"0123"
    assert desk.value("lseek", source, 0, 1) == 4
    assert desk.errno("sendfile", writer, reader, 0, 4) == EINVAL
    assert desk.errno("pread64", reader, hand.room, 1, 0) == ESPIPE


def test_sendfile_waits_for_room(desk: Any, hand: Hand) -> None:
    source = hand.open("/tmp/a", O_RDWR | O_CREAT)
    hand.put(source, b"end")
    reader, writer = hand.pipe()
    big = desk.memory.mmap(0, 65_536, 3)
    assert desk.value("write", writer, big, 65_536) == 65_536
    first, second = desk.system.current, desk.thread()
    desk.memory.write(hand.room, bytes(8))
    desk.wait("sendfile", writer, source, hand.room, 3)
    desk.be(second)
    desk.value("read", reader, big, 65_536)
    assert desk.finish(first) == Result(3) and hand.get(reader) == b"end"
    assert desk.memory.read_u64(hand.room) == 3
