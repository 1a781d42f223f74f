"""Pipes and FIFOs (pipe(7)): a bounded buffer with two ends."""

from __future__ import annotations

import stat
from collections.abc import Callable
from errno import EBUSY, EINVAL, ENXIO, EPERM, EPIPE
from typing import TYPE_CHECKING

from fairlead.errors import GuestRefusal
from fairlead.services.description import Buffers, Description
from fairlead.services.flags import (
    EPOLLERR,
    EPOLLHUP,
    EPOLLIN,
    EPOLLOUT,
    EPOLLRDNORM,
    EPOLLWRNORM,
    O_ACCMODE,
    O_NONBLOCK,
    O_RDONLY,
    O_RDWR,
    O_WRONLY,
    PIPE_BUF,
)
from fairlead.services.locks import unlock
from fairlead.services.readiness import Readiness
from fairlead.services.vfs import Node, Stat

if TYPE_CHECKING:
    from fairlead.services.vfs_memory import Fifo
    from fairlead.thread import WaitQueue

__all__ = ["LARGEST", "FifoDescription", "Pipe", "PipeDescription", "PipePool", "make_pipe"]

_DEFAULT = 65536
_SMALLEST = 4096
LARGEST = 1 << 20  # /proc/sys/fs/pipe-max-size


class PipePool:
    """Makes pipes, and bounds what all their buffers together may take (pipe-user-pages-soft)."""

    def __init__(
        self,
        new_queue: Callable[[], WaitQueue],
        realtime: Callable[[], int],
        *,
        uid: int = 0,
        gid: int = 0,
        limit: int = 64 << 20,
    ) -> None:
        self.new_queue = new_queue
        self.realtime = realtime
        self.uid = uid
        self.gid = gid
        self.limit = limit
        self.used = 0
        self._made = 0

    def new(self) -> Pipe:
        self._made += 1
        return Pipe(self, self._made, _DEFAULT if self.used + _DEFAULT <= self.limit else _SMALLEST)


class Pipe:
    """The buffer; `reading` and `writing` announce changes to each end."""

    __slots__ = (
        "_buffer",
        "_pool",
        "capacity",
        "ino",
        "joined",
        "made",
        "readers",
        "reading",
        "writers",
        "writing",
    )

    def __init__(self, pool: PipePool, ino: int, capacity: int) -> None:
        self._pool = pool
        self._buffer = bytearray()
        self.ino = ino
        self.capacity = capacity
        pool.used += capacity
        self.readers = 0
        self.writers = 0
        self.joined = [0, 0]
        """How often a reading and a writing end were opened."""
        self.reading = Readiness(pool.new_queue())
        self.writing = Readiness(pool.new_queue())
        self.made = pool.realtime()

    def __len__(self) -> int:
        return len(self._buffer)

    def read(self, buffers: Buffers) -> int | None:
        """Bytes moved, 0 at the end of what all writers wrote, None while it is empty."""
        buffer = self._buffer
        if not buffer:
            return None if self.writers else 0
        done = 0
        for view in buffers:
            count = min(len(view), len(buffer) - done)
            view[:count] = buffer[done : done + count]
            done += count
            if done == len(buffer):
                break
        if done:
            del buffer[:done]
            self.writing.notify(EPOLLOUT | EPOLLWRNORM if self._has_room() else 0)
        return done

    def write(self, buffers: Buffers) -> int | None:
        """Bytes taken, None while there is no room; at most PIPE_BUF bytes are taken whole or not at all."""
        if not self.readers:
            raise GuestRefusal(EPIPE)
        buffer = self._buffer
        room = self.capacity - len(buffer)
        size = sum(map(len, buffers))
        if not size:
            return 0
        if room <= 0 or room < size <= PIPE_BUF:
            return None
        done = 0
        for view in buffers:
            if done + len(view) > room:
                view = view[: room - done]
            buffer += view
            done += len(view)
            if done == room:
                break
        self.reading.notify(EPOLLIN | EPOLLRDNORM)
        return done

    def _has_room(self) -> bool:
        return self.capacity - len(self._buffer) >= PIPE_BUF

    def read_events(self) -> int:
        events = EPOLLIN | EPOLLRDNORM if self._buffer else 0
        return events if self.writers else events | EPOLLHUP

    def write_events(self) -> int:
        events = EPOLLOUT | EPOLLWRNORM if self._has_room() else 0
        return events if self.readers else events | EPOLLERR

    def resize(self, size: int) -> int:
        """F_SETPIPE_SZ: the capacity set, a power of two of at least a page."""
        if size >= 1 << 31:
            raise GuestRefusal(EINVAL)
        size = max(_SMALLEST, 1 << (size - 1).bit_length()) if size else _SMALLEST
        if size < len(self._buffer):
            raise GuestRefusal(EBUSY)
        total = self._pool.used - self.capacity + size
        if size > self.capacity and (size > LARGEST or total > self._pool.limit):
            raise GuestRefusal(EPERM)
        grown = size > self.capacity
        self._pool.used += size - self.capacity
        self.capacity = size
        if grown and self._has_room():
            self.writing.notify(EPOLLOUT | EPOLLWRNORM)
        return size

    def join(self, *, reader: bool, writer: bool) -> None:
        """An end is opened."""
        self.readers += reader
        self.writers += writer
        self.joined[0] += reader
        self.joined[1] += writer
        # Whoever waits in open(2) of a FIFO for the other end waits in these queues too.
        if reader:
            self.writing.queue.wake()
        if writer:
            self.reading.queue.wake()

    def leave(self, *, reader: bool, writer: bool) -> None:
        """An end is closed."""
        self.readers -= reader
        self.writers -= writer
        if reader and not self.readers:
            self.writing.notify(EPOLLOUT | EPOLLWRNORM | EPOLLERR)
        if writer and not self.writers:
            self.reading.notify(EPOLLIN | EPOLLRDNORM | EPOLLHUP)

    def close(self) -> None:
        """Both ends are gone for good."""
        self._pool.used -= self.capacity
        self.capacity = 0
        self._buffer = bytearray()

    def stat(self) -> Stat:
        pool = self._pool
        return Stat(
            _PIPE_DEV,
            self.ino,
            stat.S_IFIFO | 0o600,
            1,
            pool.uid,
            pool.gid,
            atime=self.made,
            mtime=self.made,
            ctime=self.made,
        )


_PIPE_DEV = 0xD
"""Device number of pipes; any that no mount has."""


class PipeDescription(Description):
    """One end of a pipe, or both (a FIFO opened O_RDWR)."""

    __slots__ = ("pipe", "sources")

    def __init__(self, flags: int, pipe: Pipe) -> None:
        super().__init__(flags)
        self.pipe = pipe
        sources = (pipe.reading,) if self.readable else ()
        self.sources = (*sources, pipe.writing) if self.writable else sources
        pipe.join(reader=self.readable, writer=self.writable)

    def stat(self) -> Stat:
        return self.pipe.stat()

    def path(self) -> bytes:
        return b"pipe:[%d]" % self.pipe.ino

    def read(self, buffers: Buffers) -> int | None:
        return self.pipe.read(buffers)

    def write(self, buffers: Buffers) -> int | None:
        return self.pipe.write(buffers)

    def poll(self) -> int:
        events = self.pipe.read_events() if self.readable else 0
        return events | self.pipe.write_events() if self.writable else events

    def available(self) -> int:
        return len(self.pipe)

    def reopen(self, flags: int) -> Description:
        if flags & O_ACCMODE == O_WRONLY | O_RDWR:
            raise GuestRefusal(EINVAL)
        return PipeDescription(flags, self.pipe)

    def release(self) -> None:
        self.pipe.leave(reader=self.readable, writer=self.writable)
        if not self.pipe.readers and not self.pipe.writers:
            self.pipe.close()


class FifoDescription(PipeDescription):
    """An open FIFO. Opening one end waits for the other (fifo(7)) where `waits_for` says so."""

    __slots__ = ("_fifo",)

    def __init__(self, flags: int, fifo: Fifo, pipe: Pipe) -> None:
        if flags & O_ACCMODE == O_WRONLY and flags & O_NONBLOCK and not pipe.readers:
            fifo.release()
            raise GuestRefusal(ENXIO)
        super().__init__(flags, pipe)
        self._fifo = fifo

    @property
    def node(self) -> Node:
        return self._fifo

    def stat(self) -> Stat:
        return self._fifo.stat()

    def path(self) -> bytes:
        return Description.path(self)

    def waits_for(self) -> Readiness | None:
        """Who tells of the other end, while it is missing."""
        if self.flags & O_NONBLOCK or (self.readable and self.writable):
            return None
        if self.readable:
            return None if self.pipe.writers else self.pipe.reading
        return None if self.pipe.readers else self.pipe.writing

    def meetings(self) -> int:
        """How often the other end was opened: one that has come and gone again ends the wait too."""
        return self.pipe.joined[self.readable]

    def reopen(self, flags: int) -> Description:
        return self._fifo.open(flags)

    def release(self) -> None:
        unlock(self._fifo, self)
        self.pipe.leave(reader=self.readable, writer=self.writable)
        self._fifo.release()


def make_pipe(pool: PipePool, flags: int) -> tuple[PipeDescription, PipeDescription]:
    """The reading and the writing end of a new pipe; `flags` as pipe2(2) has them."""
    pipe = pool.new()
    return PipeDescription(O_RDONLY | flags, pipe), PipeDescription(O_WRONLY | flags, pipe)
