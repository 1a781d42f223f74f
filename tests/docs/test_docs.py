"""What the documentation names is there: hooks, nouns, files, tests, places in Go's runtime, links."""

from __future__ import annotations

import json
import re
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest
from markdown_pages import PAGES, ROOT, anchors, headings, links, listings, prose, spans

from fairlead.guest.toolchain import find_toolchain
from fairlead.hooks import RUNTIME_HOOKS
from fairlead.hookspecs import DiscoverySpec

CONTRACT = ROOT / "docs" / "contract.md"
NOUNS = ("errors", "hookspecs", "machine", "port", "signal", "syscall", "system", "thread", "tracer", "trap")
PROTOCOLS = ("Services", "PortObject", "Machine", "Cpu", "Clock", "Mmu", "Ram", "Firmware")
FOLDERS = ("core", "machines", "ports", "tests", "examples", "docs", "benchmarks")

pages = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def members(name: str, owner: object) -> list[str]:
    """What a class says in its own body."""
    body = vars(owner)
    return [each for each in (*body, *body.get("__annotations__", {})) if not each.startswith("_")]


def public_nouns() -> dict[str, object]:
    modules = [import_module(f"fairlead.{name}") for name in NOUNS]
    return {name: getattr(module, name) for module in modules for name in module.__all__}


def identifiers(page: Path) -> set[str]:
    """Every word that stands in a code span."""
    return {word for span in spans(page) for word in re.findall(r"\w+", span)}


def test_every_hook_has_its_section() -> None:
    hooks = [*members("DiscoverySpec", DiscoverySpec), *RUNTIME_HOOKS]
    assert [each.strip("`") for each in headings(CONTRACT) if each.strip("`") in hooks] == hooks


def test_every_public_noun_is_named() -> None:
    assert set(public_nouns()) - identifiers(CONTRACT) == set()


def test_everything_a_port_is_given_or_asked_is_named() -> None:
    nouns = public_nouns()
    said = {f"{name}.{member}" for name in PROTOCOLS[:2] for member in members(name, nouns[name])}
    named = identifiers(CONTRACT)
    assert {each for each in said if each.partition(".")[2] not in named} == set()


@pages
def test_members_that_are_named_are_there(page: Path) -> None:
    """`Noun.member` in a code span; a member that was renamed is found here."""
    nouns = public_nouns()
    missing = [
        f"{name}.{member}"
        for span in spans(page)
        for name, member in re.findall(r"\b([A-Z]\w+)\.(\w+)", span)
        if name in nouns and not hasattr(nouns[name], member)
        and member not in getattr(nouns[name], "__annotations__", {})
    ]  # fmt: skip
    assert missing == []


@pages
def test_links_lead_somewhere(page: Path) -> None:
    broken = []
    for link in links(page):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, fragment = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (fragment and fragment not in anchors(target)):
            broken.append(link)
    assert broken == []


@pages
def test_files_that_are_named_are_there(page: Path) -> None:
    """`core/…`, with `::test_name` for a test of it."""
    missing = []
    for span in spans(page):
        path, _, test = span.partition("::")
        if not re.fullmatch(r"[\w./-]+", path) or path.split("/")[0] not in FOLDERS or "/" not in path:
            continue
        file = ROOT / path
        if not file.exists() or (test and not re.search(rf"^def {test}\(", file.read_text(), re.M)):
            missing.append(span)
    assert missing == []


@cache
def test_names() -> frozenset[str]:
    sources = [file.read_text("utf-8") for file in sorted((ROOT / "tests").rglob("test_*.py"))]
    return frozenset(name for text in sources for name in re.findall(r"^def (test_\w+)\(", text, re.M))


test_names.__test__ = False  # type: ignore[attr-defined]


@pages
def test_tests_that_are_named_are_there(page: Path) -> None:
    named = {span for span in spans(page) if re.fullmatch(r"test_\w+", span)}
    assert named - test_names() == set()


@pages
def test_places_in_the_runtime_are_there(page: Path) -> None:
    """`runtime/FILE` in GOROOT/src, with `:NAME` for a function of it, in Go or in assembly."""
    goroot = find_toolchain().goroot / "src"
    missing = []
    for span in spans(page):
        match = re.fullmatch(r"((?:runtime|internal|syscall)/[\w/.]+\.(?:go|s))(?::(\w+))?", span)
        if match is None:
            continue
        file, name = goroot / match[1], match[2]
        defines = rf"^func (?:\([^)]*\) )?{name}\b|^TEXT [\w∕]*·{name}[(<]"
        if not file.exists() or (name and not re.search(defines, file.read_text("utf-8"), re.M)):
            missing.append(span)
    assert missing == []


@pages
def test_listings_of_files_are_what_the_files_say(page: Path) -> None:
    """A listing under `<!-- file: PATH -->` stands in that file, line by line."""
    for listing in listings(page):
        if listing.file is not None:
            assert listing.text in (ROOT / listing.file).read_text("utf-8"), listing.where


@pages
def test_every_listing_is_checked(page: Path) -> None:
    """By being a file's, or by its kind: a console's or a shell's; `text` claims nothing."""
    unchecked = [
        listing.where
        for listing in listings(page)
        if listing.file is None and listing.kind not in ("console", "sh", "text")
    ]
    assert unchecked == []


@pages
def test_no_listing_is_left_open(page: Path) -> None:
    assert "```" not in prose(page)


def test_the_readme_fits_a_terminal() -> None:
    lines = (ROOT / "README.md").read_text("utf-8").splitlines()
    long = [line for line in lines if len(line) > 80 and not line.startswith("python3 -m venv")]
    assert long == []


def test_the_readme_claims_what_was_measured() -> None:
    claimed = re.search(r"more than ([\d,]+) in (\d+) packages", prose(ROOT / "README.md").replace("\n", " "))
    assert claimed is not None
    results = json.loads((ROOT / "tests/stdlib/results.json").read_text("utf-8"))
    for port in ("opensbi", "akaros"):
        packages = results["ports"][port].values()
        assert sum(each["passed"] for each in packages) >= int(claimed[1].replace(",", ""))
        assert len(packages) >= int(claimed[2])
