"""Structures and numbers of the calls about files, with the layouts of each architecture."""

from __future__ import annotations

import stat
from struct import Struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fairlead.services.vfs import Space, Stat

__all__ = [
    "EPOLL_EVENT",
    "FLOCK",
    "IOVEC",
    "OPEN_HOW",
    "POLLFD",
    "STATX",
    "WINSIZE",
    "direntry",
    "pack_stat",
    "pack_statfs",
    "pack_statx",
]

_BILLION = 1_000_000_000

IOVEC = Struct("<QQ")
"""uapi/linux/uio.h, struct iovec."""
POLLFD = Struct("<ihh")
"""uapi/asm-generic/poll.h, struct pollfd."""
WINSIZE = Struct("<4H")
"""uapi/asm-generic/termios.h, struct winsize: rows, columns, pixels."""
FLOCK = Struct("<hh4xqqi4x")
"""uapi/asm-generic/fcntl.h, struct flock: l_type, l_whence, l_start, l_len, l_pid."""
OPEN_HOW = Struct("<QQQ")
"""uapi/linux/openat2.h, struct open_how: flags, mode, resolve."""
EPOLL_EVENT = {"riscv64": Struct("<I4xQ"), "x86_64": Struct("<IQ")}
"""uapi/linux/eventpoll.h, struct epoll_event: events, data; packed (EPOLL_PACKED) on x86-64 only."""

_STAT_GENERIC = Struct("<QQIIIIQQqiiqqQqQqQII")
"""uapi/asm-generic/stat.h, struct stat: 128 bytes."""
_STAT_X86_64 = Struct("<QQQIIIIQqqqqQqQqQ24x")
"""arch/x86/include/uapi/asm/stat.h, struct stat: 144 bytes."""
STATX = Struct("<IIQIIIHHQQQQqIiqIiqIiqIiIIIIQII96x")
"""uapi/linux/stat.h, struct statx: 256 bytes."""
_STATFS = Struct("<qqQQQQQiiqqq32x")
"""uapi/asm-generic/statfs.h, struct statfs: 120 bytes."""

_ST_RDONLY, _ST_VALID, _ST_NOATIME = 1, 0x20, 0x400
_NAME_MAX = 255

_TYPES = {
    stat.S_IFIFO: 1,
    stat.S_IFCHR: 2,
    stat.S_IFDIR: 4,
    stat.S_IFBLK: 6,
    stat.S_IFREG: 8,
    stat.S_IFLNK: 10,
    stat.S_IFSOCK: 12,
}
"""DT_* of dirent.h."""


def _times(found: Stat) -> tuple[int, ...]:
    return (*divmod(found.atime, _BILLION), *divmod(found.mtime, _BILLION), *divmod(found.ctime, _BILLION))


def _generic(s: Stat) -> bytes:
    head = (s.dev, s.ino, s.mode, s.nlink, s.uid, s.gid, s.rdev, 0, s.size, s.blksize, 0, s.blocks)
    return _STAT_GENERIC.pack(*head, *_times(s), 0, 0)


def _x86_64(s: Stat) -> bytes:
    head = (s.dev, s.ino, s.nlink, s.mode, s.uid, s.gid, 0, s.rdev, s.size, s.blksize, s.blocks)
    return _STAT_X86_64.pack(*head, *_times(s))


pack_stat = {"riscv64": _generic, "x86_64": _x86_64}
"""struct stat by architecture."""


def _major(dev: int) -> int:
    return (dev >> 8 & 0xFFF) | (dev >> 32 & ~0xFFF)


def _minor(dev: int) -> int:
    return (dev & 0xFF) | (dev >> 12 & 0xFFFFFF00)


def pack_statx(s: Stat) -> bytes:
    """struct statx with every basic field and the time of birth."""
    stamps: list[int] = []
    for time in (s.atime, s.btime, s.ctime, s.mtime):
        stamps += (*divmod(time, _BILLION), 0)
    basic_and_birth = 0xFFF
    return STATX.pack(
        basic_and_birth, s.blksize, 0, s.nlink, s.uid, s.gid, s.mode, 0, s.ino, s.size, s.blocks, 0,
        *stamps, _major(s.rdev), _minor(s.rdev), _major(s.dev), _minor(s.dev), s.dev, 0, 0,
    )  # fmt: skip


def pack_statfs(space: Space, dev: int, *, read_only: bool) -> bytes:
    """struct statfs."""
    flags = _ST_VALID | _ST_NOATIME | (_ST_RDONLY if read_only else 0)
    return _STATFS.pack(
        space.magic, 4096, space.blocks, space.free, space.free, space.files, space.files_free,
        dev, 0, _NAME_MAX, 4096, flags,
    )  # fmt: skip


def direntry(cookie: int, name: bytes, ino: int, kind: int) -> bytes:
    """struct linux_dirent64 (linux/dirent.h), padded to 8 bytes."""
    size = (19 + len(name) + 1 + 7) & ~7
    head = ino.to_bytes(8, "little") + cookie.to_bytes(8, "little") + size.to_bytes(2, "little")
    return (head + bytes((_TYPES.get(kind, 0),)) + name).ljust(size, b"\0")
