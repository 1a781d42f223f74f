"""Sizes of files, and what keeps them (truncate(2), fallocate(2), fsync(2), posix_fadvise(2))."""

from __future__ import annotations

from errno import EBADF, EINVAL
from typing import TYPE_CHECKING

from fairlead.errors import GuestRefusal
from fairlead.services.description import FileDescription
from fairlead.services.linux.handler import Handlers
from fairlead.services.linux.paths import path_at
from fairlead.services.linux.structures import i64, u32

if TYPE_CHECKING:
    from fairlead.services.linux.process import Process

__all__ = ["HANDLERS"]


def truncate(process: Process, path: int, size: int) -> int:
    if i64(size) < 0:
        raise GuestRefusal(EINVAL)
    files = process.files
    files.names.truncate(files.cwd, path_at(process, path), size)
    return 0


def ftruncate(process: Process, fd: int, size: int) -> int:
    description = process.files.description(u32(fd))
    if i64(size) < 0 or not description.writable:
        raise GuestRefusal(EINVAL)
    description.truncate(size)
    return 0


def fallocate(process: Process, fd: int, mode: int, offset: int, size: int) -> int:
    description = process.files.description(u32(fd))
    offset, size = i64(offset), i64(size)
    if not description.writable:
        raise GuestRefusal(EBADF)
    if offset < 0 or size <= 0:
        raise GuestRefusal(EINVAL)
    description.allocate(u32(mode), offset, size)
    return 0


def fsync(process: Process, fd: int) -> int:
    process.files.description(u32(fd)).sync()
    return 0


def fdatasync(process: Process, fd: int) -> int:
    return fsync(process, fd)


def sync(process: Process) -> int:
    return 0


def syncfs(process: Process, fd: int) -> int:
    process.files.description(u32(fd))
    return 0


def sync_file_range(process: Process, fd: int, offset: int, size: int, flags: int) -> int:
    if not isinstance(process.files.description(u32(fd)), FileDescription) or u32(flags) & ~7:
        raise GuestRefusal(EINVAL)
    return 0


def fadvise64(process: Process, fd: int, offset: int, size: int, advice: int) -> int:
    process.files.description(u32(fd))
    if u32(advice) > 5:
        raise GuestRefusal(EINVAL)
    return 0


def readahead(process: Process, fd: int, offset: int, size: int) -> int:
    description = process.files.description(u32(fd))
    if not isinstance(description, FileDescription):
        raise GuestRefusal(EINVAL)
    return 0


HANDLERS: Handlers = {
    each.__name__: each
    for each in (
        fadvise64,
        fallocate,
        fdatasync,
        fsync,
        ftruncate,
        readahead,
        sync,
        sync_file_range,
        syncfs,
        truncate,
    )
}
