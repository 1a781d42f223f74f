"""The trap experiment: two Ms that spin, and a line a timer trap with the one that ran."""

from __future__ import annotations

from itertools import groupby, pairwise
from pathlib import Path

import pytest

LINE = "ethanol_trap1 0x"
TICK = 100
"""Nanoseconds of a tick of the 10 MHz time base."""


def runs_of_one_m(fairlead, examples: Path, lives: int, interval: int, traps: int) -> list[tuple[str, int]]:
    """Which M the traps found, and how many times in a row, of a run that sees about so many traps."""
    limit = f"{traps * interval * TICK}ns"
    ran = fairlead(
        "run", "--port", "opensbi", "--trace=traps", f"--set=lives={lives}",
        f"--set=timer-interval={interval:#x}", f"--max-time={limit}", examples / "spin",
    )  # fmt: skip
    *lines, last = ran.stderr.splitlines()
    assert last.startswith("fairlead: the guest ran past --max-time")
    assert ran.returncode == 124
    assert all(line.startswith(LINE) for line in lines)
    return [(m, len(list(group))) for m, group in groupby(lines)]


def check(runs: list[tuple[str, int]], lives: int, at_least: int) -> None:
    """Every M keeps the CPU for its lives, no trap more and no trap less, and two Ms take turns."""
    # Until the second M exists the first takes all turns; the last run is cut off by the limit.
    whole = runs[1:-1]
    assert len(whole) >= at_least
    assert runs[0][1] % lives == 0
    assert {count for _, count in whole} == {lives}
    assert len({m for m, _ in runs}) == 2
    assert all(before != after for (before, _), (after, _) in pairwise(runs))


@pytest.mark.parametrize("lives", [3, 5])
def test_each_m_has_its_lives_again_and_again(lives: int, fairlead, examples: Path) -> None:
    """A life that is not given back would leave runs of one from the second turn on."""
    check(runs_of_one_m(fairlead, examples, lives, 0x100000, lives * 9), lives, 6)


def test_one_life_is_a_turn_each_and_many_are_counted_too(fairlead, examples: Path) -> None:
    check(runs_of_one_m(fairlead, examples, 1, 0x10000, 100), 1, 90)
    check(runs_of_one_m(fairlead, examples, 17, 0x2000, 17 * 40), 17, 30)


@pytest.mark.slow
def test_the_interval_of_the_document(fairlead, examples: Path) -> None:
    check(runs_of_one_m(fairlead, examples, 3, 0x1000000, 14), 3, 2)


def test_a_trap_comes_once_an_interval(fairlead, examples: Path, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    interval = 0x8000
    fairlead(
        "run", "--port", "opensbi", f"--trace=all={trace}", f"--set=timer-interval={interval:#x}",
        "--max-time=200ms", examples / "spin",
    )  # fmt: skip
    lines = [line.split() for line in trace.read_text().splitlines()]
    times = [int(words[0]) for words in lines if words[1:3] == ["traps", "ethanol_trap1"]]
    assert len(times) > 30
    gaps = [after - before for before, after in pairwise(times)]
    # Armed anew when it is taken: never early, and late by no more than a block or a served call.
    assert min(gaps) >= interval * TICK
    assert sorted(gaps)[len(gaps) // 2] < interval * TICK * 1.001
