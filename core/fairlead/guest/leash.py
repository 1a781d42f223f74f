"""How long a command of the host may run."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import subprocess

__all__ = ["Leash"]

_GRACE = 3.0
"""Seconds that a command and its children get to clean up after an interrupt."""
_LOOK = 0.2
"""Seconds between two looks."""


@dataclass(slots=True)
class Leash:
    """A command runs for `seconds` of host time at most, and until `stop` is set."""

    seconds: float | None = None
    stop: threading.Event | None = None

    @contextmanager
    def holding(self, process: subprocess.Popen[bytes]) -> Iterator[threading.Event]:
        """End a process and its group if it is not done in time; the event says that this was so."""
        late, done = threading.Event(), threading.Event()
        if self.seconds is None and self.stop is None:
            yield late
            return
        watch = threading.Thread(target=self._watch, args=(process.pid, late, done), daemon=True)
        watch.start()
        try:
            yield late
        finally:
            done.set()
            watch.join()

    def _watch(self, group: int, late: threading.Event, done: threading.Event) -> None:
        end = time.monotonic() + self.seconds if self.seconds is not None else None
        while not ((end is not None and time.monotonic() >= end) or (self.stop and self.stop.is_set())):
            if done.wait(_LOOK):
                return
        late.set()
        for number in (signal.SIGINT, signal.SIGKILL):
            try:
                os.killpg(group, number)
            except ProcessLookupError:
                return
            done.wait(_GRACE)
