"""mmap(2) and its kin as the kernel answers them."""

from __future__ import annotations

from errno import EACCES, EBADF, EEXIST, EINVAL, ENODEV, ENOMEM
from typing import Any

import pytest

PAGE = 4096
PRIVATE, SHARED, FIXED, ANON, NOREPLACE = 2, 1, 0x10, 0x20, 0x10_0000
NONE, RW = 0, 3


def test_reserve_commit_and_dontneed_give_zeroes(desk: Any) -> None:
    where = desk.value("mmap", 0x1_3000_0000, 64 << 20, NONE, PRIVATE | ANON, -1, 0)
    assert where == 0x1_3000_0000
    assert desk.value("mmap", where, 4 << 20, RW, PRIVATE | ANON | FIXED, -1, 0) == where
    desk.memory.write(where + 8, b"dirty")
    assert desk.value("madvise", where, 4 << 20, 4) == 0
    assert desk.memory.read(where, 64) == bytes(64)
    desk.memory.write(where + 8, b"clean")
    assert desk.value("madvise", where, 4 << 20, 8) == 0


def test_freed_addresses_are_used_again(desk: Any) -> None:
    first = desk.value("mmap", 0, PAGE, RW, PRIVATE | ANON, -1, 0)
    second = desk.value("mmap", 0, PAGE, RW, PRIVATE | ANON, -1, 0)
    desk.memory.write(first, b"old")
    desk.value("munmap", first, PAGE)
    assert desk.value("mmap", 0, PAGE, RW, PRIVATE | ANON, -1, 0) == first != second
    assert desk.memory.read(first, 3) == bytes(3)


@pytest.mark.parametrize(
    ("arguments", "errno"),
    [
        ((0, 0, RW, PRIVATE | ANON, -1, 0), EINVAL),
        ((0, PAGE, RW, ANON, -1, 0), EINVAL),
        ((0x1001, PAGE, RW, PRIVATE | ANON | FIXED, -1, 0), EINVAL),
        ((0, PAGE, RW, PRIVATE | ANON | FIXED, -1, 0), ENOMEM),
        ((0x8000, PAGE, RW, PRIVATE | ANON | FIXED, -1, 0), ENOMEM),
        ((1 << 38, PAGE, RW, PRIVATE | ANON | FIXED, -1, 0), ENOMEM),
        ((0, 1 << 30, RW, PRIVATE | ANON, -1, 0), ENOMEM),
        ((0, 1 << 63, NONE, PRIVATE | ANON, -1, 0), ENOMEM),
        ((0, 2**64 - 1, NONE, PRIVATE | ANON, -1, 0), ENOMEM),
        ((0, PAGE, RW, PRIVATE, 99, 0), EBADF),
        ((0, PAGE, RW, PRIVATE | ANON, -1, 1), EINVAL),
        ((0, PAGE, RW, PRIVATE | ANON | 0x40000, -1, 0), ENOMEM),
    ],
)
def test_mmap_refuses(desk: Any, arguments: tuple[int, ...], errno: int) -> None:
    free = desk.memory.frames.free
    assert desk.errno("mmap", *arguments) == errno
    assert desk.memory.frames.free == free


def test_other_refusals(desk: Any) -> None:
    room = desk.room
    assert desk.errno("mmap", room, PAGE, RW, PRIVATE | ANON | NOREPLACE, -1, 0) == EEXIST
    assert desk.errno("munmap", room + 1, PAGE) == EINVAL
    assert desk.errno("munmap", room, 0) == EINVAL
    assert desk.errno("mprotect", room + 1, PAGE, RW) == EINVAL
    assert desk.errno("mprotect", room, PAGE, 0x100) == EINVAL
    assert desk.errno("mprotect", 0x5000_0000, PAGE, RW) == ENOMEM
    assert desk.errno("madvise", room, PAGE, 77) == EINVAL
    assert desk.errno("madvise", room + 1, PAGE, 4) == EINVAL
    assert desk.errno("madvise", 0x5000_0000, PAGE, 14) == ENOMEM
    assert desk.errno("mincore", room + 1, 1, room) == EINVAL
    assert desk.errno("mincore", 0x5000_0000, PAGE, room) == ENOMEM


def test_mincore_tells_committed_from_reserved(desk: Any) -> None:
    where = desk.value("mmap", 0, 4 * PAGE, NONE, PRIVATE | ANON, -1, 0)
    desk.value("mprotect", where + PAGE, PAGE, RW)
    desk.value("mincore", where, 4 * PAGE, desk.room)
    assert desk.memory.read(desk.room, 4) == b"\0\1\0\0"


def test_a_file_is_mapped_by_copy(desk: Any) -> None:
    path, text = desk.room, desk.room + 256
    desk.memory.write(path, b"/tmp/mapped\0")
    desk.memory.write(text, b"x" * 5000)
    fd = desk.value("openat", -100, path, 0o102, 0o600)
    assert desk.value("write", fd, text, 5000) == 5000
    where = desk.value("mmap", 0, 2 * PAGE, 1, PRIVATE, fd, 0)
    assert desk.memory.read(where, 2 * PAGE) == b"x" * 5000 + bytes(2 * PAGE - 5000)
    part = desk.value("mmap", 0, PAGE, RW, PRIVATE, fd, PAGE)
    desk.memory.write(part, b"own")
    assert desk.memory.read(where + PAGE, 3) == b"xxx"
    assert desk.errno("mmap", 0, PAGE, RW, SHARED, fd, 0) == ENODEV
    reader = desk.value("openat", -100, path, 0)
    assert desk.errno("mmap", 0, PAGE, RW, SHARED, reader, 0) == EACCES
    writer = desk.value("openat", -100, path, 1)
    assert desk.errno("mmap", 0, PAGE, 1, PRIVATE, writer, 0) == EACCES
    desk.memory.write(path, b"/tmp\0")
    folder = desk.value("openat", -100, path, 0)
    assert desk.errno("mmap", 0, PAGE, 1, PRIVATE, folder, 0) == ENODEV


def test_the_break_moves_and_stays_where_it_cannot(desk: Any) -> None:
    assert desk.value("brk", 0) == 0
    desk.process.brk_start = desk.process.brk = 0x3000_0000
    assert desk.value("brk", 0) == 0x3000_0000
    assert desk.value("brk", 0x3000_1234) == 0x3000_1234
    desk.memory.write(0x3000_1000, b"heap")
    assert desk.value("brk", 1 << 60) == 0x3000_1234
    assert desk.value("brk", 0x3000_0010) == 0x3000_0010
    assert not desk.memory.is_mapped(0x3000_1000)
