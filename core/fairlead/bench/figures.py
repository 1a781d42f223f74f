"""What a handful of measurements says: a median, how far it is to be trusted, and whether two differ.

Nothing is assumed of how measurements are distributed: medians, order statistics and ranks only.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from math import comb, sqrt
from statistics import NormalDist, median

__all__ = ["ALPHA", "Change", "Summary", "change", "p_value", "ratio_text", "summarize"]

ALPHA = 0.05
"""The chance of claiming a difference where there is none, for one comparison."""
_SURE = 0.95
_MOST_PAIRS = 400
"""Beyond so many pairs of samples counting every choice takes long, and the normal distribution is close."""


@dataclass(frozen=True, slots=True)
class Summary:
    """The median, and an interval that holds the true one with this confidence."""

    count: int
    median: float
    low: float
    high: float
    confidence: float

    @property
    def spread(self) -> float:
        """Half the interval's width as a part of the median; 0 where that is not above zero."""
        return (self.high - self.low) / 2 / self.median if self.median > 0 else 0.0


def summarize(samples: Sequence[float]) -> Summary:
    """The narrowest interval of order statistics that has 95 % confidence, or all there is with what it has.

    The true median lies outside the k-th smallest to k-th greatest of n samples if fewer than k of them lie
    on one side of it: a binomial distribution, whatever the samples' own (five samples give 93.75 %).
    """
    if not samples:
        raise ValueError("no samples")
    ordered = sorted(samples)
    n = len(ordered)
    outside = 2.0 / 2**n
    best, confidence = 0, max(0.0, 1 - outside)
    for k in range(1, (n + 1) // 2):
        outside += 2 * comb(n, k) / 2**n
        if 1 - outside < _SURE:
            break
        best, confidence = k, 1 - outside
    return Summary(n, median(ordered), ordered[best], ordered[n - 1 - best], confidence)


def p_value(one: Sequence[float], other: Sequence[float]) -> float:
    """The two-sided p of the Wilcoxon-Mann-Whitney rank sum test, with ties as they are.

    Given the ranks that the samples have together, every choice of which of them are `one`'s is as likely if
    both come from the same distribution: the part of all choices whose rank sum is as far from the expected
    one as the one seen. Of many samples the rank sum is taken to be normal, with the variance it has.
    """
    if not one or not other:
        raise ValueError("no samples")
    together = sorted([*one, *other])
    ranks = [_doubled_rank(together, value) for value in together]
    seen = sum(_doubled_rank(together, value) for value in one)
    expected = len(one) * (len(together) + 1)
    far = abs(seen - expected)
    if len(one) * len(other) > _MOST_PAIRS:
        return _normal(ranks, len(one), len(other), far)
    # ways[k][s]: choices of k samples with doubled rank sum s
    ways: list[dict[int, int]] = [{} for _ in range(len(one) + 1)]
    ways[0][0] = 1
    for rank in ranks:
        for chosen in range(len(one), 0, -1):
            for total, count in ways[chosen - 1].items():
                ways[chosen][total + rank] = ways[chosen].get(total + rank, 0) + count
    extreme = sum(count for total, count in ways[-1].items() if abs(total - expected) >= far)
    return extreme / comb(len(together), len(one))


def _normal(ranks: Sequence[int], one: int, other: int, far: int) -> float:
    """The normal approximation; a half, of the doubled sum a whole, is taken off for continuity."""
    mean = (len(ranks) + 1) * 1.0
    deviations = sum((rank - mean) ** 2 for rank in ranks)
    if deviations == 0:
        return 1.0
    variance = one * other * deviations / (len(ranks) * (len(ranks) - 1))
    return min(1.0, 2 * NormalDist().cdf(-max(0.0, far - 1) / sqrt(variance)))


def _doubled_rank(together: Sequence[float], value: float) -> int:
    """Twice the mean rank of a value among the sorted samples; whole, however many tie."""
    return bisect_left(together, value) + 1 + bisect_right(together, value)


def ratio_text(ratio: float) -> str:
    """ "×1.25"; more digits where it is next to one."""
    digits = 3 if 0.995 <= ratio < 1.005 else 2 if ratio < 9.995 else 0
    return f"×{ratio:.{digits}f}"


@dataclass(frozen=True, slots=True)
class Change:
    """Samples beside those of a baseline."""

    ratio: float | None
    """Of the medians; None where the baseline's is not above zero."""
    p: float
    claimed: bool
    """Do the samples carry the claim that there is a difference?"""

    @property
    def text(self) -> str:
        """ "×1.25", or "~" where no difference is claimed."""
        if not self.claimed or self.ratio is None:
            return "~"
        return ratio_text(self.ratio)


def change(baseline: Sequence[float], samples: Sequence[float], *, exact: bool = False) -> Change:
    """Compare samples with a baseline's; `exact` ones come out the same in each run, and one is enough."""
    low = median(baseline)
    ratio = median(samples) / low if low > 0 else None
    if exact and len({*baseline}) == 1 and len({*samples}) == 1:
        return Change(ratio, float(baseline[0] == samples[0]), baseline[0] != samples[0])
    p = p_value(baseline, samples)
    return Change(ratio, p, p < ALPHA)
