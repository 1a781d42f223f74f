"""Calls about descriptors: close, dup, fcntl, ioctl, flock, getdents64, pipe2, eventfd2."""

from __future__ import annotations

from collections.abc import Callable
from errno import (
    EAGAIN,
    EBADF,
    EINVAL,
    ENOENT,
    ENOTDIR,
    ENOTTY,
    EPERM,
)
from typing import TYPE_CHECKING

from fairlead.errors import GuestRefusal
from fairlead.services.description import Description, DirectoryDescription, FileDescription
from fairlead.services.flags import (
    O_APPEND,
    O_CLOEXEC,
    O_DIRECT,
    O_LARGEFILE,
    O_NOATIME,
    O_NONBLOCK,
    SEEK_CUR,
    SEEK_END,
    SEEK_SET,
)
from fairlead.services.hoststreams import HostStream
from fairlead.services.linux.filestructures import FLOCK, WINSIZE, direntry
from fairlead.services.linux.handler import Handlers
from fairlead.services.linux.structures import u32
from fairlead.services.linux.transfers import INTERRUPTED
from fairlead.services.locks import FileLock, try_lock, unlock
from fairlead.services.pipes import PipeDescription
from fairlead.syscall import Pending, Result, Wake

if TYPE_CHECKING:
    from fairlead.services.linux.process import Process

__all__ = ["HANDLERS"]

_FD_CLOEXEC = 1
_SETTABLE = O_APPEND | O_NONBLOCK | O_NOATIME | O_DIRECT
_CLOSE_RANGE_UNSHARE, _CLOSE_RANGE_CLOEXEC = 2, 4
_EFD_SEMAPHORE = 1
_LOCK_SH, _LOCK_EX, _LOCK_NB, _LOCK_UN = 1, 2, 4, 8
_F_UNLCK = 2
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


# -- fcntl ----------------------------------------------------------------------------------------------

Control = Callable[["Process", int, Description, int], int]


def _duplicate(process: Process, fd: int, description: Description, lowest: int) -> int:
    return process.files.table.duplicate(fd, lowest=u32(lowest))


def _duplicate_cloexec(process: Process, fd: int, description: Description, lowest: int) -> int:
    return process.files.table.duplicate(fd, cloexec=True, lowest=u32(lowest))


def _get_descriptor_flags(process: Process, fd: int, description: Description, argument: int) -> int:
    return _FD_CLOEXEC if process.files.table.cloexec(fd) else 0


def _set_descriptor_flags(process: Process, fd: int, description: Description, argument: int) -> int:
    process.files.table.set_cloexec(fd, bool(argument & _FD_CLOEXEC))
    return 0


def _get_status(process: Process, fd: int, description: Description, argument: int) -> int:
    return description.flags | (O_LARGEFILE if isinstance(description, FileDescription) else 0)


def _set_status(process: Process, fd: int, description: Description, argument: int) -> int:
    description.flags = (description.flags & ~_SETTABLE) | (argument & _SETTABLE)
    return 0


def _get_lock(process: Process, fd: int, description: Description, address: int) -> int:
    """Nobody else holds record locks: there is one process."""
    lock = _lock(process, address)
    process.memory.write(address, FLOCK.pack(_F_UNLCK, *lock[1:]))
    return 0


def _set_lock(process: Process, fd: int, description: Description, address: int) -> int:
    kind, whence, _, _, _ = _lock(process, address)
    if kind not in (0, 1, 2) or whence not in (SEEK_SET, SEEK_CUR, SEEK_END):
        raise GuestRefusal(EINVAL)
    if (kind == 0 and not description.readable) or (kind == 1 and not description.writable):
        raise GuestRefusal(EBADF)
    return 0


def _lock(process: Process, address: int) -> tuple[int, ...]:
    return process.memory.unpack(FLOCK, address)


def _set_pipe_size(process: Process, fd: int, description: Description, size: int) -> int:
    if not isinstance(description, PipeDescription):
        raise GuestRefusal(EBADF)
    return description.pipe.resize(u32(size))


def _get_pipe_size(process: Process, fd: int, description: Description, argument: int) -> int:
    if not isinstance(description, PipeDescription):
        raise GuestRefusal(EBADF)
    return description.pipe.capacity


def _no_owner(process: Process, fd: int, description: Description, argument: int) -> int:
    return 0


_CONTROLS: dict[int, Control] = {
    0: _duplicate,
    1: _get_descriptor_flags,
    2: _set_descriptor_flags,
    3: _get_status,
    4: _set_status,
    5: _get_lock,
    6: _set_lock,
    7: _set_lock,
    8: _no_owner,
    9: _no_owner,
    1030: _duplicate_cloexec,
    1031: _set_pipe_size,
    1032: _get_pipe_size,
}
"""F_* of asm-generic/fcntl.h and uapi/linux/fcntl.h. Locks between descriptions (F_OFD_*) are EINVAL."""

_ON_PATH = {0, 1, 2, 3, 1030}
"""What fcntl does on O_PATH descriptors."""


def fcntl(process: Process, fd: int, command: int, argument: int) -> int:
    fd, command = u32(fd), u32(command)
    files = process.files
    description = files.table.get(fd) if command in _ON_PATH else files.description(fd)
    control = _CONTROLS.get(command)
    if control is None:
        raise GuestRefusal(EINVAL)
    return control(process, fd, description, argument)


# -- ioctl ----------------------------------------------------------------------------------------------


def _terminal(process: Process, fd: int, description: Description, address: int) -> int:
    attributes = description.terminal_attributes() if isinstance(description, HostStream) else None
    if attributes is None:
        raise GuestRefusal(ENOTTY)
    *modes, characters = attributes
    line_and_characters = bytes(1) + characters[:19].ljust(19, b"\0")
    data = b"".join((mode & 0xFFFF_FFFF).to_bytes(4, "little") for mode in modes)
    process.memory.write(address, data + line_and_characters)
    return 0


def _refuse_terminal(process: Process, fd: int, description: Description, address: int) -> int:
    """The host's terminal is not a guest's to change."""
    raise GuestRefusal(EPERM if isinstance(description, HostStream) and description.terminal else ENOTTY)


def _window_size(process: Process, fd: int, description: Description, address: int) -> int:
    size = description.window() if isinstance(description, HostStream) else None
    if size is None:
        raise GuestRefusal(ENOTTY)
    process.memory.write(address, WINSIZE.pack(min(size[0], 0xFFFF), min(size[1], 0xFFFF), 0, 0))
    return 0


def _available(process: Process, fd: int, description: Description, address: int) -> int:
    try:
        count = description.available()
    except GuestRefusal:
        raise GuestRefusal(ENOTTY) from None
    process.memory.write_u32(address, min(count, 0x7FFF_FFFF))
    return 0


def _nonblocking(process: Process, fd: int, description: Description, address: int) -> int:
    on = process.memory.read_u32(address)
    description.flags = description.flags | O_NONBLOCK if on else description.flags & ~O_NONBLOCK
    return 0


def _cloexec(process: Process, fd: int, description: Description, address: int) -> int:
    process.files.table.set_cloexec(fd, True)
    return 0


def _no_cloexec(process: Process, fd: int, description: Description, address: int) -> int:
    process.files.table.set_cloexec(fd, False)
    return 0


_IOCTLS: dict[int, Control] = {
    0x5401: _terminal,  # TCGETS
    0x5402: _refuse_terminal,  # TCSETS, TCSETSW, TCSETSF
    0x5403: _refuse_terminal,
    0x5404: _refuse_terminal,
    0x5413: _window_size,  # TIOCGWINSZ
    0x541B: _available,  # FIONREAD
    0x5421: _nonblocking,  # FIONBIO
    0x5450: _no_cloexec,  # FIONCLEX
    0x5451: _cloexec,  # FIOCLEX
}
"""asm-generic/ioctls.h."""


def ioctl(process: Process, fd: int, request: int, argument: int) -> int:
    fd = u32(fd)
    description = process.files.description(fd)
    control = _IOCTLS.get(u32(request))
    if control is None:
        raise GuestRefusal(ENOTTY)
    return control(process, fd, description, argument)


# -- locks and listings ---------------------------------------------------------------------------------


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


def readahead(process: Process, fd: int, offset: int, size: int) -> int:
    description = process.files.description(u32(fd))
    if not isinstance(description, FileDescription):
        raise GuestRefusal(EINVAL)
    return 0


HANDLERS: Handlers = {
    each.__name__: each
    for each in (
        close,
        close_range,
        dup,
        dup2,
        dup3,
        eventfd,
        eventfd2,
        fcntl,
        flock,
        getdents64,
        ioctl,
        pipe,
        pipe2,
        readahead,
    )
}
