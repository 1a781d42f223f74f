"""fcntl(2) and ioctl(2): a table of commands each."""

from __future__ import annotations

from collections.abc import Callable
from errno import (
    EBADF,
    EINVAL,
    ENOTTY,
    EPERM,
)
from typing import TYPE_CHECKING

from fairlead.errors import GuestRefusal
from fairlead.services.description import Description, FileDescription
from fairlead.services.flags import (
    O_APPEND,
    O_DIRECT,
    O_LARGEFILE,
    O_NOATIME,
    O_NONBLOCK,
    SEEK_CUR,
    SEEK_END,
    SEEK_SET,
)
from fairlead.services.hoststreams import HostStream
from fairlead.services.linux.filestructures import FLOCK, WINSIZE
from fairlead.services.linux.handler import Handlers
from fairlead.services.linux.structures import u32
from fairlead.services.pipes import PipeDescription

if TYPE_CHECKING:
    from fairlead.services.linux.process import Process

__all__ = ["HANDLERS"]

_FD_CLOEXEC = 1
_SETTABLE = O_APPEND | O_NONBLOCK | O_NOATIME | O_DIRECT
_F_UNLCK = 2

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


HANDLERS: Handlers = {each.__name__: each for each in (fcntl, ioctl)}
