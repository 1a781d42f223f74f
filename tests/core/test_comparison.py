"""What is said to differ between runs of one program."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from fairlead.observe.comparison import Column, Comparison, compare


def column(port: str, output: str = "", code: int = 0, calls: Mapping[str, int] | None = None) -> Column:
    digest = hashlib.sha256(output.encode()).hexdigest()
    return Column(
        port,
        "ended",
        exit_code=code,
        output=output,
        output_sha256=digest,
        clock="blocks",
        system_calls=calls or {},
    )


def failed(port: str, state: str = "hung") -> Column:
    return Column(port, state, why="it did")


def groups(comparison: Comparison) -> list[list[str]]:
    return [each.ports for each in comparison.outputs]


def test_all_the_same() -> None:
    found = compare([column(port, "one\n", 3) for port in ("a", "b", "c")])
    assert found.agree
    assert groups(found) == [["a", "b", "c"]]
    assert (found.exit_codes, found.odd, found.calls_of_some) == ({3: ["a", "b", "c"]}, [], [])
    assert json.loads(json.dumps(found.document()))["columns"][0]["port"] == "a"


def test_one_alone_agrees_with_itself_and_none_does_not() -> None:
    assert compare([column("a")]).agree
    assert not compare([failed("a")]).agree


def test_the_odd_one_is_held_against_the_others_even_if_it_comes_first() -> None:
    found = compare([column("a", "x\n2\n"), column("b", "x\ny\n"), column("c", "x\ny\n")])
    assert not found.agree
    assert groups(found) == [["b", "c"], ["a"]]
    assert found.odd == ["a"]
    other = found.outputs[1]
    assert (other.line, other.text, other.reference) == (2, "2", "y")


def test_an_exit_code_makes_one_odd_too() -> None:
    found = compare([column("a"), column("b", code=1), column("c")])
    assert (found.agree, found.odd, found.exit_codes) == (False, ["b"], {0: ["a", "c"], 1: ["b"]})


def test_two_against_two_have_no_odd_one() -> None:
    found = compare([column("a", "1"), column("b", "2"), column("c", "1"), column("d", "2")])
    assert (found.agree, found.odd, groups(found)) == (False, [], [["a", "c"], ["b", "d"]])


def test_one_that_did_not_run_is_odd_and_not_held_against_the_others() -> None:
    found = compare([column("a", "x"), failed("b"), column("c", "x")])
    assert not found.agree
    assert found.odd == ["b"]
    assert groups(found) == [["a", "c"]]


def test_a_run_that_was_stopped_has_an_output_but_no_counts() -> None:
    stopped = column("b", "x", 124)
    stopped.state = "stopped"
    found = compare([column("a", "x", 124, {"read": 1}), stopped])
    assert found.agree
    assert found.calls_of_some == []


def test_calls_that_only_some_make() -> None:
    found = compare(
        [
            column("a", calls={"read": 1, "write": 2, "poll": 1}),
            column("b", calls={"read": 9, "poll": 1}),
            column("c", calls={"read": 1, "open": 1}),
        ]
    )
    assert found.calls_of_some == [(["a"], ["write"]), (["c"], ["open"]), (["a", "b"], ["poll"])]


def test_clocks_of_unlike_kinds() -> None:
    other = column("b")
    other.clock = "instructions"
    assert compare([column("a"), other]).clocks == {"blocks": ["a"], "instructions": ["b"]}


def test_an_output_that_ends_before_the_others() -> None:
    other = compare([column("a", "1\n2\n"), column("b", "1\n2\n"), column("c", "1\n")]).outputs[1]
    assert (other.line, other.text, other.reference) == (2, "", "2")
    other = compare([column("a", "1\n2"), column("b", "1\n2"), column("c", "1")]).outputs[1]
    assert (other.line, other.text, other.reference) == (2, None, "2")


def test_long_lines_are_cut_to_where_they_differ() -> None:
    other = compare([column("a", "x" * 5000 + "1" + "y" * 5000), column("b", "x" * 5000 + "2")]).outputs[1]
    assert other.line == 1
    assert other.text == "…" + "x" * 20 + "2"
    assert other.reference is not None
    assert other.reference.startswith("…" + "x" * 20 + "1y")
    assert other.reference.endswith("…")
    assert len(other.reference) < 250


def test_a_difference_beyond_what_was_kept() -> None:
    one, other = column("a", "x"), column("b", "x")
    other.output_sha256 = "another"
    found = compare([one, other])
    assert not found.agree
    assert (found.outputs[1].line, found.outputs[1].text) == (0, None)


lines = st.text(st.sampled_from("ab\n"), max_size=30)


@given(lines, lines)
def test_the_line_that_is_named_is_the_first_that_differs(one: str, other: str) -> None:
    found = compare([column("a", one), column("b", other)])
    assert found.agree == (one == other)
    if one != other:
        at = found.outputs[1].line - 1
        mine, theirs = other.split("\n"), one.split("\n")
        assert mine[:at] == theirs[:at]
        assert mine[at : at + 1] != theirs[at : at + 1]
        assert found.outputs[1].text == (mine[at] if at < len(mine) else None)
