"""The descriptor table: small numbers that lead to open file descriptions."""

from __future__ import annotations

from collections.abc import Iterator
from errno import EBADF, EINVAL, EMFILE
from typing import TYPE_CHECKING

from fairlead.errors import GuestRefusal

if TYPE_CHECKING:
    from fairlead.services.description import Description

__all__ = ["FileTable"]


class FileTable:
    """Descriptors of one process. `limit` is RLIMIT_NOFILE's soft value; `hard` its ceiling."""

    def __init__(self, limit: int = 1024, hard: int = 4096) -> None:
        self.limit = limit
        self.hard = hard
        self._open: dict[int, Description] = {}
        self._close_on_exec: set[int] = set()
        self._low = 0
        """No number below is free."""

    def __len__(self) -> int:
        return len(self._open)

    def __contains__(self, fd: int) -> bool:
        return fd in self._open

    def __iter__(self) -> Iterator[int]:
        return iter(sorted(self._open))

    def get(self, fd: int) -> Description:
        """The description a descriptor leads to, or EBADF."""
        try:
            return self._open[fd]
        except KeyError:
            raise GuestRefusal(EBADF) from None

    def add(self, description: Description, *, cloexec: bool = False, lowest: int = 0) -> int:
        """Give a description the lowest free number from `lowest` on."""
        fd = self._lowest(lowest)
        if fd >= self.limit:
            raise GuestRefusal(EINVAL if lowest >= self.limit else EMFILE)
        self._put(fd, description, cloexec)
        return fd

    def duplicate(self, fd: int, *, cloexec: bool = False, lowest: int = 0) -> int:
        """dup(2), F_DUPFD."""
        return self.add(self.get(fd), cloexec=cloexec, lowest=lowest)

    def replace(self, fd: int, new: int, *, cloexec: bool = False) -> int:
        """dup3(2) with unlike numbers: make `new` lead where `fd` does, closing what it was."""
        description = self.get(fd)
        if not 0 <= new < self.limit:
            raise GuestRefusal(EBADF)
        old = self._open.get(new)
        self._put(new, description, cloexec)
        if old is not None:
            self._drop(old)
        return new

    def close(self, fd: int) -> None:
        description = self.get(fd)
        del self._open[fd]
        self._close_on_exec.discard(fd)
        self._low = min(self._low, fd)
        self._drop(description)

    def close_range(self, first: int, last: int) -> None:
        for fd in sorted(fd for fd in self._open if first <= fd <= last):
            self.close(fd)

    def cloexec(self, fd: int) -> bool:
        self.get(fd)
        return fd in self._close_on_exec

    def set_cloexec(self, fd: int, on: bool) -> None:
        self.get(fd)
        if on:
            self._close_on_exec.add(fd)
        else:
            self._close_on_exec.discard(fd)

    def close_all(self) -> None:
        """Let go of everything, as at the process's end."""
        self.close_range(0, 1 << 62)

    def _put(self, fd: int, description: Description, cloexec: bool) -> None:
        description.references += 1
        self._open[fd] = description
        if cloexec:
            self._close_on_exec.add(fd)
        else:
            self._close_on_exec.discard(fd)

    def _lowest(self, lowest: int) -> int:
        taken = self._open
        fd = max(lowest, self._low)
        while fd in taken:
            fd += 1
        if lowest <= self._low:
            self._low = fd
        return fd

    @staticmethod
    def _drop(description: Description) -> None:
        description.references -= 1
        if not description.references:
            for epoll in description.watchers:
                epoll.forget(description)
            description.release()
