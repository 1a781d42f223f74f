"""Calls that move bytes: read, write and their kin (read(2), write(2), readv(2), pipe(7))."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from errno import EAGAIN, EBADF, EINTR, EINVAL, EPIPE
from typing import TYPE_CHECKING

from fairlead.errors import GuestFault, GuestRefusal
from fairlead.services.description import Description
from fairlead.services.flags import O_NONBLOCK
from fairlead.services.linux.filestructures import IOVEC
from fairlead.services.linux.handler import Handlers
from fairlead.services.linux.structures import u32
from fairlead.services.linux.waiting import INTERRUPTED, wait_ready
from fairlead.signal import Sig, Signal
from fairlead.syscall import Pending, Result, Wake

if TYPE_CHECKING:
    from fairlead.services.linux.process import Process

__all__ = ["CHUNK", "HANDLERS", "MOST", "Ranges", "iovec", "move_all", "opened", "readv", "writev"]

Ranges = Sequence[tuple[int, int]]
"""Guest memory as (address, size)."""

MOST = 0x7FFF_F000  # linux/fs.h, MAX_RW_COUNT
CHUNK = 1 << 20
_LONG = 1 << 20
"""Bytes from which on a transfer counts as work."""
_BYTES_A_NANOSECOND = 8
_PIECES = 512
_IOV_MAX = 1024


def _worked(process: Process, count: int) -> int:
    """A long transfer takes guest time, or nothing would ever interrupt a loop of them; others run next."""
    if count >= _LONG:
        process.services.machine.clock.charge(count // _BYTES_A_NANOSECOND)
        process.services.reschedule()
    return count


def window(process: Process, ranges: Ranges, start: int, limit: int, write: bool) -> list[memoryview]:
    """The next bytes of the ranges, up to `limit` and up to the first that cannot be accessed."""
    buffers: list[memoryview] = []
    get = process.memory.buffers
    for address, size in ranges:
        if start >= size:
            start -= size
            continue
        address += start
        size = min(size - start, limit)
        try:
            buffers += get(address, size, write)
        except GuestFault as fault:
            if fault.address > address:
                buffers += get(address, fault.address - address, write)
            if not buffers:
                raise
            break
        start = 0
        limit -= size
        if not limit or len(buffers) >= _PIECES:
            break
    return buffers[:_PIECES]


def opened(process: Process, fd: int, *, write: bool) -> Description:
    description = process.files.table.get(u32(fd))
    if not (description.writable if write else description.readable):
        raise GuestRefusal(EBADF)
    return description


# -- reading --------------------------------------------------------------------------------------------


def _read(process: Process, description: Description, ranges: Ranges, total: int) -> int | Result | Pending:
    if not description.stream:
        return move_all(process, ranges, total, description.read, into_guest=True)
    if not total:
        return 0
    try:
        count = description.read(window(process, ranges, 0, CHUNK, True))
    except GuestRefusal as refusal:
        if refusal.errno == EINTR:
            return INTERRUPTED
        raise
    if count is not None:
        return _worked(process, count)
    if description.flags & O_NONBLOCK:
        raise GuestRefusal(EAGAIN)

    def resume(wake: Wake) -> Result | Pending:
        if wake is Wake.SIGNAL:
            return INTERRUPTED
        answer = _read(process, description, ranges, total)
        return Result(answer) if isinstance(answer, int) else answer

    return wait_ready(process, description, resume)


def move_all(
    process: Process,
    ranges: Ranges,
    total: int,
    move: Callable[[list[memoryview]], int | None],
    *,
    into_guest: bool,
) -> int:
    """Move everything that can be moved without waiting, chunk by chunk."""
    done = 0
    if not total:
        return move([]) or 0
    while done < total:
        try:
            buffers = window(process, ranges, done, CHUNK, into_guest)
            count = move(buffers)
        except (GuestFault, GuestRefusal, OSError):
            if done:
                break
            raise
        if not count:
            break
        done += count
        if count < sum(map(len, buffers)) or process.services.stop_requested():
            break
    return _worked(process, done)


def read(process: Process, fd: int, address: int, size: int) -> int | Result | Pending:
    description = opened(process, fd, write=False)
    if 0 < size < CHUNK:
        # The usual case without the machinery: one piece of memory, reachable, and something to read.
        try:
            count = description.read(process.memory.buffers(address, size, True))
        except GuestFault:
            count = None
        except GuestRefusal as refusal:
            if refusal.errno == EINTR:
                return INTERRUPTED
            raise
        if count is not None:
            return count
    size = min(size, MOST)
    return _read(process, description, ((address, size),), size)


def readv(process: Process, fd: int, address: int, count: int) -> int | Result | Pending:
    description = opened(process, fd, write=False)
    ranges, total = iovec(process, address, count)
    return _read(process, description, ranges, total)


# -- writing --------------------------------------------------------------------------------------------


class _Write:
    """A write to something that may take the bytes in several goes."""

    __slots__ = ("_description", "_done", "_process", "_ranges", "_total")

    def __init__(self, process: Process, description: Description, ranges: Ranges, total: int) -> None:
        self._process = process
        self._description = description
        self._ranges = ranges
        self._total = total
        self._done = 0

    def go_on(self) -> int | Result | Pending:
        process, description = self._process, self._description
        while self._done < self._total:
            try:
                count = description.write(window(process, self._ranges, self._done, CHUNK, False))
            except (GuestFault, GuestRefusal, OSError) as error:
                return self._failed(error)
            if count is None:
                if description.flags & O_NONBLOCK:
                    if self._done:
                        break
                    raise GuestRefusal(EAGAIN)
                return wait_ready(process, description, self._resume)
            self._done += count
            if process.services.stop_requested():
                break
        return _worked(process, self._done)

    def _failed(self, error: GuestFault | GuestRefusal | OSError) -> int | Result:
        errno = None if isinstance(error, GuestFault) else error.errno
        if errno == EPIPE:
            services = self._process.services
            services.post_signal(services.current, Signal(Sig.SIGPIPE, pid=self._process.pid))
        if self._done:
            return self._done
        if errno == EINTR:
            return INTERRUPTED
        raise error

    def _resume(self, wake: Wake) -> Result | Pending:
        if wake is Wake.SIGNAL:
            return Result(self._done) if self._done else INTERRUPTED
        answer = self.go_on()
        return Result(answer) if isinstance(answer, int) else answer


def _write(process: Process, description: Description, ranges: Ranges, total: int) -> int | Result | Pending:
    if description.stream:
        if not total:
            return 0
        return _Write(process, description, ranges, total).go_on()
    return move_all(process, ranges, total, description.write, into_guest=False)


def write(process: Process, fd: int, address: int, size: int) -> int | Result | Pending:
    description = opened(process, fd, write=True)
    if 0 < size < CHUNK and not description.stream:
        try:
            return description.write(process.memory.buffers(address, size, False)) or 0
        except GuestFault:
            pass
    size = min(size, MOST)
    return _write(process, description, ((address, size),), size)


def writev(process: Process, fd: int, address: int, count: int) -> int | Result | Pending:
    description = opened(process, fd, write=True)
    ranges, total = iovec(process, address, count)
    return _write(process, description, ranges, total)


# -- both -----------------------------------------------------------------------------------------------


def iovec(process: Process, address: int, count: int) -> tuple[Ranges, int]:
    """The ranges of a struct iovec array and their sum, cut at what one call may move."""
    count = u32(count)
    if count > _IOV_MAX:
        raise GuestRefusal(EINVAL)
    ranges: list[tuple[int, int]] = []
    total = 0
    for base, size in IOVEC.iter_unpack(process.memory.read(address, IOVEC.size * count)):
        if size >> 63:
            raise GuestRefusal(EINVAL)
        size = min(size, MOST - total)
        ranges.append((base, size))
        total += size
    return ranges, total


HANDLERS: Handlers = {each.__name__: each for each in (read, readv, write, writev)}
