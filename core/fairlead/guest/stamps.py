"""Stamps: what the file system says of files, to see without reading them that none has changed."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable

from fairlead.guest.cache import digest

__all__ = ["now", "stamp"]

_SLACK = 100_000_000
"""Nanoseconds, well above the steps that file times advance in (a tick of the kernel's, 10 ms at most)."""


def now() -> int:
    """The time to take before the files are read whose stamp is wanted afterwards."""
    return time.time_ns()


def stamp(paths: Iterable[str], before: int | None = None) -> str | None:
    """Files and folders as they are, or are not there: size, times of change, kind and inode.

    None if one was changed at or after `before` (of `now`), or so shortly before that a change may not show:
    then what was read since may be of another time than the stamp.
    """
    stat = os.stat
    latest = 0
    parts: list[tuple[int, ...] | None] = []
    for path in paths:
        try:
            it = stat(path)
        except (OSError, ValueError):
            parts.append(None)
            continue
        latest = max(latest, it.st_mtime_ns, it.st_ctime_ns)
        parts.append((it.st_mtime_ns, it.st_ctime_ns, it.st_size, it.st_mode, it.st_ino))
    if before is not None and latest > before - _SLACK:
        return None
    return digest(repr(parts).encode())
