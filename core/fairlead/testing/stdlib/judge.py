"""From two runs of a package to what differs, and from that and the lists to a verdict."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from fairlead.testing.stdlib.events import Outcome, top
from fairlead.testing.stdlib.lists import Reason

__all__ = ["Compared", "Verdict", "compare", "explained", "judge", "steady"]


@dataclass(frozen=True, slots=True)
class Compared:
    """A package on a port beside stock Linux, by test name."""

    names: int
    """Tests, subtests too, that pass on stock Linux and are there for the port's architecture."""
    passed: int
    """Those of them that pass on the port."""
    unlike: dict[str, Outcome]
    """Those that do not, and tests that fail on the port alone."""
    elsewhere: int
    """Names that stock Linux has and the port has not: of the host's architecture, or told otherwise here."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the lists say of a package on a port."""

    reasons: dict[str, Reason]
    """Every name that differs and may, with its reason."""
    unlisted: tuple[str, ...]
    """Names that differ and may not."""
    idle: tuple[str, ...]
    """Names that are listed, and neither they nor their subtests differ."""
    foreign: tuple[str, ...] = ()
    """Names that skip themselves on the port's architecture."""
    late: tuple[str, ...] = ()
    """Names that were not reached, or did not end, in the time that the package had."""


def steady(*runs: Mapping[str, Outcome]) -> dict[str, Outcome]:
    """What ends in the same way in every run of stock Linux: only that can be compared."""
    first, *others = runs
    return {
        test: outcome
        for test, outcome in first.items()
        if all(other.get(test) == outcome for other in others)
    }


def compare(
    stock: Mapping[str, Outcome],
    here: Mapping[str, Outcome],
    compiled: Collection[str],
    *,
    known: Collection[str] = (),
    same_architecture: bool,
) -> Compared:
    """Set a run beside that of stock Linux.

    `compiled` are the tests in the package's files for the port's architecture. On another architecture than
    the host's, a subtest that is never begun while its test passes has a name of the host's architecture;
    on the same one it is a difference, unless its test has as many subtests here: then one has another name
    (an error's words are in it). `known` are the names that stock Linux has at all, steady or not: a
    failure of one that is not steady tells nothing.
    """
    unlike: dict[str, Outcome] = {}
    names = passed = elsewhere = 0
    empty = _empty(stock)
    for test, outcome in stock.items():
        if outcome != "pass" or test in empty:
            continue
        if top(test) not in compiled:
            elsewhere += 1
            continue
        got = here.get(test, "missing")
        around = _begun_around(test, here) if got == "missing" else ""
        named_otherwise = here.get(around) == "pass" and (
            not same_architecture or _inner(around, stock) == _inner(around, here)
        )
        if named_otherwise:
            elsewhere += 1
            continue
        names += 1
        if got == "pass":
            passed += 1
        else:
            unlike[test] = got
    for test, got in here.items():
        told_apart = stock.get(test) == "skip" or test in empty or test not in known
        if got in ("fail", "cut") and test not in unlike and told_apart:
            names += 1
            unlike[test] = got
    return Compared(names, passed, dict(sorted(unlike.items())), elsewhere)


def _empty(stock: Mapping[str, Outcome]) -> set[str]:
    """Tests that pass on stock Linux and have nothing but skipped subtests: nothing in them has run."""
    inner: dict[str, set[Outcome]] = {}
    for test, outcome in stock.items():
        if "/" in test:
            inner.setdefault(test.rpartition("/")[0], set()).add(outcome)
    return {test for test, outcomes in inner.items() if outcomes == {"skip"} and stock.get(test) == "pass"}


def _begun_around(test: str, here: Mapping[str, Outcome]) -> str:
    """The nearest test around this one that has begun; "" if none has."""
    return next((name for name in _around(test) if name in here), "")


def _inner(test: str, run: Mapping[str, Outcome]) -> int:
    """How many subtests a test has, at any depth."""
    return sum(name.startswith(f"{test}/") for name in run)


def explained(test: str, unlike: Mapping[str, Outcome], listed: Mapping[str, Reason]) -> Reason | None:
    """Why a test differs: by its own entry, by that of a test around it, or, where it failed, by those of
    its subtests, if each that differs has one."""
    for name in _around(test):
        if name in listed:
            return listed[name]
    if unlike[test] not in ("fail", "skip"):
        return None
    inner = [each for each in unlike if each.startswith(f"{test}/")]
    reasons = [explained(each, unlike, listed) for each in inner]
    return reasons[0] if reasons and all(reasons) else None


def judge(
    compared: Compared, listed: Mapping[str, Reason], foreign: Collection[str] = frozenset()
) -> Verdict:
    """Every difference has its entry, and every entry its difference; or the verdict names which do not.

    `foreign` are the tests that may skip themselves.
    """
    unlike = dict(compared.unlike)
    skipped = [
        test
        for test in unlike
        if any(unlike.get(each) == "skip" for each in _around(test) if each in foreign)
    ]
    for test in skipped:
        del unlike[test]
    reasons: dict[str, Reason] = {}
    unlisted = []
    for test in unlike:
        reason = explained(test, unlike, listed)
        if reason is None:
            unlisted.append(test)
        else:
            reasons[test] = reason
    differing = {each for test in unlike for each in _around(test)}
    idle = {test for test in listed if test not in differing}
    idle |= {test for test in foreign if compared.unlike.get(test) != "skip"}
    return Verdict(reasons, tuple(unlisted), tuple(sorted(idle)), tuple(skipped))


def _around(test: str) -> Iterable[str]:
    """A test and those that it is a subtest of, the innermost first."""
    while test:
        yield test
        test = test.rpartition("/")[0]
