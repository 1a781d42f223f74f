"""Calls about descriptors: close, dup, flock, getdents64, pipe2, eventfd2."""

from __future__ import annotations

from errno import (
    EAGAIN,
    EINVAL,
    ENOENT,
    ENOTDIR,
)
from typing import TYPE_CHECKING

from fairlead.errors import GuestRefusal
from fairlead.services.directories import DirectoryDescription
from fairlead.services.flags import (
    O_CLOEXEC,
    O_DIRECT,
    O_NONBLOCK,
)
from fairlead.services.linux.filestructures import direntry
from fairlead.services.linux.handler import Handlers
from fairlead.services.linux.structures import u32
from fairlead.services.linux.waiting import INTERRUPTED
from fairlead.services.locks import FileLock, try_lock, unlock
from fairlead.syscall import Pending, Result, Wake

if TYPE_CHECKING:
    from fairlead.services.linux.process import Process

__all__ = ["HANDLERS"]

_CLOSE_RANGE_UNSHARE, _CLOSE_RANGE_CLOEXEC = 2, 4
_EFD_SEMAPHORE = 1
_LOCK_SH, _LOCK_EX, _LOCK_NB, _LOCK_UN = 1, 2, 4, 8
_MAX_PENDING_LISTING = 1 << 16


def close(process: Process, fd: int) -> int:
    process.files.table.close(u32(fd))
    return 0


def close_range(process: Process, first: int, last: int, flags: int) -> int:
    first, last, flags = u32(first), u32(last), u32(flags)
    if first > last or flags & ~(_CLOSE_RANGE_UNSHARE | _CLOSE_RANGE_CLOEXEC):
        raise GuestRefusal(EINVAL)
    table = process.files.table
    if flags & _CLOSE_RANGE_CLOEXEC:
        for fd in table:
            if first <= fd <= last:
                table.set_cloexec(fd, True)
    else:
        table.close_range(first, last)
    return 0


def dup(process: Process, fd: int) -> int:
    return process.files.table.duplicate(u32(fd))


def dup3(process: Process, fd: int, new: int, flags: int) -> int:
    fd, new, flags = u32(fd), u32(new), u32(flags)
    if flags & ~O_CLOEXEC or fd == new:
        raise GuestRefusal(EINVAL)
    return process.files.table.replace(fd, new, cloexec=bool(flags))


def dup2(process: Process, fd: int, new: int) -> int:
    if u32(fd) == u32(new):
        process.files.table.get(u32(fd))
        return u32(fd)
    return process.files.table.replace(u32(fd), u32(new))


def pipe2(process: Process, address: int, flags: int) -> int:
    flags = u32(flags)
    if flags & ~(O_CLOEXEC | O_NONBLOCK | O_DIRECT):
        raise GuestRefusal(EINVAL)
    files = process.files
    process.memory.buffers(address, 8, True)
    pair = files.make_pipe(flags & O_NONBLOCK)
    one, other = files.install_pair(*pair, cloexec=bool(flags & O_CLOEXEC))
    process.memory.write(address, one.to_bytes(4, "little") + other.to_bytes(4, "little"))
    return 0


def pipe(process: Process, address: int) -> int:
    return pipe2(process, address, 0)


def eventfd2(process: Process, count: int, flags: int) -> int:
    flags = u32(flags)
    if flags & ~(O_CLOEXEC | O_NONBLOCK | _EFD_SEMAPHORE):
        raise GuestRefusal(EINVAL)
    files = process.files
    event = files.make_event(flags & O_NONBLOCK, u32(count), semaphore=bool(flags & _EFD_SEMAPHORE))
    return files.install(event, cloexec=bool(flags & O_CLOEXEC))


def eventfd(process: Process, count: int) -> int:
    return eventfd2(process, count, 0)


def flock(process: Process, fd: int, operation: int) -> int | Pending:
    description = process.files.description(u32(fd))
    operation = u32(operation)
    node = description.node
    what = operation & ~_LOCK_NB
    if what not in (_LOCK_SH, _LOCK_EX, _LOCK_UN) or node is None:
        raise GuestRefusal(EINVAL)
    if what == _LOCK_UN:
        unlock(node, description)
        return 0
    locks = node.fs.locks
    lock = locks.get(node.ino)
    if lock is None:
        lock = locks[node.ino] = FileLock(process.services.wait_queue())
    if try_lock(lock, description, exclusive=what == _LOCK_EX):
        return 0
    if operation & _LOCK_NB:
        raise GuestRefusal(EAGAIN)

    def resume(wake: Wake) -> Result | Pending:
        if wake is Wake.SIGNAL:
            return INTERRUPTED
        answer = flock(process, fd, operation)
        return Result(answer) if isinstance(answer, int) else answer

    return Pending((lock.queue,), resume)


def getdents64(process: Process, fd: int, address: int, size: int) -> int:
    description = process.files.description(u32(fd))
    if not isinstance(description, DirectoryDescription):
        raise GuestRefusal(ENOTDIR)
    if description.node.removed:
        raise GuestRefusal(ENOENT)
    room = min(u32(size), _MAX_PENDING_LISTING)
    entries: list[bytes] = []
    position = description.offset
    for cookie, name, ino, kind in description.entries():
        entry = direntry(cookie, name, ino, kind)
        if len(entry) > room:
            if not entries:
                raise GuestRefusal(EINVAL)
            break
        entries.append(entry)
        room -= len(entry)
        position = cookie
    data = b"".join(entries)
    process.memory.write(address, data)
    description.offset = position
    return len(data)


HANDLERS: Handlers = {
    each.__name__: each
    for each in (close, close_range, dup, dup2, dup3, eventfd, eventfd2, flock, getdents64, pipe, pipe2)
}
