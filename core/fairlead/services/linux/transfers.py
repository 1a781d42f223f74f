"""Calls that move bytes: read, write and their kin (read(2), write(2), readv(2), pipe(7))."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from errno import EAGAIN, EBADF, EINTR, EINVAL, EISDIR, EOPNOTSUPP, EOVERFLOW, EPIPE, ESPIPE
from typing import TYPE_CHECKING

from fairlead.errors import GuestFault, GuestRefusal
from fairlead.services.description import MAX_OFFSET, Description, DirectoryDescription, FileDescription
from fairlead.services.flags import O_APPEND, O_NONBLOCK
from fairlead.services.linux.filestructures import IOVEC
from fairlead.services.linux.handler import Handlers
from fairlead.services.linux.structures import i64, u32
from fairlead.signal import Sig, Signal
from fairlead.syscall import Pending, Result, Wake

if TYPE_CHECKING:
    from fairlead.services.linux.process import Process

__all__ = ["HANDLERS", "INTERRUPTED", "host_deadline"]

Ranges = Sequence[tuple[int, int]]
"""Guest memory as (address, size)."""

INTERRUPTED = Result(errno=EINTR, restart=True)
_MOST = 0x7FFF_F000  # linux/fs.h, MAX_RW_COUNT
_CHUNK = 1 << 20
_LONG = 1 << 20
"""Bytes from which on a transfer counts as work."""
_BYTES_A_NANOSECOND = 8
_PIECES = 512
_IOV_MAX = 1024
_HOST_POLL = 5_000_000
"""Nanoseconds between two looks at a host stream while other threads run."""


def _worked(process: Process, count: int) -> int:
    """A long transfer takes guest time, or nothing would ever interrupt a loop of them; others run next."""
    if count >= _LONG:
        process.services.machine.clock.charge(count // _BYTES_A_NANOSECOND)
        process.services.reschedule()
    return count


def host_deadline(process: Process) -> int:
    """When to look again at what the host changes without a word."""
    return process.services.machine.clock.now() + _HOST_POLL


def _window(process: Process, ranges: Ranges, start: int, limit: int, write: bool) -> list[memoryview]:
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


def _opened(process: Process, fd: int, *, write: bool) -> Description:
    description = process.files.table.get(u32(fd))
    if not (description.writable if write else description.readable):
        raise GuestRefusal(EBADF)
    return description


# -- reading --------------------------------------------------------------------------------------------


def _read(process: Process, description: Description, ranges: Ranges, total: int) -> int | Result | Pending:
    if not description.stream:
        return _all(process, ranges, total, description.read, into_guest=True)
    if not total:
        return 0
    try:
        count = description.read(_window(process, ranges, 0, _CHUNK, True))
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

    return _wait(process, description, resume)


def _wait(process: Process, description: Description, resume: Callable[[Wake], Result | Pending]) -> Pending:
    queues = tuple(source.queue for source in description.sources)
    if description.external:
        return Pending(queues, resume, deadline=host_deadline(process), external=True)
    return Pending(queues, resume)


def _all(
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
            buffers = _window(process, ranges, done, _CHUNK, into_guest)
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
    description = _opened(process, fd, write=False)
    if 0 < size < _CHUNK:
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
    size = min(size, _MOST)
    return _read(process, description, ((address, size),), size)


def readv(process: Process, fd: int, address: int, count: int) -> int | Result | Pending:
    description = _opened(process, fd, write=False)
    ranges, total = _iovec(process, address, count)
    return _read(process, description, ranges, total)


def pread64(process: Process, fd: int, address: int, size: int, offset: int) -> int:
    if 0 < size < _CHUNK and offset < MAX_OFFSET:
        description = _opened(process, fd, write=False)
        try:
            return description.preadv(process.memory.buffers(address, size, True), offset)
        except GuestFault:
            pass
    size = min(size, _MOST)
    return _positioned(process, fd, ((address, size),), size, offset, write=False)


def preadv(process: Process, fd: int, address: int, count: int, offset: int) -> int:
    ranges, total = _iovec(process, address, count)
    return _positioned(process, fd, ranges, total, offset, write=False)


def preadv2(
    process: Process, fd: int, address: int, count: int, offset: int, high: int, flags: int
) -> int | Result | Pending:
    _no_flags(flags)
    if offset == (1 << 64) - 1:
        return readv(process, fd, address, count)
    return preadv(process, fd, address, count, offset)


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
                count = description.write(_window(process, self._ranges, self._done, _CHUNK, False))
            except (GuestFault, GuestRefusal, OSError) as error:
                return self._failed(error)
            if count is None:
                if description.flags & O_NONBLOCK:
                    if self._done:
                        break
                    raise GuestRefusal(EAGAIN)
                return _wait(process, description, self._resume)
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
    return _all(process, ranges, total, description.write, into_guest=False)


def write(process: Process, fd: int, address: int, size: int) -> int | Result | Pending:
    description = _opened(process, fd, write=True)
    if 0 < size < _CHUNK and not description.stream:
        try:
            return description.write(process.memory.buffers(address, size, False)) or 0
        except GuestFault:
            pass
    size = min(size, _MOST)
    return _write(process, description, ((address, size),), size)


def writev(process: Process, fd: int, address: int, count: int) -> int | Result | Pending:
    description = _opened(process, fd, write=True)
    ranges, total = _iovec(process, address, count)
    return _write(process, description, ranges, total)


def pwrite64(process: Process, fd: int, address: int, size: int, offset: int) -> int:
    size = min(size, _MOST)
    return _positioned(process, fd, ((address, size),), size, offset, write=True)


def pwritev(process: Process, fd: int, address: int, count: int, offset: int) -> int:
    ranges, total = _iovec(process, address, count)
    return _positioned(process, fd, ranges, total, offset, write=True)


def pwritev2(
    process: Process, fd: int, address: int, count: int, offset: int, high: int, flags: int
) -> int | Result | Pending:
    _no_flags(flags)
    if offset == (1 << 64) - 1:
        return writev(process, fd, address, count)
    return pwritev(process, fd, address, count, offset)


# -- both -----------------------------------------------------------------------------------------------


def _no_flags(flags: int) -> None:
    hints = 0x1 | 0x2 | 0x4  # RWF_HIPRI, RWF_DSYNC, RWF_SYNC
    if u32(flags) & ~hints:
        raise GuestRefusal(EOPNOTSUPP)


def _iovec(process: Process, address: int, count: int) -> tuple[Ranges, int]:
    """The ranges of a struct iovec array and their sum, cut at what one call may move."""
    count = u32(count)
    if count > _IOV_MAX:
        raise GuestRefusal(EINVAL)
    ranges: list[tuple[int, int]] = []
    total = 0
    for base, size in IOVEC.iter_unpack(process.memory.read(address, IOVEC.size * count)):
        if size >> 63:
            raise GuestRefusal(EINVAL)
        size = min(size, _MOST - total)
        ranges.append((base, size))
        total += size
    return ranges, total


def _positioned(process: Process, fd: int, ranges: Ranges, total: int, offset: int, *, write: bool) -> int:
    description = _opened(process, fd, write=write)
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

    return _all(process, ranges, total, move, into_guest=not write)


def lseek(process: Process, fd: int, offset: int, whence: int) -> int:
    description = process.files.description(u32(fd))
    return description.seek(i64(offset), u32(whence))


def sendfile(process: Process, out: int, source: int, offset_at: int, size: int) -> int | Result | Pending:
    """Copies through host memory, a chunk a call: callers go on with the rest."""
    into = _opened(process, out, write=True)
    description = _opened(process, source, write=False)
    if not isinstance(description, FileDescription) or into.flags & O_APPEND:
        raise GuestRefusal(EINVAL)
    offset = description.offset
    if offset_at:
        offset = i64(process.memory.read_u64(offset_at))
        if offset < 0:
            raise GuestRefusal(EINVAL)
    data = description.pread(offset, min(size, _CHUNK))
    if not data:
        return 0

    def attempt() -> int | Result | Pending:
        try:
            count = into.write((memoryview(data),))
        except GuestRefusal as refusal:
            if refusal.errno == EINTR:
                return INTERRUPTED
            raise
        if count is None:
            if into.flags & O_NONBLOCK:
                raise GuestRefusal(EAGAIN)
            return _wait(process, into, resume)
        if offset_at:
            process.memory.write_u64(offset_at, offset + count)
        else:
            description.offset = offset + count
        return count

    def resume(wake: Wake) -> Result | Pending:
        if wake is Wake.SIGNAL:
            return INTERRUPTED
        answer = attempt()
        return Result(answer) if isinstance(answer, int) else answer

    return attempt()


def copy_file_range(
    process: Process, source: int, source_at: int, out: int, out_at: int, size: int, flags: int
) -> int:
    """Copies at most a chunk a call, as the call may."""
    description = _opened(process, source, write=False)
    into = _opened(process, out, write=True)
    if u32(flags):
        raise GuestRefusal(EINVAL)
    for each in (description, into):
        if isinstance(each, DirectoryDescription):
            raise GuestRefusal(EISDIR)
        if not isinstance(each, FileDescription):
            raise GuestRefusal(EINVAL)
    if into.flags & O_APPEND:
        raise GuestRefusal(EBADF)
    memory = process.memory
    start = i64(memory.read_u64(source_at)) if source_at else description.offset
    end = i64(memory.read_u64(out_at)) if out_at else into.offset
    if start < 0 or end < 0:
        raise GuestRefusal(EINVAL)
    if start + size > MAX_OFFSET or end + size > MAX_OFFSET:
        raise GuestRefusal(EOVERFLOW)
    size = min(size, _CHUNK)
    if description.node is into.node and start < end + size and end < start + size:
        raise GuestRefusal(EINVAL)
    data = description.pread(start, size)
    if not data:
        return 0
    count = into.pwritev((memoryview(data),), end)
    for address, each, position in ((source_at, description, start), (out_at, into, end)):
        if address:
            memory.write_u64(address, position + count)
        else:
            each.offset = position + count
    return count


def splice(
    process: Process, source: int, source_at: int, out: int, out_at: int, size: int, flags: int
) -> int:
    """Never possible here: callers copy instead (splice(2), EINVAL)."""
    _opened(process, source, write=False)
    _opened(process, out, write=True)
    raise GuestRefusal(EINVAL)


HANDLERS: Handlers = {
    each.__name__: each
    for each in (
        copy_file_range,
        lseek,
        pread64,
        preadv,
        preadv2,
        pwrite64,
        pwritev,
        pwritev2,
        read,
        readv,
        sendfile,
        splice,
        write,
        writev,
    )
}
