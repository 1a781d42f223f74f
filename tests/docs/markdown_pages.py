"""The pages of the documentation, taken apart: listings, code spans, links and headings."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))

_FENCE = re.compile(
    r"^(?:<!-- file: (?P<file>\S+) -->\n+)?^```(?P<kind>\w*)\n(?P<text>.*?)^```$", re.M | re.S
)
_SPAN = re.compile(r"(?<!`)`([^`\n]+(?:\n[^`\n]+)?)`(?!`)")
_LINK = re.compile(r"\[[^\]\[]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ +(.+?) *$", re.M)


@dataclass(frozen=True, slots=True)
class Listing:
    """A fenced block; `file` is what a `<!-- file: PATH -->` line above it names."""

    page: Path
    line: int
    kind: str
    text: str
    file: str | None

    @property
    def where(self) -> str:
        return f"{self.page.name}:{self.line}"


@cache
def _text(page: Path) -> str:
    return page.read_text("utf-8")


def listings(page: Path) -> list[Listing]:
    text = _text(page)
    return [
        Listing(page, text.count("\n", 0, match.start("text")), match["kind"], match["text"], match["file"])
        for match in _FENCE.finditer(text)
    ]


def prose(page: Path) -> str:
    """A page without its listings."""
    return _FENCE.sub("", _text(page))


def spans(page: Path) -> list[str]:
    """Code spans, each on one line."""
    return [" ".join(each.split()) for each in _SPAN.findall(prose(page))]


def links(page: Path) -> list[str]:
    return _LINK.findall(prose(page))


def headings(page: Path) -> list[str]:
    return _HEADING.findall(prose(page))


def anchors(page: Path) -> set[str]:
    """The fragments that a code host gives a page's headings."""
    found: set[str] = set()
    for heading in headings(page):
        slug = re.sub(r"[^\w\- ]", "", heading.lower().replace("`", "")).replace(" ", "-")
        number = 1
        unique = slug
        while unique in found:
            unique = f"{slug}-{number}"
            number += 1
        found.add(unique)
    return found
