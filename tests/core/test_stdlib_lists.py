"""The lists that are checked in, beside Go's sources."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from fairlead.guest.toolchain import find_toolchain
from fairlead.testing.stdlib.events import top
from fairlead.testing.stdlib.lists import read_lists
from fairlead.testing.stdlib.page import write_page
from fairlead.testing.stdlib.results import Results
from fairlead.testing.stdlib.session import verdicts

FOLDER = Path(__file__).resolve().parent.parent / "stdlib"
LISTS = read_lists(FOLDER)


def sources(package: str) -> str:
    folder = find_toolchain().goroot / "src" / package
    return "\n".join(path.read_text("utf-8") for path in sorted(folder.glob("*_test.go")))


@pytest.mark.parametrize("package", sorted({each.package for each in (*LISTS.differences, *LISTS.foreign)}))
def test_what_is_listed_is_there(package: str) -> None:
    functions = set(re.findall(r"^func (\w+)\(", sources(package), re.MULTILINE))
    listed = {
        top(test)
        for each in (*LISTS.differences, *LISTS.foreign)
        if each.package == package
        for test in each.tests
    }
    assert listed <= functions


def test_what_skips_itself_says_so() -> None:
    assert LISTS.foreign
    for each in LISTS.foreign:
        assert each.says in sources(each.package)


def test_packages_left_out_are_there() -> None:
    source = find_toolchain().goroot / "src"
    for each in LISTS.exclusions:
        assert each.why
        for package in each.packages:
            assert list((source / package).glob("*_test.go")), package


def test_the_page_says_what_was_measured(tmp_path: Path) -> None:
    page = FOLDER.parent.parent / "docs" / "compatibility.md"
    go = json.loads((FOLDER / "results.json").read_text("utf-8"))["go"]
    results = Results.load(FOLDER / "results.json", go)
    copy = tmp_path / "page.md"
    copy.write_text(page.read_text("utf-8"))
    write_page(copy, results, LISTS, verdicts(results, LISTS))
    assert copy.read_text("utf-8") == page.read_text("utf-8"), "run nox -s stdlib -- --judge"
