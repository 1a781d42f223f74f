"""Calls that wait for readiness: epoll(7), poll(2), select(2)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from errno import EBADF, EINTR, EINVAL, EPERM
from typing import TYPE_CHECKING

from fairlead.errors import GuestRefusal
from fairlead.services.description import Description
from fairlead.services.flags import (
    EPOLLERR,
    EPOLLHUP,
    EPOLLIN,
    EPOLLOUT,
    EPOLLPRI,
    EPOLLRDNORM,
    EPOLLWRNORM,
    O_CLOEXEC,
)
from fairlead.services.linux.filestructures import EPOLL_EVENT, POLLFD
from fairlead.services.linux.handler import Handlers
from fairlead.services.linux.structures import TIMEVAL, i32, read_timespec, timeval_ns, u32
from fairlead.services.linux.waiting import host_deadline
from fairlead.services.polling import EpollDescription
from fairlead.syscall import Pending, Result, Wake

if TYPE_CHECKING:
    from fairlead.services.linux.process import Process
    from fairlead.thread import WaitQueue

__all__ = ["HANDLERS"]

_POLLNVAL = 0x20
_ADD, _DEL, _MOD = 1, 2, 3
_MOST_EVENTS = (1 << 31) // 12
_AT_ONCE = 1024
"""Events told by one call, however large the caller's array."""
_LATEST = (1 << 63) - 1
_INTERRUPTED = Result(errno=EINTR)
"""These calls are never made again by themselves (signal(7))."""
_READ_SET = EPOLLIN | EPOLLRDNORM | EPOLLHUP | EPOLLERR
_WRITE_SET = EPOLLOUT | EPOLLWRNORM | EPOLLERR


class _Wait:
    """A call that looks, waits and looks again, with a time limit and perhaps a signal mask of its own."""

    __slots__ = ("_deadline", "_look", "_old_mask", "_process", "_sources", "_timeout")

    def __init__(
        self,
        process: Process,
        look: Callable[[], int],
        sources: Callable[[], tuple[Sequence[WaitQueue], bool]],
        timeout: int | None,
        mask: int | None,
    ) -> None:
        """`look` answers how much is ready; `sources`, the queues that tell of more and whether the host may
        be silent about some; `timeout` is in nanoseconds."""
        self._process = process
        self._look = look
        self._sources = sources
        self._timeout = timeout
        self._deadline: int | None = None
        self._old_mask: int | None = None
        if mask is not None:
            thread = process.services.current
            self._old_mask = thread.signals.blocked
            process.set_mask(thread, mask)

    def start(self) -> int | Pending:
        try:
            ready = self._look()
        except BaseException:
            self._restore()
            raise
        if ready or self._timeout == 0:
            self._restore()
            return ready
        if self._timeout is not None:
            now = self._process.services.machine.clock.now()
            self._deadline = min(now + self._timeout, _LATEST)
        return self._pending()

    def _pending(self) -> Pending:
        queues, silent = self._sources()
        if not silent:
            return Pending(tuple(queues), self._resume, self._deadline)
        soon = host_deadline(self._process)
        if self._deadline is not None:
            soon = min(soon, self._deadline)
        return Pending(tuple(queues), self._resume, soon, external=True)

    def _resume(self, wake: Wake) -> Result | Pending:
        try:
            ready = self._look()
        except BaseException:
            self._restore()
            raise
        if ready:
            self._restore()
            return Result(ready)
        if wake is Wake.SIGNAL:
            if self._old_mask is not None:
                # The handler runs under the call's mask; the old one comes back after it.
                self._process.thread.saved_mask = self._old_mask
            return _INTERRUPTED
        if self._deadline is not None and self._process.services.machine.clock.now() >= self._deadline:
            self._restore()
            return Result(0)
        return self._pending()

    def _restore(self) -> None:
        if self._old_mask is not None:
            self._process.set_mask(self._process.services.current, self._old_mask)


def _mask_at(process: Process, address: int, size: int) -> int | None:
    if not address:
        return None
    if size != 8:
        raise GuestRefusal(EINVAL)
    return process.memory.read_u64(address)


# -- epoll ----------------------------------------------------------------------------------------------


def epoll_create1(process: Process, flags: int) -> int:
    if u32(flags) & ~O_CLOEXEC:
        raise GuestRefusal(EINVAL)
    files = process.files
    return files.install(files.make_epoll(), cloexec=bool(flags & O_CLOEXEC))


def epoll_create(process: Process, size: int) -> int:
    if i32(size) <= 0:
        raise GuestRefusal(EINVAL)
    return epoll_create1(process, 0)


def _epoll(process: Process, fd: int) -> EpollDescription:
    description = process.files.description(u32(fd))
    if not isinstance(description, EpollDescription):
        raise GuestRefusal(EINVAL)
    return description


def epoll_ctl(process: Process, epfd: int, operation: int, fd: int, event: int) -> int:
    operation, fd = u32(operation), u32(fd)
    events = data = 0
    if operation != _DEL:
        events, data = process.memory.unpack(EPOLL_EVENT[process.arch], event)
    files = process.files
    epoll = files.description(u32(epfd))
    description = files.description(fd)
    if not description.sources:
        raise GuestRefusal(EPERM)
    if description is epoll or not isinstance(epoll, EpollDescription):
        raise GuestRefusal(EINVAL)
    if operation == _ADD:
        epoll.add(fd, description, events, data)
    elif operation == _MOD:
        epoll.modify(fd, description, events, data)
    elif operation == _DEL:
        epoll.remove(fd, description)
    else:
        raise GuestRefusal(EINVAL)
    return 0


def _epoll_wait(
    process: Process, epfd: int, address: int, most: int, timeout: int | None, mask: int | None
) -> int | Pending:
    most = i32(most)
    if not 0 < most <= _MOST_EVENTS:
        raise GuestRefusal(EINVAL)
    epoll = _epoll(process, epfd)
    layout = EPOLL_EVENT[process.arch]
    most = min(most, _AT_ONCE)
    memory = process.memory
    memory.buffers(address, layout.size, True)

    def look() -> int:
        found = epoll.collect(most)
        if found:
            memory.write(address, b"".join([layout.pack(events, data) for events, data in found]))
        return len(found)

    queues = (epoll.queue,)
    return _Wait(process, look, lambda: (queues, epoll.waits_for_host), timeout, mask).start()


def epoll_wait(process: Process, epfd: int, events: int, most: int, timeout: int) -> int | Pending:
    return _epoll_wait(process, epfd, events, most, _milliseconds(timeout), None)


def epoll_pwait(
    process: Process, epfd: int, events: int, most: int, timeout: int, mask: int, size: int
) -> int | Pending:
    limit = _milliseconds(timeout)
    return _epoll_wait(process, epfd, events, most, limit, _mask_at(process, mask, size))


def epoll_pwait2(
    process: Process, epfd: int, events: int, most: int, timeout: int, mask: int, size: int
) -> int | Pending:
    limit = read_timespec(process.memory, timeout) if timeout else None
    return _epoll_wait(process, epfd, events, most, limit, _mask_at(process, mask, size))


def _milliseconds(timeout: int) -> int | None:
    timeout = i32(timeout)
    return None if timeout < 0 else timeout * 1_000_000


# -- poll -----------------------------------------------------------------------------------------------


def _watched(descriptions: Sequence[Description]) -> tuple[Sequence[WaitQueue], bool]:
    queues = [source.queue for each in descriptions for source in each.sources]
    return tuple(dict.fromkeys(queues)), any(_silent(each) for each in descriptions)


def _silent(description: Description) -> bool:
    if isinstance(description, EpollDescription):
        return description.waits_for_host
    return description.external


def _poll(process: Process, address: int, count: int, timeout: int | None, mask: int | None) -> int | Pending:
    count = u32(count)
    table = process.files.table
    if count > table.limit:
        raise GuestRefusal(EINVAL)
    memory = process.memory
    wanted = list(POLLFD.iter_unpack(memory.read(address, POLLFD.size * count)))

    def look() -> int:
        ready = 0
        out: list[bytes] = []
        for fd, events, _ in wanted:
            found = 0
            if fd >= 0:
                found = _events(process, fd) & ((events & 0xFFFF) | EPOLLERR | EPOLLHUP | _POLLNVAL)
            ready += found != 0
            out.append(POLLFD.pack(fd, events, found))
        memory.write(address, b"".join(out))
        return ready

    def sources() -> tuple[Sequence[WaitQueue], bool]:
        return _watched([table.get(fd) for fd, _, _ in wanted if fd in table])

    return _Wait(process, look, sources, timeout, mask).start()


def _events(process: Process, fd: int) -> int:
    try:
        return process.files.description(fd).poll()
    except GuestRefusal:
        return _POLLNVAL


def poll(process: Process, address: int, count: int, timeout: int) -> int | Pending:
    return _poll(process, address, count, _milliseconds(timeout), None)


def ppoll(process: Process, address: int, count: int, timeout: int, mask: int, size: int) -> int | Pending:
    limit = read_timespec(process.memory, timeout) if timeout else None
    return _poll(process, address, count, limit, _mask_at(process, mask, size))


# -- select ---------------------------------------------------------------------------------------------


def _select(
    process: Process, count: int, sets: Sequence[int], timeout: int | None, mask: int | None
) -> int | Pending:
    count = i32(count)
    if count < 0:
        raise GuestRefusal(EINVAL)
    count = min(count, process.files.table.limit)
    size = -(-count // 64) * 8
    memory = process.memory
    wanted = [int.from_bytes(memory.read(at, size), "little") if at else 0 for at in sets]
    wanted = [bits & ((1 << count) - 1) for bits in wanted]
    named = [fd for fd in range(count) if any(bits >> fd & 1 for bits in wanted)]
    descriptions = {fd: process.files.description(fd) for fd in named}

    def look() -> int:
        found = [0, 0, 0]
        for fd in named:
            if fd not in process.files.table:
                raise GuestRefusal(EBADF)
            events = descriptions[fd].poll()
            for index, kind in enumerate((_READ_SET, _WRITE_SET, EPOLLPRI)):
                if wanted[index] >> fd & 1 and events & kind:
                    found[index] |= 1 << fd
        ready = sum(bits.bit_count() for bits in found)
        for at, bits in zip(sets, found, strict=True):
            if at:
                memory.write(at, bits.to_bytes(size, "little"))
        return ready

    every = list(descriptions.values())
    return _Wait(process, look, lambda: _watched(every), timeout, mask).start()


def select(process: Process, count: int, read: int, write: int, other: int, timeout: int) -> int | Pending:
    limit = None
    if timeout:
        limit = timeval_ns(*TIMEVAL.unpack(process.memory.read(timeout, TIMEVAL.size)))
    return _select(process, count, (read, write, other), limit, None)


def pselect6(
    process: Process, count: int, read: int, write: int, other: int, timeout: int, mask: int
) -> int | Pending:
    limit = read_timespec(process.memory, timeout) if timeout else None
    own: int | None = None
    if mask:
        pair = process.memory.read(mask, 16)
        address, size = int.from_bytes(pair[:8], "little"), int.from_bytes(pair[8:], "little")
        own = _mask_at(process, address, size)
    return _select(process, count, (read, write, other), limit, own)


HANDLERS: Handlers = {
    each.__name__: each
    for each in (
        epoll_create,
        epoll_create1,
        epoll_ctl,
        epoll_pwait,
        epoll_pwait2,
        epoll_wait,
        poll,
        ppoll,
        pselect6,
        select,
    )
}
