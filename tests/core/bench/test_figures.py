"""Medians, their intervals and the rank test: against known values, and against counting every choice."""

from __future__ import annotations

from itertools import combinations
from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.bench.figures import ALPHA, Change, change, p_value, summarize

numbers = st.lists(st.integers(0, 6).map(float), min_size=1, max_size=5)
many = st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=30)


def counted(one: list[float], other: list[float]) -> float:
    """The same p by the definition: U by comparing pairs, for every choice."""
    together = one + other

    def distance(chosen: tuple[int, ...]) -> float:
        mine = [together[i] for i in chosen]
        rest = [together[i] for i in range(len(together)) if i not in chosen]
        u = sum((a > b) + 0.5 * (a == b) for a in mine for b in rest)
        return abs(u - len(mine) * len(rest) / 2)

    seen = distance(tuple(range(len(one))))
    choices = list(combinations(range(len(together)), len(one)))
    return sum(distance(each) >= seen - 1e-9 for each in choices) / len(choices)


@given(numbers, numbers)
def test_p_is_what_counting_every_choice_gives(one: list[float], other: list[float]) -> None:
    assert p_value(one, other) == pytest.approx(counted(one, other))


@given(many, many)
def test_p_is_a_probability_and_does_not_care_who_is_first(one: list[float], other: list[float]) -> None:
    p = p_value(one, other)
    assert 0 < p <= 1
    assert p == pytest.approx(p_value(other, one))
    assert p == pytest.approx(p_value([2 * each for each in one], [2 * each for each in other]))


@pytest.mark.parametrize(
    ("one", "other", "p"),
    [
        # Two groups that do not overlap: 2 of all choices. Tables of U have the same at U = 0.
        ([1, 2, 3], [4, 5, 6], 2 / 20),
        ([1, 2, 3, 4], [5, 6, 7, 8], 2 / 70),
        ([1, 2, 3, 4, 5], [6, 7, 8, 9, 10], 2 / 252),
        ([1, 2, 3, 4, 6], [5, 7, 8, 9, 10], 4 / 252),
        ([7, 7, 7], [7, 7], 1.0),
        ([5, 5, 5, 5], [6, 6, 6, 6], 2 / 70),
    ],
)
def test_known_values(one: list[float], other: list[float], p: float) -> None:
    assert p_value(one, other) == pytest.approx(p)


def test_many_samples_are_taken_to_be_normal_and_that_is_close() -> None:
    one = [float(each * 7 % 40) for each in range(20)]
    other = [float(each * 11 % 40) + 5 for each in range(20)]
    exact, near = p_value(one, other), p_value(one, [*other, 22.0])
    assert 0.01 < exact < 0.9
    assert near == pytest.approx(exact, abs=0.05)
    assert p_value([1.0] * 50, [1.0] * 50) == 1
    assert p_value([float(each) for each in range(200)], [float(each) + 500 for each in range(200)]) < 1e-6


@pytest.mark.parametrize(
    ("n", "low", "confidence"),
    [(1, 0, 0.0), (2, 0, 0.5), (5, 0, 0.9375), (6, 0, 0.96875), (8, 0, 0.9921875), (9, 1, 0.9609375),
     (10, 1, 0.978515625), (20, 5, 0.95861053)],
)  # fmt: skip
def test_the_interval_is_the_one_of_tables_of_the_sign_test(n: int, low: int, confidence: float) -> None:
    found = summarize([float(each) for each in range(n)])
    assert (found.low, found.high) == (low, n - 1 - low)
    assert found.confidence == pytest.approx(confidence)


@given(many)
def test_the_median_lies_in_its_interval(samples: list[float]) -> None:
    found = summarize(samples)
    assert min(samples) <= found.low <= found.median <= found.high <= max(samples)
    assert found.spread >= 0


@given(st.integers(2, 60))
def test_no_narrower_interval_would_do(n: int) -> None:
    found = summarize([float(each) for each in range(n)])
    k = int(found.low)

    def confidence(k: int) -> float:
        return 1 - 2 * sum(comb(n, each) for each in range(k + 1)) / 2**n

    assert found.confidence == pytest.approx(confidence(k))
    assert found.confidence >= 0.95 or k == 0
    assert k + 1 >= (n + 1) // 2 or confidence(k + 1) < 0.95


def test_a_difference_is_claimed_only_where_it_is_carried() -> None:
    assert change([1, 2, 3], [10, 11, 12]).claimed is False  # p 0.1: three repetitions never carry one
    assert change([1, 2, 3, 4], [10, 11, 12, 13]).claimed is True
    assert change([1, 20, 3, 18], [2, 19, 4, 17]).text == "~"
    assert change([1, 2, 3, 4], [10, 11, 12, 13]).text == "×4.60"
    assert change([2.0], [2.002], exact=True).text == "×1.001"
    assert change([2.0], [2.0], exact=True).text == "~"
    assert change([2.0, 2.1], [3.0, 3.0], exact=True).claimed is False  # not the same in each run after all
    assert change([0.0], [3.0], exact=True) == Change(None, 0.0, True)
    assert ALPHA == 0.05


def test_nothing_says_nothing() -> None:
    with pytest.raises(ValueError, match="no samples"):
        summarize([])
    with pytest.raises(ValueError, match="no samples"):
        p_value([], [1.0])
