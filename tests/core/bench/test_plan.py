"""Which benchmarks are run, and how often."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.bench.measure import FEW
from fairlead.bench.plan import iterations_for, own_cases
from fairlead.bench.suite import GUEST, SUITE
from fairlead.hooks import RUNTIME_HOOKS


def test_the_suite_is_what_the_guest_has() -> None:
    sources = "".join(file.read_text("utf-8") for file in sorted(GUEST.glob("*_test.go")))
    assert sorted(re.findall(r"^func Benchmark(\w+)\(b \*testing\.B\)", sources, re.MULTILINE)) == sorted(
        SUITE
    )


def test_every_hook_has_benchmarks() -> None:
    assert {about.group for about in SUITE.values()} == {*RUNTIME_HOOKS, "runtime", "workload"}
    assert all(about.iterations > FEW for about in SUITE.values())


def test_a_filter_takes_part_of_the_names() -> None:
    assert [each.name for each in own_cases(re.compile("^GC$|Touch"), None)] == ["PageTouch", "GC"]
    assert {each.iterations for each in own_cases(re.compile(""), 7)} == {7}


@given(st.floats(0, 1e12))
def test_iterations_are_round_and_take_at_most_so_long(nanoseconds: float) -> None:
    n = iterations_for(nanoseconds)
    assert re.fullmatch(r"[125]0*", str(n)) and 10 <= n <= 1_000_000
    assert n == 10 or n * nanoseconds <= 50_000_000


@pytest.mark.parametrize(("nanoseconds", "n"), [(0, 1_000_000), (100, 500_000), (30_000, 1000), (1e9, 10)])
def test_iterations_known(nanoseconds: float, n: int) -> None:
    assert iterations_for(nanoseconds) == n
