"""A port's overlay, applied to the user's own GOROOT: what `go build -overlay` is given."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fairlead.errors import PortError, ToolError
from fairlead.guest.cache import Cache, digest
from fairlead.guest.stamps import now, stamp
from fairlead.guest.toolchain import Toolchain
from fairlead.port import Port

if TYPE_CHECKING:
    from fairlead.guest.edits import FileEdits

__all__ = ["Overlay", "known_versions", "make_overlay", "untested"]

_FORMAT = 1
_KIND = "overlays"
_STAMPS = "overlay-stamps"
_KEPT = 64
_CHECK = "check.json"


@dataclass(frozen=True, slots=True)
class Overlay:
    """An overlay that is ready; its key changes with anything that goes into a build through it."""

    key: str
    path: Path | None
    """The file for -overlay; None for a port that runs what the stock toolchain builds."""

    def flags(self) -> list[str]:
        return [] if self.path is None else [f"-overlay={self.path}"]


def make_overlay(port: Port, toolchain: Toolchain, cache: Cache, *, allow_untested: bool = False) -> Overlay:
    """The overlay for a port and a toolchain, from the cache where nothing has changed.

    ToolError names the edit that does not fit, or that was never tried with this Go; PortError says what is
    wrong with the overlay itself.
    """
    source = port.guest.overlay
    if source is None:
        return Overlay("stock", None)
    name = digest(f"{_FORMAT} {port.name} {source.absolute()} {toolchain.goroot}".encode())
    key = _unchanged(name, source, toolchain, cache, allow_untested)
    if key is None or not _sound(cache.root / _KIND / key):
        with cache.lock(f"overlay-{name[:2]}"):
            key = _make(name, source, toolchain, cache, allow_untested)
    return Overlay(key, cache.root / _KIND / key / "overlay.json")


def known_versions(port: Port) -> list[str]:
    """Go versions that every edit of a port is known good for; PortError if the overlay cannot be read."""
    from fairlead.guest.edits import read_edits

    source = port.guest.overlay
    files = read_edits(source / "edits.toml") if source is not None else ()
    sets = [{known.go for known in file.known} for file in files]
    return sorted(set.intersection(*sets)) if sets else []


def untested(port: Port, toolchain: Toolchain) -> list[str]:
    """Those of a port's edits that were never tried with this Go's sources; ToolError if one does not fit."""
    source = port.guest.overlay
    if source is None:
        return []
    return _Plan(source, toolchain).untested


def _own_files(source: Path) -> list[str]:
    """Every path of the overlay's folder, folders too: a file that is added changes its folder."""
    found = [str(source)]
    for folder, folders, files in os.walk(source):
        folders[:] = sorted(each for each in folders if each != "__pycache__")
        found += [os.path.join(folder, each) for each in sorted([*folders, *files])]  # noqa: PTH118
    return found


def _unchanged(
    name: str, source: Path, toolchain: Toolchain, cache: Cache, allow_untested: bool
) -> str | None:
    stored = cache.load(_STAMPS, name)
    if stored is None:
        return None
    document = json.loads(stored)
    if document["untested"] and not allow_untested:
        return None
    paths = [*_own_files(source), *document["goroot"]]
    if document["go"] != toolchain.version or document["stamp"] != stamp(paths):
        return None
    key: str = document["key"]
    return key


def _sound(folder: Path) -> bool:
    """Is every file of a made overlay there as it was written?"""
    try:
        expected = json.loads((folder / _CHECK).read_bytes())
        return bool(expected) and all(
            digest((folder / name).read_bytes()) == check for name, check in expected.items()
        )
    except (OSError, ValueError, AttributeError):
        return False


def _make(name: str, source: Path, toolchain: Toolchain, cache: Cache, allow_untested: bool) -> str:
    before = now()
    plan = _Plan(source, toolchain)
    if plan.untested and not allow_untested:
        raise _refusal(plan.untested, toolchain)
    key = digest(json.dumps([_FORMAT, toolchain.version, str(toolchain.goroot), plan.identity]).encode())
    folder = cache.folder(_KIND) / key
    try:
        if not _sound(folder):
            _write(folder, plan)
        os.utime(folder)
    except OSError as error:
        raise cache.refused(error) from error
    cache.prune(_KIND, _KEPT)
    goroot = [str(toolchain.goroot / path) for path in plan.sources] + [str(toolchain.goroot / "VERSION")]
    taken = stamp([*_own_files(source), *goroot], before)
    if taken is not None:
        document = {
            "go": toolchain.version,
            "goroot": goroot,
            "stamp": taken,
            "key": key,
            "untested": plan.untested,
        }
        cache.store(_STAMPS, name, json.dumps(document).encode())
    return key


def _refusal(titles: list[str], toolchain: Toolchain) -> ToolError:
    more = f" (and {len(titles) - 1} more)" if len(titles) > 1 else ""
    return ToolError(
        f"the port's {titles[0]}{more} fits Go {toolchain.version}, but was never tried with it",
        hint="--allow-untested-go tries it",
    )


class _Plan:
    """What an overlay makes of GOROOT: files replaced by path, and files edited by text."""

    def __init__(self, source: Path, toolchain: Toolchain) -> None:
        self._goroot = toolchain.goroot
        self.edited: dict[str, bytes] = {}
        self.replaced = _mirrored(source / "files")
        self.deleted: list[str] = []
        self.untested: list[str] = []
        self.sources: list[str] = []
        """Paths in GOROOT that this was made from, or that must not be there."""
        from fairlead.guest.edits import read_edits

        edits = read_edits(source / "edits.toml")
        inputs: dict[str, str] = {}
        for file in edits:
            inputs[file.path] = self._apply(file, toolchain.version)
        listed = {file.path for file in edits}
        for path in self.replaced:
            if path not in listed:
                self.sources.append(path)
                if (self._goroot / path).exists():
                    raise PortError(
                        f"the overlay replaces {path} of Go {toolchain.version}, and {source / 'edits.toml'} "
                        "does not list it",
                        hint="list it with the sources that it is known good for",
                    )
        self.identity: list[Mapping[str, str]] = [
            inputs,
            {path: digest(data) for path, data in self.edited.items()},
            {str(file): digest(_read(file)) for file in self.replaced.values()},
        ]

    def replacements(self, folder: Path) -> dict[str, str]:
        """The overlay's entries, once the edited files are in `folder`."""
        table = {path: str(file) for path, file in self.replaced.items()}
        table.update((path, str(folder / path)) for path in self.edited)
        table.update((path, "") for path in self.deleted)
        return {str(self._goroot / path): table[path] for path in sorted(table)}

    def _apply(self, file: FileEdits, version: str) -> str:
        """Take a file's edits in; the SHA-256 of its source."""
        from fairlead.guest.edits import apply_edits

        self.sources.append(file.path)
        try:
            data = (self._goroot / file.path).read_bytes()
            text = data.decode("utf-8")
        except (OSError, UnicodeDecodeError):
            raise ToolError(
                f"the port's {file.titles()[0]} does not fit Go {version}, which has no such file",
                hint="use a Go version that the port is known good for (`fairlead doctor` lists them)",
            ) from None
        if file.edit:
            if file.path in self.replaced:
                raise PortError(f"the overlay both edits and replaces {file.path}")
            self.edited[file.path] = apply_edits(file, text, version).encode("utf-8")
        elif file.delete:
            self.deleted.append(file.path)
        elif file.path not in self.replaced:
            raise PortError(f"the overlay lists {file.path}, and has neither an edit nor a file for it")
        sha256 = hashlib.sha256(data).hexdigest()
        if all(known.sha256 != sha256 for known in file.known):
            self.untested += file.titles()
        return sha256


def _mirrored(folder: Path) -> dict[str, Path]:
    return {
        path.relative_to(folder).as_posix(): path.absolute()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise PortError(f"{path} of the overlay cannot be read: {error.strerror}") from error


def _write(folder: Path, plan: _Plan) -> None:
    """Put a made overlay in place in one step."""
    import shutil
    import tempfile

    work = Path(tempfile.mkdtemp(prefix=".overlay-", dir=folder.parent))
    try:
        check: dict[str, str] = {}
        contents = dict(plan.edited)
        contents["overlay.json"] = json.dumps({"Replace": plan.replacements(folder)}, indent=1).encode()
        for name, data in contents.items():
            (work / name).parent.mkdir(parents=True, exist_ok=True)
            (work / name).write_bytes(data)
            check[name] = digest(data)
        (work / _CHECK).write_text(json.dumps(check))
        if folder.exists():  # corrupt, or it would not be made again
            shutil.rmtree(folder)
        work.rename(folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)
