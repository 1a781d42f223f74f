"""Fairlead's cache folder: checked documents, atomic files, and locks between processes."""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fairlead.errors import ToolError

__all__ = ["Cache", "digest", "write_atomically"]


def digest(data: bytes) -> str:
    """What content is known by in the cache: 160 bits of BLAKE2b, in hexadecimal."""
    return hashlib.blake2b(data, digest_size=20).hexdigest()


def write_atomically(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Put a file in place in one step: a reader sees all of it or what was there before."""
    import tempfile

    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            os.fchmod(file.fileno(), mode)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _default_root() -> Path:
    named = os.environ.get("FAIRLEAD_CACHE")
    if named:
        return Path(named).absolute()
    from platformdirs import user_cache_path

    return user_cache_path("fairlead", appauthor=False)


class Cache:
    """A folder that may be deleted at any time; FAIRLEAD_CACHE names another than the user's."""

    def __init__(self, root: Path | None = None) -> None:
        self.root = _default_root() if root is None else root

    def folder(self, *names: str) -> Path:
        """A folder inside the cache, made if it is not there; ToolError where that cannot be."""
        path = self.root.joinpath(*names)
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self.refused(error) from error
        return path

    def refused(self, error: OSError) -> ToolError:
        """The error for a cache that cannot be written."""
        return ToolError(
            f"the cache folder {self.root} cannot be used: {error.strerror or error}",
            hint="name another by FAIRLEAD_CACHE",
        )

    def load(self, kind: str, key: str) -> bytes | None:
        """A document stored before; None if it is not there or is not what was stored."""
        try:
            whole = (self.root / kind / key).read_bytes()
        except OSError:
            return None
        check, _, data = whole.partition(b"\n")
        return data if check == digest(data).encode() else None

    def store(self, kind: str, key: str, data: bytes) -> None:
        """Keep a document under a checksum."""
        folder = self.folder(kind)
        try:
            write_atomically(folder / key, digest(data).encode() + b"\n" + data)
        except OSError as error:
            raise self.refused(error) from error

    @contextmanager
    def lock(self, name: str) -> Iterator[None]:
        """Keep other processes from the same work; the lock goes with the process that holds it."""
        path = self.folder("locks") / name
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise self.refused(error) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def prune(self, kind: str, keep: int) -> None:
        """Delete all but the entries of a kind used last (by modification time)."""
        import shutil

        try:
            with os.scandir(self.root / kind) as entries:
                # Dot names are files on their way into place.
                ages = sorted(
                    ((entry.stat().st_mtime_ns, entry.path) for entry in entries if entry.name[0] != "."),
                    reverse=True,
                )
        except OSError:
            return
        for _, path in ages[keep:]:
            entry = Path(path)
            if entry.is_dir():
                shutil.rmtree(entry, ignore_errors=True)
            else:
                entry.unlink(missing_ok=True)
