"""The `known` lists of an edits.toml: sources, by Go version and content, that edits are good for."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fairlead.errors import PortError

__all__ = ["Pair", "add_known", "entry_text"]


@dataclass(frozen=True, slots=True)
class Pair:
    """A source of this Go version that the port edits, as edits.toml lists it."""

    path: str
    go: str
    sha256: str
    listed: bool


def add_known(edits: Path, pairs: Sequence[Pair]) -> list[str]:
    """Add what is not listed yet to the `known` lists of an edits.toml; the paths that were added to.

    The file's other text stays as it is.
    """
    text = edits.read_text("utf-8")
    changed: list[str] = []
    for pair in pairs:
        if pair.listed:
            continue
        # The list ends at the first "]" after the path: neither versions nor hashes hold one.
        place = re.compile(
            rf'^path = "{re.escape(pair.path)}"[^\[]*^known = (\[[^\]]*?)(?=\s*,?\s*\])', re.MULTILINE
        )
        match = place.search(text)
        if match is None:
            raise PortError(f"{edits}: {pair.path} has no `known = [...]` right after its path")
        comma = "," if match[1].strip() != "[" else ""
        entry = f"{comma} {{ {entry_text(pair)} }}"
        text = text[: match.end()] + entry + text[match.end() :]
        changed.append(pair.path)
    edits.write_text(text, "utf-8")
    return changed


def entry_text(pair: Pair) -> str:
    """What stands between the braces of an entry in `known`."""
    return f'go = "{pair.go}", sha256 = "{pair.sha256}"'
