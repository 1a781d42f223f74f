"""What runs a guest, as one hash: a result that other versions of it gave is not to be reused."""

from __future__ import annotations

import hashlib
import sys
from importlib.machinery import PathFinder
from importlib.metadata import PackageNotFoundError, entry_points, version
from pathlib import Path

__all__ = ["host_hash"]

_SUFFIXES = (".py", ".so")
_LIBRARIES = ("cattrs", "fdt", "pluggy", "pyelftools", "sortedcontainers", "unicorn")


def host_hash() -> str:
    """Of the sources of fairlead and of every package that brings a plugin, and of what they stand on."""
    packages = {"fairlead"}
    packages.update(
        point.value.partition(":")[0].partition(".")[0] for point in entry_points(group="fairlead")
    )
    hash_ = hashlib.blake2b(sys.version.encode(), digest_size=12)
    for name in _LIBRARIES:
        try:
            hash_.update(f"{name} {version(name)}\n".encode())
        except PackageNotFoundError:
            hash_.update(f"{name}\n".encode())
    for package in sorted(packages):
        for path in _files(package):
            content = path.read_bytes()
            hash_.update(f"{package} {path.name} {len(content)}\n".encode() + content)
    return hash_.hexdigest()


def _files(package: str) -> list[Path]:
    spec = PathFinder.find_spec(package)
    if spec is None:
        return []
    folders = [Path(each) for each in spec.submodule_search_locations or ()]
    if not folders and spec.origin:
        return [Path(spec.origin)]
    return [path for folder in folders for path in sorted(folder.rglob("*")) if path.suffix in _SUFFIXES]
