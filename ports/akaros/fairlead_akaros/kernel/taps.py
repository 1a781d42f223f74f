"""Taps: events for what happens to descriptors (kern/src/fdtap.c): to pipes and to event counters."""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct
from typing import TYPE_CHECKING, Any

from fairlead.errors import GuestFault, GuestRefusal
from fairlead.services.eventfd import EventDescription
from fairlead.services.flags import EPOLLERR, EPOLLHUP, EPOLLIN, EPOLLOUT
from fairlead.services.pipes import PipeDescription
from fairlead.syscall import Result
from fairlead_akaros.abi import UWLIM, Errno, Sys
from fairlead_akaros.kernel.convention import partial
from fairlead_akaros.kernel.errors import REFUSALS
from fairlead_akaros.kernel.events import Message
from fairlead_akaros.layouts import EVENT_QUEUE, FD_TAP_REQ

if TYPE_CHECKING:
    from fairlead.services.description import Description
    from fairlead.services.linux.files import Files
    from fairlead_akaros.kernel.events import Events
    from fairlead_akaros.kernel.kernel import Kernel

__all__ = ["HANDLERS", "Taps"]

_REQUEST = Struct("<iiiiQQ")
assert _REQUEST.size == FD_TAP_REQ.size
_ADD, _REMOVE = 1, 2
_READABLE, _WRITABLE, _ERROR, _PRIORITY, _HANGUP = 1, 2, 0x10, 0x100, 0x200
_FILTERS = {EPOLLIN: _READABLE, EPOLLOUT: _WRITABLE, EPOLLERR: _ERROR, EPOLLHUP: _HANGUP}
_OF_A_PIPE = _READABLE | _WRITABLE | _HANGUP | _ERROR
_OF_AN_EVENT = _OF_A_PIPE | _PRIORITY
_MOST = 1 << 16
"""Requests that one call gets through; it answers how many those were."""


class _Tap:
    """One descriptor's: what is heard of its description, and where events go."""

    __slots__ = ("data", "description", "ev_id", "ev_q", "fd", "filter", "hear")

    def __init__(self, taps: Taps, description: Description, request: tuple[int, ...]) -> None:
        self.fd, _, self.filter, self.ev_id, self.ev_q, self.data = request
        self.description = description
        self.hear: Callable[[int], None] = lambda events: taps.fire(self, events)


class Taps:
    """The process' taps, at most one for a descriptor."""

    def __init__(self, files: Files, events: Events) -> None:
        self._files = files
        self._events = events
        self._taps: dict[int, _Tap] = {}

    def request(self, request: tuple[int, ...]) -> None:
        """handle_tap_req."""
        fd, command = request[:2]
        if command == _ADD:
            self._add(request)
        elif command == _REMOVE:
            if fd < 0:
                raise GuestRefusal(Errno.EBADF)
            if self._current(fd) is None:
                raise REFUSALS["not tapped"](fd)
            self.remove(fd)
        else:
            raise REFUSALS["tap command"](command)

    def remove(self, fd: int) -> None:
        """The descriptor is closed, or nobody wants to hear of it any more."""
        tap = self._taps.pop(fd, None)
        if tap is not None:
            for source in tap.description.sources:
                source.listeners.pop(tap.hear, None)

    def fire(self, tap: _Tap, events: int) -> None:
        """Send an event for what a tap wants of what has happened."""
        if self._current(tap.fd) is not tap:
            return
        happened = sum(ours for theirs, ours in _FILTERS.items() if events & theirs) & tap.filter
        if not happened:
            return
        try:
            message = Message(tap.ev_id & 0xFFFF, ev_arg2=happened, ev_arg3=tap.data)
            self._events.send_event(tap.ev_q, message)
        except (GuestFault, GuestRefusal):
            pass  # a queue that is none: the kernel warns and goes on

    def _current(self, fd: int) -> _Tap | None:
        """A descriptor's tap, unless the descriptor leads elsewhere by now."""
        tap = self._taps.get(fd)
        table = self._files.table
        if tap is not None and (fd not in table or table.get(fd) is not tap.description):
            self.remove(fd)
            return None
        return tap

    def _add(self, request: tuple[int, ...]) -> None:
        fd, _, wanted, _, queue, _ = request
        if fd < 0:
            raise GuestRefusal(Errno.EBADF)
        if queue + EVENT_QUEUE.size > UWLIM:
            raise REFUSALS["queue of a tap"](queue)
        table = self._files.table
        if fd >= table.limit:
            raise GuestRefusal(Errno.ENFILE)
        description = table.get(fd)
        if self._current(fd) is not None:
            raise REFUSALS["tapped"](fd)
        if isinstance(description, PipeDescription):
            if wanted & ~_OF_A_PIPE:
                raise REFUSALS["filter of a pipe"](wanted & 0xFFFF_FFFF, _OF_A_PIPE)
        elif isinstance(description, EventDescription):
            if wanted & ~_OF_AN_EVENT:
                raise REFUSALS["filter of an event"](wanted & 0xFFFF_FFFF, _OF_AN_EVENT)
        else:
            raise REFUSALS["no taps"]("cons" if description.node is None else "tmpfs")
        tap = self._taps[fd] = _Tap(self, description, request)
        for source in description.sources:
            source.listeners[tap.hear] = None


def tap_fds(kernel: Kernel, requests: int, count: int) -> int | Result:
    """How many requests were served; the first that is refused ends it, with errno and words."""
    size = FD_TAP_REQ.size
    if requests + size * count > UWLIM:
        refused = REFUSALS["buffer"](requests, size * count)
        return partial(0, refused.errno, refused.errstr)
    for done in range(min(count, _MOST)):
        try:
            kernel.taps.request(kernel.memory.unpack(_REQUEST, requests + done * size))
        except GuestRefusal as refusal:
            return partial(done, refusal.errno, refusal.errstr)
        except GuestFault:
            return partial(done, Errno.EFAULT)
    return min(count, _MOST)


HANDLERS: dict[int, Callable[..., Any]] = {
    Sys.tap_fds: tap_fds,
}
