"""The lists that are checked in, beside Go's sources."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fairlead.guest.toolchain import find_toolchain
from fairlead.testing.stdlib.events import top
from fairlead.testing.stdlib.lists import read_lists

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
