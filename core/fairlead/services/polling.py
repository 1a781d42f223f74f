"""epoll(7): descriptions that are watched, and which of them became ready."""

from __future__ import annotations

from errno import EEXIST, EINVAL, ELOOP, ENOENT, ENOSPC, EPERM
from typing import TYPE_CHECKING

from fairlead.errors import GuestRefusal
from fairlead.services.description import Description
from fairlead.services.eventfd import anonymous_stat
from fairlead.services.flags import (
    EPOLLERR,
    EPOLLET,
    EPOLLEXCLUSIVE,
    EPOLLHUP,
    EPOLLIN,
    EPOLLONESHOT,
    EPOLLRDNORM,
    EPOLLWAKEUP,
    O_RDWR,
)
from fairlead.services.readiness import Readiness
from fairlead.services.vfs import Stat

if TYPE_CHECKING:
    from fairlead.thread import WaitQueue

__all__ = ["EpollDescription", "WatchLimit"]

_ALWAYS = EPOLLERR | EPOLLHUP
_INPUT = EPOLLET | EPOLLONESHOT | EPOLLWAKEUP | EPOLLEXCLUSIVE


class WatchLimit:
    """How many watches all epoll instances of a guest may hold (max_user_watches)."""

    __slots__ = ("left",)

    def __init__(self, limit: int = 100_000) -> None:
        self.left = limit


class _Watch:
    """One description of an interest list, by the descriptor it was added with."""

    __slots__ = ("data", "description", "events", "fd", "hear", "was_ready")

    def __init__(self, epoll: EpollDescription, fd: int, description: Description) -> None:
        self.fd = fd
        self.description = description
        self.events = 0
        self.data = 0
        self.was_ready = 0
        """What a source that says nothing had ready when last asked."""

        def hear(events: int) -> None:
            epoll.heard(self, events)

        self.hear = hear


class EpollDescription(Description):
    """An epoll instance. Watches that may be ready stand in `_ready`, first come first served.

    An instance may watch others that watch none themselves; deeper nesting is ELOOP.
    """

    __slots__ = ("_inner", "_limit", "_readiness", "_ready", "_silent", "_watches", "sources")

    def __init__(self, flags: int, queue: WaitQueue, limit: WatchLimit) -> None:
        super().__init__(O_RDWR | flags)
        self._limit = limit
        self._watches: dict[tuple[int, Description], _Watch] = {}
        self._ready: dict[_Watch, None] = {}
        self._silent: dict[_Watch, None] = {}
        """Watches of what the host changes without a word."""
        self._inner = 0
        self._readiness = Readiness(queue)
        self.sources = (self._readiness,)

    @property
    def queue(self) -> WaitQueue:
        return self._readiness.queue

    @property
    def waits_for_host(self) -> bool:
        """Is something watched that changes without a word?"""
        return bool(self._silent)

    def stat(self) -> Stat:
        return anonymous_stat(2)

    def path(self) -> bytes:
        return b"anon_inode:[eventpoll]"

    def poll(self) -> int:
        for watch in self._ready:
            if self._current(watch):
                return EPOLLIN | EPOLLRDNORM
        return 0

    def add(self, fd: int, description: Description, events: int, data: int) -> None:
        key = (fd, description)
        if key in self._watches:
            raise GuestRefusal(EEXIST)
        if not description.sources and not description.external:
            raise GuestRefusal(EPERM)
        if isinstance(description, EpollDescription):
            if events & EPOLLEXCLUSIVE:
                raise GuestRefusal(EINVAL)
            if description is self or description._inner or self._readiness.listeners:
                raise GuestRefusal(ELOOP)
        if not self._limit.left:
            raise GuestRefusal(ENOSPC)
        self._limit.left -= 1
        watch = self._watches[key] = _Watch(self, fd, description)
        for source in description.sources:
            source.listeners[watch.hear] = None
        description.watchers[self] = None
        self._inner += isinstance(description, EpollDescription)
        if description.external:
            self._silent[watch] = None
        self._set(watch, events, data)

    def ask_the_host(self, description: Description) -> None:
        """A description is from now on one that changes without a word."""
        for watch in self._watches.values():
            if watch.description is description:
                self._silent[watch] = None
        self._readiness.notify(0)

    def modify(self, fd: int, description: Description, events: int, data: int) -> None:
        watch = self._find(fd, description)
        if events & EPOLLEXCLUSIVE or watch.events & EPOLLEXCLUSIVE:
            raise GuestRefusal(EINVAL)
        self._set(watch, events, data)

    def remove(self, fd: int, description: Description) -> None:
        self._forget(self._find(fd, description))

    def _find(self, fd: int, description: Description) -> _Watch:
        watch = self._watches.get((fd, description))
        if watch is None:
            raise GuestRefusal(ENOENT)
        return watch

    def _set(self, watch: _Watch, events: int, data: int) -> None:
        watch.events = events | _ALWAYS
        watch.data = data
        watch.was_ready = 0
        if self._current(watch):
            self._announce(watch)
        else:
            self._ready.pop(watch, None)

    def _forget(self, watch: _Watch) -> None:
        del self._watches[watch.fd, watch.description]
        self._ready.pop(watch, None)
        self._silent.pop(watch, None)
        for source in watch.description.sources:
            source.listeners.pop(watch.hear, None)
        self._inner -= isinstance(watch.description, EpollDescription)
        self._limit.left += 1

    def forget(self, description: Description) -> None:
        """The description's last descriptor is closed."""
        for watch in [each for each in self._watches.values() if each.description is description]:
            self._forget(watch)

    @staticmethod
    def _current(watch: _Watch) -> int:
        return watch.description.poll() & watch.events & ~_INPUT

    def heard(self, watch: _Watch, events: int) -> None:
        """A source announced a change; a silent one, that it was used (0)."""
        if events & watch.events & ~_INPUT:
            self._announce(watch)
        elif not events:
            watch.was_ready = 0

    def _announce(self, watch: _Watch) -> None:
        if watch not in self._ready:
            self._ready[watch] = None
        self._readiness.notify(EPOLLIN | EPOLLRDNORM)

    def collect(self, limit: int) -> list[tuple[int, int]]:
        """At most `limit` ready watches as (events, data); each is told as often as its mode says."""
        self._ask_the_host()
        found: list[tuple[int, int]] = []
        again: list[_Watch] = []
        ready = self._ready
        while ready and len(found) < limit:
            watch = next(iter(ready))
            del ready[watch]
            events = self._current(watch)
            if not events:
                continue
            found.append((events, watch.data))
            if watch.events & EPOLLONESHOT:
                watch.events &= _INPUT
            elif not watch.events & EPOLLET:
                again.append(watch)
        for watch in again:
            ready[watch] = None
        return found

    def _ask_the_host(self) -> None:
        for watch in self._silent:
            now = self._current(watch)
            if now & ~watch.was_ready and watch not in self._ready:
                self._ready[watch] = None
            watch.was_ready = now

    def release(self) -> None:
        for watch in list(self._watches.values()):
            watch.description.watchers.pop(self, None)
            self._forget(watch)
