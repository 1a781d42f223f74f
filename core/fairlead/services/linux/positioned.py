"""Transfers at a position of their own, and the position itself (pread(2), preadv(2), lseek(2))."""

from __future__ import annotations

from errno import EINVAL, EOPNOTSUPP, ESPIPE
from typing import TYPE_CHECKING

from fairlead.errors import GuestFault, GuestRefusal
from fairlead.services.description import MAX_OFFSET, FileDescription
from fairlead.services.linux.handler import Handlers
from fairlead.services.linux.structures import i64, u32
from fairlead.services.linux.transfers import CHUNK, MOST, Ranges, iovec, move_all, opened, readv, writev
from fairlead.syscall import Pending, Result

if TYPE_CHECKING:
    from fairlead.services.linux.process import Process

__all__ = ["HANDLERS"]


def _positioned(process: Process, fd: int, ranges: Ranges, total: int, offset: int, *, write: bool) -> int:
    description = opened(process, fd, write=write)
    offset = i64(offset)
    if offset < 0:
        raise GuestRefusal(EINVAL)
    if not isinstance(description, FileDescription):
        # Pipes and other streams refuse whatever is asked.
        if description.stream:
            raise GuestRefusal(ESPIPE)
    elif write and offset + total > MAX_OFFSET:
        total = MAX_OFFSET - offset
    transfer = description.pwritev if write else description.preadv
    at = offset

    def move(buffers: list[memoryview]) -> int:
        nonlocal at
        count = transfer(buffers, at)
        at += count
        return count

    return move_all(process, ranges, total, move, into_guest=not write)


def pread64(process: Process, fd: int, address: int, size: int, offset: int) -> int:
    if 0 < size < CHUNK and offset < MAX_OFFSET:
        description = opened(process, fd, write=False)
        try:
            return description.preadv(process.memory.buffers(address, size, True), offset)
        except GuestFault:
            pass
    size = min(size, MOST)
    return _positioned(process, fd, ((address, size),), size, offset, write=False)


def preadv(process: Process, fd: int, address: int, count: int, offset: int) -> int:
    ranges, total = iovec(process, address, count)
    return _positioned(process, fd, ranges, total, offset, write=False)


def preadv2(
    process: Process, fd: int, address: int, count: int, offset: int, high: int, flags: int
) -> int | Result | Pending:
    _no_flags(flags)
    if offset == (1 << 64) - 1:
        return readv(process, fd, address, count)
    return preadv(process, fd, address, count, offset)


def pwrite64(process: Process, fd: int, address: int, size: int, offset: int) -> int:
    size = min(size, MOST)
    return _positioned(process, fd, ((address, size),), size, offset, write=True)


def pwritev(process: Process, fd: int, address: int, count: int, offset: int) -> int:
    ranges, total = iovec(process, address, count)
    return _positioned(process, fd, ranges, total, offset, write=True)


def pwritev2(
    process: Process, fd: int, address: int, count: int, offset: int, high: int, flags: int
) -> int | Result | Pending:
    _no_flags(flags)
    if offset == (1 << 64) - 1:
        return writev(process, fd, address, count)
    return pwritev(process, fd, address, count, offset)


def _no_flags(flags: int) -> None:
    hints = 0x1 | 0x2 | 0x4  # RWF_HIPRI, RWF_DSYNC, RWF_SYNC
    if u32(flags) & ~hints:
        raise GuestRefusal(EOPNOTSUPP)


def lseek(process: Process, fd: int, offset: int, whence: int) -> int:
    description = process.files.description(u32(fd))
    return description.seek(i64(offset), u32(whence))


HANDLERS: Handlers = {
    each.__name__: each for each in (lseek, pread64, preadv, preadv2, pwrite64, pwritev, pwritev2)
}
