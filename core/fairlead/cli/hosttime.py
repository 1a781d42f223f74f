"""An end for runs that hang: so much time of the host, whatever the guest's clock says."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["EXIT", "ended_after"]

EXIT = 124
_GRACE = 10.0
"""Seconds that the guest gets to say where it stands, before the process ends without it."""


@contextmanager
def ended_after(nanoseconds: int | None, hint: str) -> Iterator[None]:
    """End the guest that runs inside after so much host time: SIGQUIT first, as go test does, which Go
    answers with its goroutines' stacks; then the whole process, with exit code 124."""
    if nanoseconds is None:
        yield
        return
    done = threading.Event()
    seconds = nanoseconds / 1e9

    def watch() -> None:
        if done.wait(seconds):
            return
        print(
            f"fairlead: the guest took more than {seconds:g} s of host time; {hint}",
            file=sys.stderr,
            flush=True,
        )
        os.kill(os.getpid(), signal.SIGQUIT)
        if not done.wait(_GRACE):
            os._exit(EXIT)

    threading.Thread(target=watch, daemon=True).start()
    try:
        yield
    finally:
        done.set()
