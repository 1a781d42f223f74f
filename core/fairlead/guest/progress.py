"""A sign of life on the terminal while something takes long."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["StatusLine", "working"]

_PATIENCE = 1.0
"""Seconds before anything is shown."""


@contextmanager
def working(text: str) -> Iterator[None]:
    """Show a spinner once the work has taken a second, if standard error is a terminal."""
    if not sys.stderr.isatty():
        yield
        return
    done = threading.Event()

    def spin() -> None:
        if done.wait(_PATIENCE):
            return
        from rich.console import Console

        with Console(stderr=True).status(text):
            done.wait()

    thread = threading.Thread(target=spin, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


class StatusLine:
    """One line on standard error that is rewritten in place; nothing at all where that is no terminal."""

    def __init__(self) -> None:
        self._on = sys.stderr.isatty()
        self._shown = ""

    def show(self, text: str) -> None:
        if self._on and text != self._shown:
            from shutil import get_terminal_size

            width = get_terminal_size().columns - 1
            sys.stderr.write(f"\r\x1b[K{text[:width]}")
            sys.stderr.flush()
            self._shown = text

    def clear(self) -> None:
        """Take the line away, before something else is written to the terminal."""
        if self._shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
            self._shown = ""
