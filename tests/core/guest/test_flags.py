from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.errors import UsageError
from fairlead.guest.flags import join, link_flags, split, take_goflags


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("", []),
        (" \t\n", []),
        ("-a  -b=c", ["-a", "-b=c"]),
        ("'a b' \"c'd\"", ["a b", "c'd"]),
        ("-ldflags='a b'", ["-ldflags='a", "b'"]),  # a quote counts at a field's start only
        ("'-ldflags=-s -w' x", ["-ldflags=-s -w", "x"]),
        ("'a'b", ["a", "b"]),
        ("''", [""]),
    ],
)
def test_split(text: str, fields: list[str]) -> None:
    assert split(text) == fields


@given(st.lists(st.text().filter(lambda field: not ("'" in field and '"' in field))))
def test_join_is_undone_by_split(fields: list[str]) -> None:
    assert split(join(fields)) == fields


def test_what_cannot_be_said() -> None:
    with pytest.raises(UsageError, match="cannot be given"):
        join(["'\""])
    with pytest.raises(UsageError, match="no end"):
        split("a 'b")


@pytest.mark.parametrize(
    ("users", "flags"),
    [
        ([], ["-ldflags=-T=1 -x"]),
        (["-s -w"], ["-ldflags=-T=1 -x", "-ldflags=-T=1 -x -s -w"]),
        ([" -s "], ["-ldflags=-T=1 -x", "-ldflags=-T=1 -x -s"]),
        ([""], ["-ldflags=-T=1 -x", "-ldflags=-T=1 -x"]),
        (["all=-s"], ["-ldflags=-T=1 -x", "-ldflags=all=-T=1 -x -s"]),
        (["-X=a.b=c"], ["-ldflags=-T=1 -x", "-ldflags=-T=1 -x -X=a.b=c"]),
        (["-s", "./a=-w"], ["-ldflags=-T=1 -x", "-ldflags=-T=1 -x -s", "-ldflags=./a=-T=1 -x -w"]),
    ],
)
def test_link_flags(users: list[str], flags: list[str]) -> None:
    assert link_flags(["-T=1", "-x"], users) == flags


def test_link_flags_of_a_port_without() -> None:
    assert link_flags([], ["-s", "all=-w"]) == ["-ldflags=-s", "-ldflags=all=-w"]
    assert link_flags([], []) == []


def test_goflags() -> None:
    environment = {"GOFLAGS": "-tags=a '-ldflags=-s -w' --ldflags=-x", "HOME": "/"}
    assert take_goflags(environment) == (["-s -w", "-x"], {"GOFLAGS": "-tags=a", "HOME": "/"})
    assert take_goflags({"GOFLAGS": "-v"}) == ([], {"GOFLAGS": "-v"})
    assert take_goflags({}) == ([], {})
    with pytest.raises(UsageError, match="-overlay"):
        take_goflags({"GOFLAGS": "-overlay=x.json"})
