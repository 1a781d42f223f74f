"""eventfd(2): a 64-bit counter that can be waited for."""

from __future__ import annotations

from errno import EINVAL
from typing import TYPE_CHECKING

from fairlead.errors import GuestRefusal
from fairlead.services.buffers import gather, scatter
from fairlead.services.description import Buffers, Description
from fairlead.services.flags import EPOLLIN, EPOLLOUT, EPOLLRDNORM, EPOLLWRNORM, O_RDWR
from fairlead.services.readiness import Readiness
from fairlead.services.vfs import Stat

if TYPE_CHECKING:
    from fairlead.thread import WaitQueue

__all__ = ["EventDescription", "anonymous_stat"]

_MAX = (1 << 64) - 2


def anonymous_stat(ino: int) -> Stat:
    """What fstat shows of things that have no file (anon_inode)."""
    return Stat(0xE, ino, 0o600, 1, 0, 0)


class EventDescription(Description):
    """The counter. A read takes all of it, or one of a semaphore; a write adds, and waits near the top."""

    __slots__ = ("_readiness", "_semaphore", "count", "sources")

    def __init__(self, flags: int, queue: WaitQueue, count: int, *, semaphore: bool) -> None:
        super().__init__(O_RDWR | flags)
        self.count = count
        self._semaphore = semaphore
        self._readiness = Readiness(queue)
        self.sources = (self._readiness,)

    def stat(self) -> Stat:
        return anonymous_stat(1)

    def path(self) -> bytes:
        return b"anon_inode:[eventfd]"

    def read(self, buffers: Buffers) -> int | None:
        if sum(map(len, buffers)) < 8:
            raise GuestRefusal(EINVAL)
        if not self.count:
            return None
        taken = 1 if self._semaphore else self.count
        scatter(buffers, taken.to_bytes(8, "little"))
        self.count -= taken
        self._readiness.notify(self.poll())
        return 8

    def write(self, buffers: Buffers) -> int | None:
        data = gather(buffers, 8)
        if len(data) < 8:
            raise GuestRefusal(EINVAL)
        value = int.from_bytes(data, "little")
        if value > _MAX:
            raise GuestRefusal(EINVAL)
        if self.count + value > _MAX:
            return None
        self.count += value
        self._readiness.notify(self.poll())
        return 8

    def poll(self) -> int:
        events = EPOLLIN | EPOLLRDNORM if self.count else 0
        return events | EPOLLOUT | EPOLLWRNORM if self.count < _MAX else events
