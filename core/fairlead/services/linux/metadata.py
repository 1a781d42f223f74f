"""Calls that read and change attributes (stat(2), statfs(2), chmod(2), access(2), utimensat(2))."""

from __future__ import annotations

from errno import EBADF, EINVAL, ENOSYS, EOPNOTSUPP
from typing import TYPE_CHECKING

from fairlead.errors import GuestRefusal
from fairlead.services.description import PathDescription
from fairlead.services.flags import AT_EMPTY_PATH, AT_FDCWD, AT_SYMLINK_NOFOLLOW
from fairlead.services.linux.filestructures import pack_stat, pack_statfs, pack_statx
from fairlead.services.linux.handler import Handlers
from fairlead.services.linux.paths import node_at, path_at
from fairlead.services.linux.structures import TIMESPEC, i32, u32
from fairlead.services.vfs import Node, Stat, SymbolicLink

if TYPE_CHECKING:
    from fairlead.services.linux.process import Process

__all__ = ["HANDLERS"]

_HERE = AT_FDCWD & 0xFFFF_FFFF
_AT_NO_AUTOMOUNT = 0x800
_AT_EACCESS = 0x200
_AT_STATX_SYNC_TYPE = 0x6000
_STATX_RESERVED = 1 << 31
_UTIME_NOW = (1 << 30) - 1
_UTIME_OMIT = (1 << 30) - 2
_BILLION = 1_000_000_000


def _found(process: Process, dirfd: int, path: int, flags: int) -> Stat:
    """Attributes of what a path leads to, or of the descriptor itself where "" may mean that."""
    files = process.files
    empty = bool(flags & AT_EMPTY_PATH)
    where = path_at(process, path, empty=empty) if path or not empty else b""
    if not where:
        return files.cwd.stat() if i32(dirfd) == AT_FDCWD else files.table.get(i32(dirfd)).stat()
    base = files.base_for(i32(dirfd), where)
    return files.names.find(base, where, follow=not flags & AT_SYMLINK_NOFOLLOW).stat()


def newfstatat(process: Process, dirfd: int, path: int, buffer: int, flags: int) -> int:
    flags = u32(flags)
    if flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH | _AT_NO_AUTOMOUNT):
        raise GuestRefusal(EINVAL)
    process.memory.write(buffer, pack_stat[process.arch](_found(process, dirfd, path, flags)))
    return 0


def fstat(process: Process, fd: int, buffer: int) -> int:
    process.memory.write(buffer, pack_stat[process.arch](process.files.table.get(u32(fd)).stat()))
    return 0


def stat(process: Process, path: int, buffer: int) -> int:
    return newfstatat(process, _HERE, path, buffer, 0)


def lstat(process: Process, path: int, buffer: int) -> int:
    return newfstatat(process, _HERE, path, buffer, AT_SYMLINK_NOFOLLOW)


def statx(process: Process, dirfd: int, path: int, flags: int, mask: int, buffer: int) -> int:
    flags = u32(flags)
    known = AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH | _AT_NO_AUTOMOUNT | _AT_STATX_SYNC_TYPE
    if flags & ~known or flags & _AT_STATX_SYNC_TYPE == _AT_STATX_SYNC_TYPE or u32(mask) & _STATX_RESERVED:
        raise GuestRefusal(EINVAL)
    process.memory.write(buffer, pack_statx(_found(process, dirfd, path, flags)))
    return 0


def statfs(process: Process, path: int, buffer: int) -> int:
    return _statfs(process, node_at(process, _HERE, path, follow=True), buffer)


def fstatfs(process: Process, fd: int, buffer: int) -> int:
    node = process.files.table.get(u32(fd)).node
    if node is None:
        raise GuestRefusal(ENOSYS)
    return _statfs(process, node, buffer)


def _statfs(process: Process, node: Node, buffer: int) -> int:
    fs = node.fs
    process.memory.write(buffer, pack_statfs(fs.space(), fs.dev, read_only=fs.read_only))
    return 0


# -- permissions ----------------------------------------------------------------------------------------


def _node(process: Process, fd: int, *, path_too: bool = False) -> Node:
    """The node of an open descriptor whose attributes are changed."""
    description = process.files.table.get(u32(fd))
    if isinstance(description, PathDescription) and not path_too:
        raise GuestRefusal(EBADF)
    node = description.node
    if node is None:
        raise GuestRefusal(EINVAL)
    return node


def _follow(flags: int, known: int) -> bool:
    if u32(flags) & ~known:
        raise GuestRefusal(EINVAL)
    return not flags & AT_SYMLINK_NOFOLLOW


def _at(process: Process, dirfd: int, path: int, flags: int, known: int) -> Node:
    follow = _follow(flags, known)
    return node_at(process, dirfd, path, follow=follow, empty=bool(flags & AT_EMPTY_PATH))


def fchmod(process: Process, fd: int, mode: int) -> int:
    process.files.names.set_mode(_node(process, fd), mode)
    return 0


def fchmodat2(process: Process, dirfd: int, path: int, mode: int, flags: int) -> int:
    node = _at(process, dirfd, path, flags, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)
    if isinstance(node, SymbolicLink):
        raise GuestRefusal(EOPNOTSUPP)  # a link's own mode counts for nothing (chmod(2))
    process.files.names.set_mode(node, mode)
    return 0


def fchmodat(process: Process, dirfd: int, path: int, mode: int) -> int:
    return fchmodat2(process, dirfd, path, mode, 0)


def chmod(process: Process, path: int, mode: int) -> int:
    return fchmodat2(process, _HERE, path, mode, 0)


def fchown(process: Process, fd: int, uid: int, gid: int) -> int:
    process.files.names.set_owner(_node(process, fd), u32(uid), u32(gid))
    return 0


def fchownat(process: Process, dirfd: int, path: int, uid: int, gid: int, flags: int) -> int:
    node = _at(process, dirfd, path, flags, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)
    process.files.names.set_owner(node, u32(uid), u32(gid))
    return 0


def chown(process: Process, path: int, uid: int, gid: int) -> int:
    return fchownat(process, _HERE, path, uid, gid, 0)


def lchown(process: Process, path: int, uid: int, gid: int) -> int:
    return fchownat(process, _HERE, path, uid, gid, AT_SYMLINK_NOFOLLOW)


def faccessat2(process: Process, dirfd: int, path: int, mode: int, flags: int) -> int:
    mode = u32(mode)
    if mode & ~7:
        raise GuestRefusal(EINVAL)
    node = _at(process, dirfd, path, flags, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH | _AT_EACCESS)
    process.files.names.access(node, mode)
    return 0


def faccessat(process: Process, dirfd: int, path: int, mode: int) -> int:
    return faccessat2(process, dirfd, path, mode, 0)


def access(process: Process, path: int, mode: int) -> int:
    return faccessat2(process, _HERE, path, mode, 0)


# -- times ----------------------------------------------------------------------------------------------


def utimensat(process: Process, dirfd: int, path: int, times: int, flags: int) -> int:
    present = process.files.realtime()
    atime: int | None = present
    mtime: int | None = present
    now = True
    if times:
        data = process.memory.read(times, 32)
        (atime, first), (mtime, second) = (_time(data[at : at + 16], present) for at in (0, 16))
        if atime is None and mtime is None:
            return 0
        now = first and second
    if not path and i32(dirfd) != AT_FDCWD:
        node = _node(process, dirfd)
        if u32(flags):
            raise GuestRefusal(EINVAL)
    else:
        node = _at(process, dirfd, path, flags, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)
    process.files.names.set_times(node, atime, mtime, now=now)
    return 0


def _time(data: bytes, present: int) -> tuple[int | None, bool]:
    """A timespec of utimensat: (time or None to leave it, is it UTIME_NOW)."""
    seconds, nanoseconds = TIMESPEC.unpack(data)
    if nanoseconds == _UTIME_OMIT:
        return None, False
    if nanoseconds == _UTIME_NOW:
        return present, True
    if not 0 <= nanoseconds < _BILLION:
        raise GuestRefusal(EINVAL)
    return seconds * _BILLION + nanoseconds, False


HANDLERS: Handlers = {
    each.__name__: each
    for each in (
        access,
        chmod,
        chown,
        faccessat,
        faccessat2,
        fchmod,
        fchmodat,
        fchmodat2,
        fchown,
        fchownat,
        fstat,
        fstatfs,
        lchown,
        lstat,
        newfstatat,
        stat,
        statfs,
        statx,
        utimensat,
    )
}
