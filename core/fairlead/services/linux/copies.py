"""Copies between descriptors (sendfile(2), copy_file_range(2), splice(2))."""

from __future__ import annotations

from errno import EAGAIN, EBADF, EINTR, EINVAL, EISDIR, EOVERFLOW
from typing import TYPE_CHECKING

from fairlead.errors import GuestRefusal
from fairlead.services.description import MAX_OFFSET, FileDescription
from fairlead.services.directories import DirectoryDescription
from fairlead.services.flags import O_APPEND, O_NONBLOCK
from fairlead.services.linux.handler import Handlers
from fairlead.services.linux.structures import i64, u32
from fairlead.services.linux.transfers import CHUNK, opened
from fairlead.services.linux.waiting import INTERRUPTED, wait_ready
from fairlead.syscall import Pending, Result, Wake

if TYPE_CHECKING:
    from fairlead.services.linux.process import Process

__all__ = ["HANDLERS"]


def sendfile(process: Process, out: int, source: int, offset_at: int, size: int) -> int | Result | Pending:
    """Copies through host memory, a chunk a call: callers go on with the rest."""
    into = opened(process, out, write=True)
    description = opened(process, source, write=False)
    if not isinstance(description, FileDescription) or into.flags & O_APPEND:
        raise GuestRefusal(EINVAL)
    offset = description.offset
    if offset_at:
        offset = i64(process.memory.read_u64(offset_at))
        if offset < 0:
            raise GuestRefusal(EINVAL)
    data = description.pread(offset, min(size, CHUNK))
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
            return wait_ready(process, into, resume)
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
    description = opened(process, source, write=False)
    into = opened(process, out, write=True)
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
    size = min(size, CHUNK)
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
    opened(process, source, write=False)
    opened(process, out, write=True)
    raise GuestRefusal(EINVAL)


HANDLERS: Handlers = {each.__name__: each for each in (copy_file_range, sendfile, splice)}
