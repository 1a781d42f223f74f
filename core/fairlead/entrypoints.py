"""The entry points of the group `fairlead`, remembered between runs.

Reading them through importlib.metadata looks into every installed distribution, which costs more than the
rest of a start. What was found is kept with the modification times of all folders on sys.path: installing
or removing a distribution changes one of them.
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from fairlead.errors import FairleadError
from fairlead.guest.cache import Cache, digest

__all__ = ["Entry", "entries"]

_KIND = "plugins"


class Entry(NamedTuple):
    """One entry point: a module that offers ports or boards."""

    name: str
    module: str
    distribution: str
    """Name and version of the distribution it comes with."""

    def load(self) -> ModuleType:
        return import_module(self.module)


def entries() -> list[Entry]:
    """Every entry point, by name and then by module."""
    cache = Cache()
    stamp = _stamp()
    key = digest(stamp.encode("utf-8", "surrogateescape"))
    known = cache.load(_KIND, key)
    if known is not None:
        return [Entry(*line.split("\t")) for line in known.decode().splitlines()]
    found = _search()
    try:
        cache.store(_KIND, key, "".join("\t".join(entry) + "\n" for entry in found).encode())
        cache.prune(_KIND, keep=20)
    except FairleadError:
        pass  # without a cache the search is made each time; `doctor` says that there is none
    return found


def _stamp() -> str:
    """Where Python looks for modules, and when each place last changed."""
    lines = [sys.version]
    for place in sys.path:
        try:
            changed = Path(place).stat().st_mtime_ns
        except OSError:
            changed = 0
        lines.append(f"{place} {changed}")
    return "\n".join(lines)


def _search() -> list[Entry]:
    """Look into every distribution; one whose files cannot be read offers nothing."""
    from importlib.metadata import distributions

    found = set()
    seen = set()
    for distribution in distributions():
        try:
            name = distribution.name
            if name and name in seen:  # the first on sys.path is the one that is imported
                continue
            seen.add(name)
            where = f"{name} {distribution.version}"
            for point in distribution.entry_points.select(group="fairlead"):
                found.add(Entry(point.name, point.value, where))
        except Exception:  # importlib.metadata promises nothing about files that are mangled
            continue
    return sorted(found)
