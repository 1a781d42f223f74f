"""The host's wish to stop: a flag that a signal handler may set, and that blocking waits notice."""

from __future__ import annotations

import os
import select

__all__ = ["Wakeup"]


class Wakeup:
    """A flag with a pipe behind it; `request` is safe in a signal handler and from any thread."""

    __slots__ = ("_reader", "_writer", "requested")

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)
        os.set_blocking(self._writer, False)
        self.requested = False

    def request(self) -> None:
        self.requested = True
        try:
            os.write(self._writer, b"\0")
        except (BlockingIOError, OSError):
            pass  # full: the reader wakes anyway; closed: nobody waits

    def take(self) -> bool:
        """Was a stop requested? Answers True once a request."""
        if not self.requested:
            return False
        self.requested = False
        try:
            os.read(self._reader, 4096)
        except BlockingIOError:
            pass
        return True

    def wait(self, nanoseconds: int | None) -> bool:
        """Sleep; False if a stop was requested, which is thereby taken. None sleeps until then."""
        if not self.take():
            timeout = None if nanoseconds is None else nanoseconds / 1e9
            select.select((self._reader,), (), (), timeout)
            return not self.take()
        return False

    def close(self) -> None:
        os.close(self._reader)
        os.close(self._writer)
