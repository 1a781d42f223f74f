"""Anchored edits: what a port changes in files of the user's own GOROOT, written in its overlay's edits.toml.

    [[file]]
    path = "src/runtime/sys_linux_riscv64.s"            # in GOROOT
    known = [{ go = "1.27.3", sha256 = "…" }]            # sources that the edits are known good for

    [[file.edit]]
    name = "calls"                                       # unique in its file
    why = "the port's call instead of the kernel's"
    anchor = "\\tECALL\\n"                                 # literal; or with regex = true, see below
    replacement = "\\tFAIRLEAD_CALL\\n"
    matches = 34                                         # how often the anchor must be there; 1 if left out

    [[file]]                                             # no edits: replaced as a whole by files/PATH
    path = "src/runtime/rt0_linux_riscv64.s"
    known = [{ go = "1.27.3", sha256 = "…" }]

    [[file]]
    path = "src/runtime/vdso_linux.go"
    delete = true                                        # as if it were not there
    known = [{ go = "1.27.3", sha256 = "…" }]

Edits of a file apply in the order given, each to what the ones before have left. With `regex = true` the
anchor is a regular expression (re.MULTILINE) and the replacement may refer to groups (`\\1`, `\\g<name>`).
A file in the overlay's folder files/ that GOROOT has too must be listed, so that a Go upgrade that changes it
is noticed; files that GOROOT does not have need no entry.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from fairlead.errors import PortError, ToolError

if TYPE_CHECKING:
    from cattrs import Converter

__all__ = ["Edit", "FileEdits", "Known", "apply_edits", "misfits", "read_edits"]


@dataclass(frozen=True, slots=True)
class Known:
    """A source file, by content, that its edits were tried with, and the Go version it came with."""

    go: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Edit:
    """One change: every match of `anchor` becomes `replacement`."""

    name: str
    why: str
    anchor: str
    replacement: str
    matches: int = 1
    regex: bool = False


@dataclass(frozen=True, slots=True)
class FileEdits:
    """A file of GOROOT that the overlay edits, replaces or deletes."""

    path: str
    known: tuple[Known, ...] = ()
    edit: tuple[Edit, ...] = ()
    delete: bool = False

    def titles(self) -> list[str]:
        """What is at stake when the source file is not one of `known`: its edits, or the file itself."""
        verb = "deletion" if self.delete else "replacement"
        return [f"edit {edit.name!r} of {self.path}" for edit in self.edit] or [f"{verb} of {self.path}"]


@dataclass(frozen=True, slots=True)
class _Document:
    file: tuple[FileEdits, ...] = ()


def read_edits(path: Path) -> tuple[FileEdits, ...]:
    """Read and check an edits.toml; none if there is no such file; PortError says what is wrong in it."""
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        return ()
    except (OSError, UnicodeDecodeError) as error:
        raise PortError(f"{path} cannot be read: {error}") from error
    from cattrs import transform_error
    from cattrs.errors import BaseValidationError

    try:
        files = _converter().structure(tomllib.loads(text), _Document).file
    except tomllib.TOMLDecodeError as error:
        raise PortError(f"{path} is not TOML: {error}") from error
    except BaseValidationError as error:
        raise PortError(f"{path}: {'; '.join(transform_error(error))}") from error
    _check(path, files)
    return files


def _converter() -> Converter:
    """A converter that refuses unknown keys and takes no value for one of another type."""
    from cattrs import Converter

    def exactly(value: object, kind: type) -> object:
        if type(value) is not kind:
            raise TypeError(f"a {kind.__name__} is due, not {value!r}")
        return value

    converter = Converter(forbid_extra_keys=True)
    for kind in (str, int, bool):
        converter.register_structure_hook(kind, exactly)
    return converter


def _check(path: Path, files: tuple[FileEdits, ...]) -> None:
    def wrong(what: str) -> PortError:
        return PortError(f"{path}: {what}")

    seen: set[str] = set()
    for file in files:
        parts = PurePosixPath(file.path).parts
        if not parts or parts[0] != "src" or ".." in parts or str(PurePosixPath(file.path)) != file.path:
            raise wrong(f"path {file.path!r} is not one in GOROOT, such as src/runtime/os_linux.go")
        if file.path in seen:
            raise wrong(f"{file.path} is there twice")
        if file.delete and file.edit:
            raise wrong(f"{file.path} cannot be both edited and deleted")
        seen.add(file.path)
        names = [edit.name for edit in file.edit]
        for edit in file.edit:
            if names.count(edit.name) > 1:
                raise wrong(f"{file.path} has two edits {edit.name!r}")
            if not edit.name or not edit.anchor or edit.matches < 1:
                raise wrong(f"edit {edit.name!r} needs a name, an anchor and at least one match")
            if edit.regex:
                try:
                    re.compile(edit.anchor, re.MULTILINE)
                except re.error as error:
                    raise wrong(
                        f"the anchor of edit {edit.name!r} is no regular expression: {error}"
                    ) from error


def apply_edits(file: FileEdits, text: str, go_version: str) -> str:
    """The file's text with all its edits made; ToolError names the first edit whose anchor does not match."""
    for edit in file.edit:
        text, found = _make(file, edit, text)
        if found != edit.matches:
            raise ToolError(
                f"edit {edit.name!r} does not fit {file.path} of Go {go_version}: "
                f"its anchor is there {found} times, {edit.matches} expected",
                hint="use a Go version that the port is known good for (`fairlead doctor` lists them)",
            )
    return text


def misfits(file: FileEdits, text: str) -> list[tuple[Edit, int]]:
    """Every edit whose anchor does not match as often as it must, and how often it does."""
    wrong: list[tuple[Edit, int]] = []
    for edit in file.edit:
        text, found = _make(file, edit, text)
        if found != edit.matches:
            wrong.append((edit, found))
    return wrong


def _make(file: FileEdits, edit: Edit, text: str) -> tuple[str, int]:
    """The text with one edit made, and how often its anchor was there."""
    try:
        pattern = re.compile(edit.anchor if edit.regex else re.escape(edit.anchor), re.MULTILINE)
        replacement = edit.replacement if edit.regex else edit.replacement.replace("\\", "\\\\")
        return pattern.subn(replacement, text)
    except (re.error, IndexError) as error:
        raise PortError(f"edit {edit.name!r} of {file.path} cannot be made: {error}") from error
