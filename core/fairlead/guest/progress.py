"""A sign of life on the terminal while something takes long."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fairlead.guest.gotest import Package

__all__ = ["Progress", "StatusLine", "working"]

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


class Progress:
    """How far tests have come, on standard error: a status line on a terminal, else a line a package."""

    def __init__(self, total: int) -> None:
        self._total = total
        """Packages; 0 if that is not known."""
        self._done = 0
        self._line = StatusLine()
        self._lines = not sys.stderr.isatty()

    def ended(self, package: Package) -> None:
        """One more package has come to its end."""
        self._done += 1
        if self._lines:
            counts = f"{package.passed} passed, {package.failed} failed, {package.skipped} skipped"
            text = f"{self._of()} {package.package}: {package.status}, {counts}, {package.seconds:.1f} s"
            print(text, file=sys.stderr, flush=True)

    def running(self, packages: Iterable[Package]) -> None:
        """Show what is under way, where that can be taken away again."""
        if self._lines:
            return
        now = " ".join(each.package for each in packages if each.status == "running")
        failed = sum(each.failed for each in packages)
        passed = sum(each.passed for each in packages)
        self._line.show(f"{self._of()} packages, {passed} passed, {failed} failed: {now}")

    def _of(self) -> str:
        return f"{self._done}/{self._total}" if self._total else str(self._done)

    def clear(self) -> None:
        """Take the status line away, before something else is written."""
        self._line.clear()
