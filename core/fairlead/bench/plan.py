"""Which benchmarks there are, and how often each is done."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from fairlead.bench.exchange import PACKAGE
from fairlead.bench.measure import Failed, Package, run_lines
from fairlead.bench.report import Case
from fairlead.bench.suite import GUEST, SUITE
from fairlead.bench.targets import Target
from fairlead.errors import UsageError

__all__ = ["iterations_for", "own_cases", "packages", "their_cases"]

_LONG = 50_000_000
"""Nanoseconds of guest time that all operations of a run are to take together."""
_MOST = 1_000_000


def own_cases(wanted: re.Pattern[str], iterations: int | None) -> list[Case]:
    """Of the benchmarks that come with Fairlead, those whose name is wanted."""
    return [
        Case(name, PACKAGE, iterations or about.iterations, about.group, about.sentence)
        for name, about in SUITE.items()
        if wanted.search(name)
    ]


def packages(target: Target, patterns: Sequence[str]) -> list[Package]:
    """The packages that have tests, as go finds them from here; those that come with Fairlead if none is
    named. UsageError for a pattern that names nothing."""
    if not patterns:
        return [Package(PACKAGE, GUEST)]
    for pattern in patterns:
        if pattern.startswith("-"):
            raise UsageError(f"{pattern} stands after a package", hint="options go in front of packages")
    done = target.toolchain.run(
        target.go(["list", "-json=ImportPath,Dir,TestGoFiles,XTestGoFiles", *patterns]),
        environment=target.environment,
    )
    if done.status != 0:
        said = " ".join(done.messages.decode("utf-8", "replace").split())
        raise UsageError(f"go finds no package {' '.join(patterns)}: {said}")
    found = []
    decoder = json.JSONDecoder()
    text = done.output.decode("utf-8", "replace").strip()
    while text:
        document, at = decoder.raw_decode(text)
        text = text[at:].lstrip()
        if document.get("TestGoFiles") or document.get("XTestGoFiles"):
            found.append(Package(document["ImportPath"], Path(document["Dir"])))
    if not found:
        raise UsageError(f"{' '.join(patterns)} has no tests", hint="benchmarks stand in _test.go files")
    return found


def their_cases(
    package: Package,
    targets: Sequence[Target],
    images: Mapping[str, Path | str],
    wanted: re.Pattern[str],
    iterations: int | None,
    seconds: float,
) -> list[Case]:
    """The benchmarks of a package, found by doing each once, on the first columns that come to the end.

    What no column comes to the end of is known as far as one came.
    """
    once: dict[str, float] = {}
    for target in targets:
        image = images[target.name]
        if isinstance(image, str):
            continue
        flags = ["-test.run=^$", "-test.bench=.", "-test.benchtime=1x", "-test.cpu=1"]
        ran = target.run(target.runner(seconds), image, flags, package.folder)
        try:
            lines = run_lines(ran)
        except Failed:
            from fairlead.bench.gotext import parse

            lines = list(parse(ran.stdout))
        for line in lines:
            once.setdefault(line.name, line.values.get("ns/op", 0.0))
        if ran.code == 0 and not ran.timed_out:
            break
    return [
        Case(f"{package.name}.{name}", package.name, iterations or iterations_for(nanoseconds))
        for name, nanoseconds in once.items()
        if wanted.search(f"{package.name}.{name}")
    ]


def iterations_for(nanoseconds: float) -> int:
    """A round number of operations for a benchmark that takes so long, at least ten."""
    most = max(10, min(_MOST, int(_LONG / max(1.0, nanoseconds))))
    power: int = 10 ** (len(str(most)) - 1)
    return power * next(factor for factor in (5, 2, 1) if factor * power <= most)
