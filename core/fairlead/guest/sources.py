"""What a Go build depends on, as `go list` tells it: every file and folder whose change makes it stale."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

__all__ = ["LIST_FIELDS", "build_inputs"]

_STANDARD = ("GoFiles", "SFiles", "HFiles", "EmbedFiles")
# A file that is left out now may be taken in once its build constraint changes.
_OWN = (
    *_STANDARD, "CgoFiles", "CFiles", "CXXFiles", "MFiles", "FFiles", "SwigFiles", "SwigCXXFiles",
    "SysoFiles", "IgnoredGoFiles", "IgnoredOtherFiles",
)  # fmt: skip
LIST_FIELDS = ",".join(("Dir", "ImportPath", "Standard", "Module", "EmbedPatterns", *_OWN))
_MODULE_FILES = ("go.mod", "go.work", "go.sum", "go.work.sum", "vendor/modules.txt")
_NAMED_FILES = "command-line-arguments"
_MOST = 50_000
_MOST_FOLDERS = 2_000


def build_inputs(listing: bytes, settings: Mapping[str, str], cwd: Path, goroot: Path) -> list[str] | None:
    """Paths, sorted, from `go list -deps -json` and `go env -json`; some are not there, and must stay so.

    None where they cannot be told, as for patterns that embed whole trees: then a build is not remembered.
    """
    if settings.get("GO111MODULE") == "off":
        return None
    paths: set[str] = {str(goroot / each) for each in ("VERSION", "go.env", "bin/go")}
    paths.update(str(each) for each in goroot.glob("pkg/tool/*/*") if each.name in ("asm", "compile", "link"))
    paths.update(value for key in ("GOENV", "GOWORK", "GOMOD") if (value := settings.get(key, "")))
    folders = {str(cwd)}
    for package in _documents(listing):
        folder = package.get("Dir", "")
        if not folder:
            continue
        if package.get("ImportPath") != _NAMED_FILES:  # a package by its folder: a new file belongs to it
            paths.add(folder)
        standard = package.get("Standard", False)
        for field in _STANDARD if standard else _OWN:
            paths.update(os.path.join(folder, name) for name in package.get(field, ()))  # noqa: PTH118
        if standard:
            continue
        folders.add(folder)
        if go_mod := (package.get("Module") or {}).get("GoMod"):
            paths.add(go_mod)
        embedded = _embed_folders(folder, package.get("EmbedPatterns", ()))
        if embedded is None:
            return None
        paths.update(embedded)
    for folder in folders:
        # A go.mod, go.work or vendor folder that turns up between here and the root makes another build.
        for each in (Path(folder), *Path(folder).parents):
            paths.update(str(each / name) for name in _MODULE_FILES)
    return sorted(paths) if len(paths) <= _MOST else None


def _documents(listing: bytes) -> Iterator[dict[str, Any]]:
    text = listing.decode("utf-8", "replace")
    decoder = json.JSONDecoder()
    at = 0
    while (at := text.find("{", at)) >= 0:
        document, at = decoder.raw_decode(text, at)
        yield document


def _embed_folders(folder: str, patterns: list[str]) -> set[str] | None:
    """Every folder that a //go:embed pattern may take a new file from."""
    found: set[str] = set()
    for pattern in patterns:
        fixed: list[str] = []
        for part in pattern.removeprefix("all:").split("/"):
            if any(character in part for character in "*?[\\"):
                break
            fixed.append(part)
        for inside, _, _ in os.walk(os.path.join(folder, *fixed)):  # noqa: PTH118
            found.add(inside)
            if len(found) > _MOST_FOLDERS:
                return None
    return found
