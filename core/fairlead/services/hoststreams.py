"""The host's standard streams as open file descriptions.

With the virtual clock a transfer takes no guest time: the machine waits for the host, looking now and then
whether it is asked to stop. With the host's clock a transfer that would wait lets other threads run; so it
does on a terminal, after the host has sent a signal, and when a host has let us wait for too long: what the
guest sees then depends on the host's time anyway, and its other threads have things to do.
"""

from __future__ import annotations

import os
import select
import stat
import termios
from collections.abc import Callable
from errno import EINTR, EINVAL, ESPIPE
from typing import TYPE_CHECKING, BinaryIO

from fairlead.errors import GuestRefusal
from fairlead.services.buffers import clip, scatter
from fairlead.services.description import MAX_OFFSET, Buffers, Description
from fairlead.services.flags import (
    EPOLLERR,
    EPOLLHUP,
    EPOLLIN,
    EPOLLOUT,
    EPOLLRDNORM,
    EPOLLWRNORM,
    PIPE_BUF,
    SEEK_CUR,
    SEEK_END,
    SEEK_SET,
)
from fairlead.services.readiness import Readiness
from fairlead.services.vfs import Stat

if TYPE_CHECKING:
    from fairlead.thread import WaitQueue

__all__ = ["HostStream"]

_STEP = 50
"""Milliseconds of waiting between two looks at whether the host wants to stop."""
_PATIENCE = 20
"""Steps that a host which is only slow is waited for with the whole machine."""
_ALWAYS = EPOLLIN | EPOLLOUT | EPOLLRDNORM | EPOLLWRNORM
_STREAM_DEV = 0xF


class HostStream(Description):
    """A host descriptor, or a binary file object (which is taken to answer at once)."""

    __slots__ = (
        "_fd",
        "_file",
        "_kind",
        "_output",
        "_poll",
        "_readiness",
        "_stopped",
        "_uid",
        "_waits",
        "external",
        "sources",
        "stream",
        "terminal",
    )

    def __init__(
        self,
        flags: int,
        host: int | BinaryIO,
        queue: WaitQueue,
        stopped: Callable[[], bool],
        *,
        waits: bool,
        uid: int = 0,
    ) -> None:
        """`waits`: a transfer that would block lets other threads run instead of waiting here."""
        super().__init__(flags)
        self._stopped = stopped
        self._waits = waits
        self._uid = uid
        self._fd = host if isinstance(host, int) else -1
        self._file = None if isinstance(host, int) else host
        self._kind = stat.S_IFIFO
        self.terminal = False
        if self._fd >= 0:
            self._kind = stat.S_IFMT(os.fstat(self._fd).st_mode)
            self.terminal = self._kind == stat.S_IFCHR and os.isatty(self._fd)
        blocks = self._fd >= 0 and (self.terminal or self._kind in (stat.S_IFIFO, stat.S_IFSOCK))
        self._poll: select.poll | None = select.poll() if blocks else None
        self._output = select.poll() if blocks else None
        if self._poll is not None and self._output is not None:
            self._poll.register(self._fd, select.POLLIN)
            self._output.register(self._fd, select.POLLOUT)
        self.stream = self._kind != stat.S_IFREG
        self.external = blocks and (waits or self.terminal)
        self._readiness = Readiness(queue)
        pollable = blocks or self._file is not None
        self.sources: tuple[Readiness, ...] = (self._readiness,) if pollable else ()

    def stat(self) -> Stat:
        found = Stat(_STREAM_DEV, 3, self._kind | 0o620, 1, self._uid, self._uid)
        if self._fd >= 0:
            host = os.fstat(self._fd)
            found.mode = host.st_mode
            found.rdev = host.st_rdev
            if self._kind == stat.S_IFREG:
                found.size = host.st_size
                found.blocks = host.st_blocks
        return found

    def path(self) -> bytes:
        if self.terminal:
            return b"/dev/pts/0"
        names = {stat.S_IFIFO: b"pipe:[0]", stat.S_IFSOCK: b"socket:[0]", stat.S_IFCHR: b"/dev/null"}
        return names.get(self._kind, b"/dev/stream")

    def read(self, buffers: Buffers) -> int | None:
        if self._file is not None:
            data = self._file.read(sum(map(len, buffers)))
            return scatter(buffers, data or b"")
        if self._poll is not None:
            if self.external:
                self._readiness.notify(0)
            if not self._wait(self._poll):
                return None
        try:
            return os.readv(self._fd, buffers)
        except BlockingIOError:  # the host's descriptor is non-blocking, and somebody else was faster
            return None

    def write(self, buffers: Buffers) -> int | None:
        if self._file is not None:
            done = 0
            for view in buffers:
                self._file.write(view)
                done += len(view)
            self._file.flush()
            return done
        if self._output is None:
            return os.writev(self._fd, buffers)
        if self._stopped():
            raise GuestRefusal(EINTR)
        # Room in a pipe or terminal is room for PIPE_BUF bytes: more might block where Ctrl-C cannot reach.
        size = sum(map(len, buffers))
        done = 0
        while done < size:
            try:
                if not self._wait(self._output):
                    if self.external:
                        self._readiness.notify(0)
                    return done or None
            except GuestRefusal:
                if done:
                    break
                raise
            try:
                done += os.writev(self._fd, clip(buffers, done, PIPE_BUF))
            except BlockingIOError:
                continue
            except OSError:
                if done:
                    break
                raise
        return done

    def _wait(self, poll: select.poll) -> bool:
        """Wait for the host, if that is how this stream waits: False if others are to run meanwhile."""
        for _ in range(_PATIENCE):
            if poll.poll(0 if self.external else _STEP):
                return True
            if self._stopped():
                self._wait_apart()
                raise GuestRefusal(EINTR)
            if self.external:
                return False
        self._wait_apart()
        return False

    def _wait_apart(self) -> None:
        """From now on let other threads run while this stream waits."""
        if not self.external:
            self.external = True
            for epoll in self.watchers:
                epoll.ask_the_host(self)

    def preadv(self, buffers: Buffers, offset: int) -> int:
        self._needs_file()
        return os.preadv(self._fd, buffers, offset)

    def pwritev(self, buffers: Buffers, offset: int) -> int:
        self._needs_file()
        return os.pwritev(self._fd, buffers, offset)

    def _needs_file(self) -> None:
        if self._kind != stat.S_IFREG:
            raise GuestRefusal(ESPIPE)

    def seek(self, offset: int, whence: int) -> int:
        self._needs_file()
        if whence not in (SEEK_SET, SEEK_CUR, SEEK_END) or not -MAX_OFFSET <= offset <= MAX_OFFSET:
            raise GuestRefusal(EINVAL)
        return os.lseek(self._fd, offset, whence)

    def truncate(self, size: int) -> None:
        if self._kind != stat.S_IFREG:
            raise GuestRefusal(EINVAL)
        os.ftruncate(self._fd, size)

    def sync(self) -> None:
        if self._kind != stat.S_IFREG:
            raise GuestRefusal(EINVAL)
        os.fsync(self._fd)

    def available(self) -> int:
        if self._kind == stat.S_IFREG:
            return max(0, os.fstat(self._fd).st_size - os.lseek(self._fd, 0, os.SEEK_CUR))
        raise GuestRefusal(EINVAL)

    def poll(self) -> int:
        """With the virtual clock always ready: the transfer itself waits for the host."""
        if not self.external or self._poll is None or self._output is None:
            return _ALWAYS
        events = 0
        for poll, ready in ((self._poll, EPOLLIN | EPOLLRDNORM), (self._output, EPOLLOUT | EPOLLWRNORM)):
            for _, found in poll.poll(0):
                events |= ready if found & (select.POLLIN | select.POLLOUT) else 0
                events |= EPOLLHUP if found & select.POLLHUP else 0
                events |= EPOLLERR if found & select.POLLERR else 0
        return events

    def terminal_attributes(self) -> tuple[int, int, int, int, bytes] | None:
        """c_iflag, c_oflag, c_cflag, c_lflag and c_cc of the host's terminal; None if it is not one."""
        if not self.terminal:
            return None
        try:
            iflag, oflag, cflag, lflag, _, _, characters = termios.tcgetattr(self._fd)
        except termios.error:
            return None
        cc = bytes(c[0] if isinstance(c, bytes) else c for c in characters)
        return iflag, oflag, cflag, lflag, cc

    def window(self) -> tuple[int, int] | None:
        """Rows and columns of the host's terminal."""
        if not self.terminal:
            return None
        try:
            size = os.get_terminal_size(self._fd)
        except OSError:
            return None
        return size.lines, size.columns

    def reopen(self, flags: int) -> Description:
        host = self._fd if self._file is None else self._file
        queue = self._readiness.queue
        return HostStream(flags, host, queue, self._stopped, waits=self._waits, uid=self._uid)
