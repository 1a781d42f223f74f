"""Benchmarks run and measured: each repetition in processes of its own, all columns in turn."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fairlead.bench.gotext import Line, parse
from fairlead.bench.report import Case, Outcome
from fairlead.bench.targets import Target
from fairlead.errors import FairleadError
from fairlead.testing.runner import Ran, Runner

__all__ = ["FEW", "Failed", "Measurement", "Package", "run_lines"]

FEW = 2
"""Operations of the run that is taken off. With more than one, package testing does all that it does for
many, so what is left is the operations alone."""
_COUNTED = ("hooks", "traps", "system_calls", "hook_host_ns")


class Failed(Exception):
    """Why a benchmark has no figures, in one sentence."""


@dataclass(frozen=True, slots=True)
class Package:
    """A Go package with benchmarks."""

    name: str
    folder: Path
    """Where its tests run."""


def run_lines(ran: Ran) -> list[Line]:
    """The results of a run; Failed if it did not end well."""
    if ran.timed_out:
        raise Failed(f"did not end within its time on the host; {ran.last_words or 'silence'}")
    if ran.code != 0:
        raise Failed(_failure(ran))
    return list(parse(ran.stdout))


def _failure(ran: Ran) -> str:
    """What the benchmark said of its failure, or the runtime, or fairlead."""
    said = re.search(r"^--- FAIL: .*\n((?:\s+.*\n)+)", ran.stdout, re.MULTILINE)
    if said is not None:
        return " ".join(said[1].split())
    for line in ran.stderr.splitlines():
        if line.startswith(("panic: ", "fatal error: ")):
            return line
    end = f"ended with {ran.code}" if ran.code >= 0 else f"was ended by signal {-ran.code}"
    return f"{end}: {ran.last_words}" if ran.last_words else end


@dataclass(slots=True)
class _Bench:
    """A case in a column while it is measured."""

    case: Case
    target: Target
    runner: Runner
    image: Path
    cwd: Path
    outcome: Outcome
    name: str = field(init=False)
    pattern: str = field(init=False)

    def __post_init__(self) -> None:
        self.name = self.case.name.removeprefix(f"{self.case.package}.")
        first, *rest = self.name.split("/")
        self.pattern = "/".join([f"^Benchmark{re.escape(first)}$", *(f"^{re.escape(it)}$" for it in rest)])

    def run(self, iterations: int, *, count: bool = False) -> tuple[Ran, Line]:
        """One process that does `iterations` operations, besides what it does for any number above one: its
        start, the one operation that package testing tries first unless the benchmark has a b.Loop, and what
        the benchmark does before its operations."""
        flags = [
            "-test.run=^$",
            f"-test.bench={self.pattern}",
            f"-test.benchtime={iterations}x",
            "-test.cpu=1",
            "-test.benchmem",
        ]
        ran = self.target.run(self.runner, self.image, flags, self.cwd, count=count)
        lines = [each for each in run_lines(ran) if each.name == self.name]
        if not lines:
            skipped = re.search(r"^--- SKIP: .*\n((?:\s+.*\n)+)", ran.stdout, re.MULTILINE)
            raise Failed(f"skipped: {' '.join(skipped[1].split())}" if skipped else "gave no result")
        if lines[-1].iterations != iterations:
            raise Failed(f"did {lines[-1].iterations} operations where {iterations} were asked for")
        return ran, lines[-1]

    def count(self) -> None:
        """Count what an operation takes, in runs that are watched."""
        few, _ = self.run(FEW, count=True)
        many, _ = self.run(self.case.iterations, count=True)
        if not few.record or not many.record:
            raise Failed("its run left no record")
        n = self.case.iterations - FEW
        self.outcome.clock = many.record["clock"]
        self.outcome.work = (many.record["work"] - few.record["work"]) / n
        for name in _COUNTED:
            setattr(self.outcome, name, _per_operation(few.record[name], many.record[name], n))
        rest = (many.host_seconds - few.host_seconds) * 1e9 / n
        times = self.outcome.hook_host_ns
        times[""] = max(0.0, rest - sum(times.values()))

    def repeat(self) -> float:
        """Measure once more; the CPU time of what is not the benchmark."""
        few, _ = self.run(FEW)
        many, line = self.run(self.case.iterations)
        try:
            guest = line.values["ns/op"]
        except KeyError:
            raise Failed("reports no ns/op") from None
        self.outcome.guest_ns.append(guest)
        n = self.case.iterations - FEW
        self.outcome.host_ns.append((many.host_seconds - few.host_seconds) * 1e9 / n)
        self.outcome.metrics = {
            unit: value for unit, value in line.values.items() if unit not in ("ns/op", "MB/s")
        }
        return few.host_seconds * 1e9


def _per_operation(few: Mapping[str, Any], many: Mapping[str, Any], n: int) -> dict[str, float]:
    more = {name: (count - few.get(name, 0)) / n for name, count in many.items()}
    return {name: count for name, count in more.items() if count > 0}


@dataclass(slots=True)
class Measurement:
    """What has been measured so far: after an interrupt, all that there is."""

    targets: Sequence[Target]
    count: int
    seconds: float
    """Of host time, that one run may take."""
    tell: Callable[[str], None] = lambda _: None
    told: Callable[[Case], None] = lambda _: None
    """Called when a case is done in all columns."""
    outcomes: list[Outcome] = field(default_factory=list)
    starts: dict[str, list[float]] = field(default_factory=dict)

    def run(self, cases: Sequence[Case], package: Package, images: Mapping[str, Path | str]) -> None:
        """Measure the cases of one package; an image that is text is the reason why there is none.

        An interrupt ends what is under way and comes out of here; what was measured stays.
        """
        for at, case in enumerate(cases):
            self._measure(case, package, images, f"{at + 1} of {len(cases)}")

    def _measure(self, case: Case, package: Package, images: Mapping[str, Path | str], which: str) -> None:
        benches: list[_Bench] = []
        for target in self.targets:
            outcome = Outcome(case.name, target.name)
            self.outcomes.append(outcome)
            image = images[target.name]
            if isinstance(image, str):
                outcome.why = image
                continue
            runner = target.runner(self.seconds)
            benches.append(_Bench(case, target, runner, image, package.folder, outcome))
        for bench in [each for each in benches if each.target.port is not None]:
            self.tell(f"{which}: {case.name} on {bench.target.name}, counting")
            self._try(bench, bench.count)
        for repetition in range(self.count):
            for bench in benches:
                if not bench.outcome.why:
                    self.tell(
                        f"{which}: {case.name} on {bench.target.name}, {repetition + 1} of {self.count}"
                    )
                    self._try(bench, lambda bench=bench: self._start(bench, bench.repeat()))  # type: ignore[misc]
        self.told(case)

    def _start(self, bench: _Bench, nanoseconds: float) -> None:
        self.starts.setdefault(bench.target.name, []).append(nanoseconds)

    def _try(self, bench: _Bench, step: Callable[[], object]) -> None:
        try:
            step()
        except (Failed, FairleadError) as error:
            outcome = bench.outcome
            outcome.why = str(error)
            outcome.guest_ns.clear()
            outcome.host_ns.clear()
