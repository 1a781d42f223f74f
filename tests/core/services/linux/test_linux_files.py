"""Calls about paths, attributes and descriptors, with the layouts that guests read."""

from __future__ import annotations

import ctypes
import os
import platform
import stat
import struct
from errno import (
    E2BIG,
    EACCES,
    EAGAIN,
    EBADF,
    EEXIST,
    EFAULT,
    EINVAL,
    EISDIR,
    ELOOP,
    EMFILE,
    ENAMETOOLONG,
    ENODATA,
    ENOENT,
    ENOTDIR,
    ENOTSUP,
    ENOTTY,
    EOPNOTSUPP,
    EPERM,
    ERANGE,
    EXDEV,
)
from pathlib import Path
from typing import Any

import pytest
from deskhand import HERE, Hand

from fairlead.services.flags import (
    O_CLOEXEC,
    O_CREAT,
    O_DIRECTORY,
    O_EXCL,
    O_NONBLOCK,
    O_PATH,
    O_RDONLY,
    O_RDWR,
    O_TMPFILE,
    O_WRONLY,
)
from fairlead.services.linux.filestructures import pack_stat, pack_statfs, pack_statx
from fairlead.services.vfs import Space, Stat
from fairlead.syscall import Result


@pytest.fixture
def hand(desk: Any) -> Hand:
    return Hand(desk)


def unpacked(desk: Any, at: int, layout: str) -> tuple[int, ...]:
    values: tuple[int, ...] = struct.unpack(layout, desk.memory.read(at, struct.calcsize(layout)))
    return values


# -- layouts --------------------------------------------------------------------------------------------

SHOWN = Stat(
    0x1234, 0x1_0000_0001, 0o100644, 3, 1000, 1001, rdev=0x103, size=1 << 40, blksize=4096, blocks=77,
    atime=11_000_000_012, mtime=-1, ctime=15_000_000_016, btime=17_000_000_018,
)  # fmt: skip


def test_stat_on_riscv64() -> None:
    """Offsets of asm-generic/stat.h, as syscall/ztypes_linux_riscv64.go has them."""
    data = pack_stat["riscv64"](SHOWN)
    assert len(data) == 128
    assert struct.unpack_from("<QQIIIIQ", data) == (0x1234, 0x1_0000_0001, 0o100644, 3, 1000, 1001, 0x103)
    assert struct.unpack_from("<qi4xq", data, 48) == (1 << 40, 4096, 77)
    assert struct.unpack_from("<6q", data, 72) == (11, 12, -1, 999_999_999, 15, 16)


def test_stat_on_x86_64() -> None:
    data = pack_stat["x86_64"](SHOWN)
    assert len(data) == 144
    assert struct.unpack_from("<QQQIII4xQ", data) == (0x1234, 0x1_0000_0001, 3, 0o100644, 1000, 1001, 0x103)
    assert struct.unpack_from("<qqq6q", data, 48) == (1 << 40, 4096, 77, 11, 12, -1, 999_999_999, 15, 16)


@pytest.mark.skipif(platform.machine() != "x86_64", reason="asks the host's kernel for its own structures")
def test_layouts_are_those_of_the_hosts_kernel(tmp_path: Path) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    path = tmp_path / "file"
    path.write_bytes(b"x" * 10_000)
    found = path.stat()
    ours = Stat(
        found.st_dev, found.st_ino, found.st_mode, found.st_nlink, found.st_uid, found.st_gid,
        rdev=found.st_rdev, size=found.st_size, blksize=found.st_blksize, blocks=found.st_blocks,
        atime=found.st_atime_ns, mtime=found.st_mtime_ns, ctime=found.st_ctime_ns,
    )  # fmt: skip
    buffer = ctypes.create_string_buffer(256)
    assert libc.syscall(262, HERE, os.fsencode(path), buffer, 0) == 0  # newfstatat
    assert buffer.raw[:144] == pack_stat["x86_64"](ours)
    assert libc.syscall(332, HERE, os.fsencode(path), 0, 0x7FF, buffer) == 0
    packed = pack_statx(ours)
    fields = [(4, 8), (16, 30), (32, 56), (64, 76), (96, 108), (112, 124), (136, 144)]
    assert all(buffer.raw[start:end] == packed[start:end] for start, end in fields)
    assert libc.syscall(137, b"/", buffer) == 0  # statfs
    whole = os.statvfs("/")
    kernel = struct.unpack_from("<7q", buffer.raw)
    ours_fs = pack_statfs(Space(kernel[0], kernel[2], 0, whole.f_files, 0), 1, read_only=False)
    assert struct.unpack_from("<3q", ours_fs) == (kernel[0], 4096, kernel[2]) and len(ours_fs) == 120
    assert struct.unpack_from("<q", ours_fs, 40)[0] == kernel[5]


# -- attributes -----------------------------------------------------------------------------------------


def test_stat_of_paths_links_and_descriptors(desk: Any, hand: Hand) -> None:
    fd = hand.open("/tmp/file", O_RDWR | O_CREAT, 0o600)
    hand.put(fd, b"12345")
    desk.value("symlinkat", hand.text("file"), HERE, hand.text("/tmp/link", 100))
    file, link, nothing = hand.text("/tmp/file"), hand.text("/tmp/link", 100), hand.text("", 200)
    out = hand.room + 512

    def shown(*call: Any) -> tuple[int, ...]:
        desk.value(*call)
        return unpacked(desk, out, "<QQII")

    plain = shown("newfstatat", HERE, file, out, 0)
    assert plain == shown("newfstatat", HERE, link, out, 0) == shown("fstat", fd, out)
    assert plain == shown("newfstatat", fd, nothing, out, 0x1000)
    assert plain[2:] == (stat.S_IFREG | 0o600, 1)
    assert shown("newfstatat", HERE, link, out, 0x100)[2] == stat.S_IFLNK | 0o777
    assert desk.errno("newfstatat", fd, hand.text(""), hand.room, 0) == ENOENT
    assert desk.errno("newfstatat", HERE, hand.text("/tmp/file"), hand.room, 0x8000) == EINVAL
    assert desk.errno("newfstatat", HERE, hand.text("/tmp/file"), 8, 0) == EFAULT
    desk.value("statx", HERE, hand.text("/tmp/file"), 0, 0xFFF, hand.room + 512)
    assert unpacked(desk, hand.room + 512 + 28, "<H")[0] == stat.S_IFREG | 0o600
    desk.value("statfs", hand.text("/tmp"), hand.room + 512)
    assert unpacked(desk, hand.room + 512, "<qq") == (0x01021994, 4096)
    desk.value("fstatfs", fd, hand.room + 512)


def test_times_are_set_and_left(desk: Any, hand: Hand) -> None:
    fd = hand.open("/tmp/file", O_RDWR | O_CREAT)
    now, omit = (1 << 30) - 1, (1 << 30) - 2

    def times() -> tuple[int, ...]:
        desk.value("fstat", fd, hand.room + 512)
        return unpacked(desk, hand.room + 512 + 72, "<4q")

    def change(*values: int) -> Any:
        desk.memory.write(hand.room + 512, struct.pack("<4q", *values))
        return desk.call("utimensat", HERE, hand.text("/tmp/file"), hand.room + 512, 0)

    assert change(10, 20, 30, 40) == Result(0) and times() == (10, 20, 30, 40)
    assert change(50, 60, 0, omit) == Result(0) and times() == (50, 60, 30, 40)
    assert change(-5, 0, 0, omit) == Result(0) and times() == (-5, 0, 30, 40)
    assert change(0, omit, 0, now) == Result(0) and times()[:2] == (-5, 0) and times()[2] >= 1_767_225_600
    assert change(0, 1_000_000_000, 0, 0) == Result(errno=EINVAL)
    desk.value("utimensat", fd, 0, 0, 0)
    assert times()[0] == times()[2] >= 1_767_225_600


def test_permissions_mean_something_to_an_ordinary_user(desk: Any, hand: Hand) -> None:
    assert desk.errno("openat", HERE, hand.text("/etc/passwd"), O_WRONLY, 0) == EACCES
    assert desk.errno("openat", HERE, hand.text("/new"), O_CREAT | O_WRONLY, 0o600) == EACCES
    assert desk.errno("unlinkat", HERE, hand.text("/etc/passwd"), 0) == EACCES
    assert desk.errno("fchmodat", HERE, hand.text("/etc/passwd"), 0o666) == EPERM
    assert desk.errno("fchownat", HERE, hand.text("/etc/passwd"), 1000, 1000, 0) == EPERM
    desk.value("mkdirat", HERE, hand.text("/tmp/d"), 0o777)
    fd = hand.open("/tmp/d/file", O_CREAT | O_WRONLY)
    desk.value("fchmod", fd, 0o200)
    assert desk.errno("openat", HERE, hand.text("/tmp/d/file"), O_RDONLY, 0) == EACCES
    assert desk.errno("faccessat", HERE, hand.text("/tmp/d/file"), 4) == EACCES
    assert desk.value("faccessat2", HERE, hand.text("/tmp/d/file"), 2, 0x200) == 0
    desk.value("fchmodat", HERE, hand.text("/tmp/d"), 0)
    assert desk.errno("newfstatat", HERE, hand.text("/tmp/d/file"), hand.room + 512, 0) == EACCES
    desk.value("fchmodat", HERE, hand.text("/tmp/d"), 0o500)
    assert desk.errno("unlinkat", HERE, hand.text("/tmp/d/file"), 0) == EACCES
    assert desk.value("fchown", fd, 0xFFFFFFFF, 1000) == 0
    assert desk.value("umask", 0o077) == 0o022
    desk.value("mkdirat", HERE, hand.text("/tmp/private"), 0o777)
    desk.value("newfstatat", HERE, hand.text("/tmp/private"), hand.room + 512, 0)
    assert unpacked(desk, hand.room + 512 + 16, "<I")[0] == stat.S_IFDIR | 0o700


def test_attributes_there_are_none_of(desk: Any, hand: Hand) -> None:
    path = hand.text("/tmp")
    assert desk.errno("setxattr", path) == ENOTSUP and desk.errno("getxattr", path) == ENODATA
    assert desk.value("listxattr", path) == 0 and desk.errno("listxattr", hand.text("/gone")) == ENOENT


def test_sizes_change(desk: Any, hand: Hand) -> None:
    fd = hand.open("/tmp/file", O_RDWR | O_CREAT)
    hand.put(fd, b"123456")
    desk.value("truncate", hand.text("/tmp/file"), 3)
    desk.value("fallocate", fd, 0, 0, 5)
    desk.value("lseek", fd, 0, 0)
    assert hand.get(fd) == b"123\0\0"
    assert desk.errno("ftruncate", fd, -1) == EINVAL
    assert desk.errno("truncate", hand.text("/tmp"), 0) == EISDIR
    assert desk.errno("ftruncate", hand.open("/tmp/file", O_RDONLY), 0) == EINVAL
    assert desk.errno("fallocate", hand.open("/tmp/file", O_RDONLY), 0, 0, 1) == EBADF
    for call in (
        ("fsync", fd),
        ("fdatasync", fd),
        ("sync",),
        ("syncfs", fd),
        ("sync_file_range", fd, 0, 1, 7),
    ):
        assert desk.value(*call) == 0
    assert desk.errno("fsync", hand.pipe()[0]) == EINVAL


# -- paths ----------------------------------------------------------------------------------------------


def test_paths_are_read_with_care(desk: Any, hand: Hand) -> None:
    for address in (0, 1, hand.end, (1 << 64) - 1):
        for call in ("openat", "mkdirat", "unlinkat", "faccessat", "fchmodat", "readlinkat"):
            assert desk.errno(call, HERE, address, 0, 1) == EFAULT, call
        assert desk.errno("newfstatat", HERE, address, hand.room, 0) == EFAULT
        assert desk.errno("chdir", address) == EFAULT
        assert desk.errno("renameat2", HERE, hand.text("/tmp"), HERE, address, 0) == EFAULT
        assert desk.errno("symlinkat", address, HERE, hand.text("/tmp/x")) == EFAULT
    desk.memory.write(hand.end - 5, b"/tmp/")  # no end before the last page does
    assert desk.errno("chdir", hand.end - 5) == EFAULT
    desk.memory.write(hand.room, b"/" * 5000)
    assert desk.errno("chdir", hand.room) == ENAMETOOLONG
    assert desk.errno("chdir", hand.text("/" + "x" * 256)) == ENAMETOOLONG
    assert desk.errno("chdir", hand.text("")) == ENOENT


def test_the_working_directory(desk: Any, hand: Hand) -> None:
    desk.value("mkdirat", HERE, hand.text("/tmp/a"), 0o755)
    desk.value("chdir", hand.text("/tmp/a"))
    assert desk.value("getcwd", hand.room, 100) == 7 and desk.memory.read(hand.room, 7) == b"/tmp/a\0"
    assert desk.errno("getcwd", hand.room, 6) == ERANGE and desk.errno("getcwd", 0, 100) == EFAULT
    fd = hand.open("..", O_DIRECTORY)
    desk.value("renameat2", HERE, hand.text("/tmp/a"), HERE, hand.text("/tmp/b", 100), 0)
    assert desk.value("getcwd", hand.room, 100) == 7 and desk.memory.read(hand.room, 7) == b"/tmp/b\0"
    desk.value("unlinkat", HERE, hand.text("/tmp/b"), 0x200)
    assert desk.errno("getcwd", hand.room, 100) == ENOENT
    assert desk.errno("openat", HERE, hand.text("new"), O_CREAT, 0o644) == ENOENT
    desk.value("fchdir", fd)
    assert desk.value("getcwd", hand.room, 100) == 5
    assert (
        desk.errno("fchdir", hand.pipe()[0]) == ENOTDIR
        and desk.errno("chdir", hand.text("/etc/passwd")) == ENOTDIR
    )
    assert desk.errno("chroot", hand.text("/tmp")) == EPERM


def test_links_are_read(desk: Any, hand: Hand) -> None:
    desk.value("symlinkat", hand.text("some/where"), HERE, hand.text("/tmp/link", 100))
    assert desk.value("readlinkat", HERE, hand.text("/tmp/link"), hand.room + 512, 100) == 10
    assert desk.value("readlinkat", HERE, hand.text("/tmp/link"), hand.room + 512, 4) == 4
    assert desk.memory.read(hand.room + 512, 4) == b"some"
    assert desk.errno("readlinkat", HERE, hand.text("/tmp/link"), hand.room, 0) == EINVAL
    assert desk.errno("readlinkat", HERE, hand.text("/tmp"), hand.room, 9) == EINVAL
    fd = hand.open("/etc/hosts", O_RDONLY)
    desk.value("readlinkat", HERE, hand.text(f"/proc/self/fd/{fd}"), hand.room + 512, 100)
    assert desk.memory.read(hand.room + 512, 10) == b"/etc/hosts"
    again = hand.open(f"/dev/fd/{fd}", O_RDONLY)
    assert hand.get(again, 9) == hand.get(fd, 9) == b"127.0.0.1"
    reader, writer = hand.pipe()
    hand.put(hand.open(f"/proc/self/fd/{writer}", O_WRONLY), b"in")
    assert hand.get(hand.open(f"/dev/fd/{reader}", O_RDONLY)) == b"in"


def test_what_proc_tells(hand: Hand) -> None:
    assert hand.get(hand.open("/proc/sys/fs/pipe-max-size", O_RDONLY)) == b"1048576\n"


def test_openat2_restricts(desk: Any, hand: Hand) -> None:
    desk.value("mkdirat", HERE, hand.text("/tmp/d"), 0o755)
    desk.value("symlinkat", hand.text("../.."), HERE, hand.text("/tmp/d/up", 100))
    base = hand.open("/tmp/d", O_DIRECTORY | O_PATH)

    def how(flags: int, mode: int, restrict: int, extra: bytes = b"") -> int:
        desk.memory.write(hand.room + 2048, struct.pack("<QQQ", flags, mode, restrict) + extra)
        return int(hand.room + 2048)

    assert desk.value("openat2", base, hand.text("new"), how(O_CREAT | O_RDWR, 0o600, 8), 24) > base
    assert desk.errno("openat2", base, hand.text("../x"), how(0, 0, 8), 24) == EXDEV
    assert desk.errno("openat2", base, hand.text("up/etc/passwd"), how(0, 0, 8), 24) == EXDEV
    assert desk.errno("openat2", base, hand.text("up/etc/passwd"), how(0, 0, 4), 24) == ELOOP
    assert desk.errno("openat2", base, hand.text("up/etc/passwd"), how(0, 0, 16), 24) == ENOENT
    assert desk.value("openat2", base, hand.text("/new"), how(0, 0, 16), 24) > 0
    assert desk.errno("openat2", base, hand.text("new"), how(0, 0o600, 0), 24) == EINVAL
    assert desk.errno("openat2", base, hand.text("new"), how(1 << 40, 0, 0), 24) == EINVAL
    assert desk.errno("openat2", base, hand.text("new"), how(0, 0, 0), 23) == EINVAL
    assert desk.errno("openat2", base, hand.text("new"), how(0, 0, 0, b"\1" * 8), 32) == E2BIG
    assert desk.value("openat2", base, hand.text("new"), how(0, 0, 0, bytes(8)), 32) > 0


def test_a_file_without_a_name_gets_one(desk: Any, hand: Hand) -> None:
    fd = hand.open("/tmp", O_TMPFILE | O_RDWR)
    hand.put(fd, b"made")
    assert desk.value("linkat", fd, hand.text(""), HERE, hand.text("/tmp/named", 100), 0x1000) == 0
    assert hand.get(hand.open("/tmp/named", O_RDONLY)) == b"made"
    memory = desk.value("memfd_create", hand.text("name"), 1)
    assert hand.put(memory, b"x") == 1 and desk.value("fcntl", memory, 1, 0) == 1
    assert desk.errno("openat", HERE, hand.text("/tmp/named"), O_CREAT | O_EXCL, 0) == EEXIST


# -- descriptors ----------------------------------------------------------------------------------------


def test_descriptors_are_copied_and_flagged(desk: Any, hand: Hand) -> None:
    fd = hand.open("/tmp/file", O_RDWR | O_CREAT | O_CLOEXEC)
    assert desk.value("fcntl", fd, 1, 0) == 1 and desk.value("fcntl", fd, 3, 0) & 3 == O_RDWR
    copy = desk.value("dup", fd)
    hand.put(fd, b"abc")
    assert desk.value("lseek", copy, 0, 1) == 3 and desk.value("fcntl", copy, 1, 0) == 0
    assert desk.value("dup3", fd, 50, O_CLOEXEC) == 50 and desk.errno("dup3", fd, fd, 0) == EINVAL
    assert desk.value("fcntl", fd, 1030, 60) == 60 and desk.value("fcntl", 60, 1, 0) == 1
    assert desk.value("fcntl", fd, 4, O_NONBLOCK) == 0 and desk.value("fcntl", copy, 3, 0) & O_NONBLOCK
    assert desk.errno("fcntl", fd, 0, 1 << 20) == EINVAL and desk.errno("fcntl", fd, 12345, 0) == EINVAL
    desk.value("close_range", 50, 0xFFFFFFFF, 0)
    assert desk.errno("fcntl", 60, 1, 0) == desk.errno("close", 60) == EBADF
    assert desk.errno("close_range", 5, 4, 0) == EINVAL
    desk.process.files.table.limit = copy + 1
    assert desk.errno("dup", fd) == desk.errno("pipe2", hand.room, 0) == EMFILE
    assert desk.process.files.pipes.used == 0


def test_a_pipe_that_cannot_be_told_is_not_made(desk: Any, hand: Hand) -> None:
    before = list(desk.process.files.table)
    assert desk.errno("pipe2", hand.end - 4, 0) == EFAULT
    assert list(desk.process.files.table) == before and desk.process.files.pipes.used == 0


def test_path_descriptors_are_no_files(desk: Any, hand: Hand) -> None:
    fd = hand.open("/etc/passwd", O_PATH)
    for call in (("read", fd, hand.room, 1), ("lseek", fd, 0, 0), ("fchmod", fd, 0), ("fsync", fd)):
        assert desk.errno(*call) == EBADF
    assert desk.value("fstat", fd, hand.room + 512) == 0 and desk.value("fcntl", fd, 3, 0) & O_PATH


def test_a_directory_is_listed_in_pieces(desk: Any, hand: Hand) -> None:
    desk.value("mkdirat", HERE, hand.text("/tmp/d"), 0o755)
    for number in range(20):
        hand.open(f"/tmp/d/file{number:02}", O_CREAT | O_WRONLY)
    fd = hand.open("/tmp/d", O_DIRECTORY)
    seen: list[bytes] = []
    positions = []
    while count := desk.value("getdents64", fd, hand.room, 100):
        data = desk.memory.read(hand.room, count)
        while data:
            ino, cookie, size, kind = struct.unpack_from("<QqHB", data)
            assert ino and size % 8 == 0 and kind in (4, 8)
            seen.append(data[19:size].rstrip(b"\0"))
            positions.append(cookie)
            data = data[size:]
        # What is removed meanwhile hides nothing else.
        desk.call("unlinkat", HERE, hand.text(f"/tmp/d/{seen[-1].decode()}", 4096), 0)
    assert seen == [b".", b"..", *(b"file%02d" % number for number in range(20))]
    assert positions == sorted(set(positions))
    desk.value("lseek", fd, 0, 0)
    assert desk.errno("getdents64", fd, hand.room, 10) == EINVAL
    assert desk.errno("getdents64", fd, hand.end, 100) == EFAULT
    assert desk.value("getdents64", fd, hand.room, 4096) > 0
    assert desk.errno("getdents64", hand.pipe()[0], hand.room, 100) == ENOTDIR


def test_locks_between_descriptions(desk: Any, hand: Hand) -> None:
    shared, exclusive, now, unlock = 1, 2, 4, 8
    one, other = hand.open("/tmp/file", O_RDWR | O_CREAT), hand.open("/tmp/file", O_RDWR)
    assert desk.value("flock", one, exclusive) == 0
    assert desk.errno("flock", other, exclusive | now) == desk.errno("flock", other, shared | now) == EAGAIN
    first, second = desk.system.current, desk.thread()
    desk.wait("flock", other, exclusive)
    desk.be(second)
    desk.value("flock", one, unlock)
    assert desk.finish(first) == Result(0)
    assert desk.errno("flock", one, shared | now) == EAGAIN
    desk.value("close", other)
    assert desk.value("flock", one, shared) == 0 and not desk.errno("flock", one, 3) - EINVAL
    desk.value("close", one)
    assert not desk.process.files.fs.locks
    fd = hand.open("/tmp/file", O_RDWR)
    desk.memory.write(hand.room, struct.pack("<hh4xqqi4x", 1, 0, 0, 0, 0))
    assert desk.value("fcntl", fd, 6, hand.room) == 0 and desk.value("fcntl", fd, 5, hand.room) == 0
    assert unpacked(desk, hand.room, "<h") == (2,)  # F_UNLCK: nobody is in the way
    assert desk.errno("fcntl", fd, 6, hand.end) == EFAULT


def test_pipe_sizes_and_ioctls(desk: Any, hand: Hand) -> None:
    reader, writer = hand.pipe()
    hand.put(writer, b"12345")
    assert desk.value("ioctl", reader, 0x541B, hand.room) == 0 and unpacked(desk, hand.room, "<i") == (5,)
    assert (
        desk.value("fcntl", writer, 1032, 0) == 65_536
        and desk.value("fcntl", writer, 1031, 100_000) == 131_072
    )
    assert desk.errno("fcntl", writer, 1031, 1 << 30) == EPERM
    for request in (0x5401, 0x5413, 0x1234):
        assert desk.errno("ioctl", reader, request, hand.room) == ENOTTY
    desk.memory.write(hand.room, struct.pack("<i", 1))
    desk.value("ioctl", reader, 0x5421, hand.room)
    assert desk.value("fcntl", reader, 3, 0) & O_NONBLOCK


def test_the_devices(desk: Any, hand: Hand) -> None:
    assert (
        hand.get(hand.open("/dev/zero", O_RDWR), 5) == bytes(5)
        and hand.get(hand.open("/dev/null", O_RDONLY)) == b""
    )
    assert hand.put(hand.open("/dev/null", O_WRONLY), b"gone") == 4
    assert desk.errno("write", hand.open("/dev/full", O_WRONLY), hand.room, 1) == 28
    assert desk.errno("openat", HERE, hand.text("/dev/tty"), O_RDWR, 0) == 6
    random = hand.open("/dev/urandom", O_RDONLY)
    assert hand.get(random, 32) != hand.get(random, 32)
    desk.value("newfstatat", HERE, hand.text("/dev/zero"), hand.room + 512, 0)
    assert unpacked(desk, hand.room + 512 + 16, "<I12xQ") == (stat.S_IFCHR | 0o666, 0x105)


def test_the_mode_of_a_link_itself_cannot_be_changed(desk: Any, hand: Hand) -> None:
    desk.value("close", hand.open("/tmp/file", O_RDWR | O_CREAT, 0o600))
    desk.value("symlinkat", hand.text("file"), HERE, hand.text("/tmp/link", 100))
    assert desk.errno("fchmodat2", HERE, hand.text("/tmp/link"), 0o444, 0x100) == EOPNOTSUPP
    desk.value("fchmodat2", HERE, hand.text("/tmp/link"), 0o444, 0)
