"""What was measured, as one document."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path
from statistics import geometric_mean
from typing import Any

from fairlead.bench.figures import Change, Summary, change, summarize
from fairlead.errors import UsageError

__all__ = ["SCHEMA", "VIRTUAL", "Case", "Column", "Outcome", "Report", "json_text", "read_report"]

SCHEMA = "fairlead/bench"
_VERSION = 1
VIRTUAL = ("blocks", "instructions")
"""Clocks that count guest work: their times are the same in every run."""
_LARGEST = 64 << 20


@dataclass(frozen=True, slots=True)
class Column:
    """A port, or a peer that runs the stock build: "native", "qemu-riscv64", …"""

    name: str
    kind: str
    """"port" or "peer"."""
    arch: str
    """Go's name: "amd64", "riscv64"."""
    board: str = ""
    version: str = ""
    """What the distribution of a port, or the peer, says of itself."""


@dataclass(frozen=True, slots=True)
class Case:
    """A benchmark."""

    name: str
    """Without "Benchmark"; of a package of the user's, with the package in front: "PACKAGE.NAME"."""
    package: str
    iterations: int
    """Operations in one run."""
    group: str = ""
    sentence: str = ""


@dataclass(slots=True)
class Outcome:
    """A benchmark in a column: figures are for one operation."""

    case: str
    column: str
    why: str = ""
    """Why there are no figures, if there are none."""
    clock: str = "host"
    """What counted the guest's time."""
    guest_ns: list[float] = field(default_factory=list)
    """Time as the guest sees it, one for each repetition."""
    host_ns: list[float] = field(default_factory=list)
    """CPU time of the host, user and system, one for each repetition."""
    metrics: dict[str, float] = field(default_factory=dict)
    """What else the benchmark reports: "B/op", "allocs/op", …; the last repetition's."""
    work: float = 0.0
    """Blocks or instructions, as `clock` says, that the guest executed."""
    hooks: dict[str, float] = field(default_factory=dict)
    traps: dict[str, float] = field(default_factory=dict)
    system_calls: dict[str, float] = field(default_factory=dict)
    hook_host_ns: dict[str, float] = field(default_factory=dict)
    """The host's CPU time in each hook, in the run that counted; "" is all that was in no hook."""

    @property
    def exact(self) -> bool:
        """Is guest time the same in every run?"""
        return self.clock in VIRTUAL

    def guest(self) -> Summary | None:
        return summarize(self.guest_ns) if self.guest_ns else None

    def host(self) -> Summary | None:
        return summarize(self.host_ns) if self.host_ns else None

    def guest_change(self, baseline: Outcome) -> Change | None:
        """Beside a baseline's; None where their times count unlike things."""
        if not self.guest_ns or not baseline.guest_ns or self.clock != baseline.clock:
            return None
        return change(baseline.guest_ns, self.guest_ns, exact=self.exact)

    def host_change(self, baseline: Outcome) -> Change | None:
        if not self.host_ns or not baseline.host_ns:
            return None
        return change(baseline.host_ns, self.host_ns)


@dataclass(frozen=True, slots=True)
class Report:
    """A run of `fairlead bench`."""

    schema: str
    version: int
    versions: Mapping[str, str]
    """Of fairlead, go, python, unicorn."""
    machine: Mapping[str, str]
    """The host: "cpu", "cores", "system"."""
    date: str
    """When it began, UTC."""
    count: int
    """Repetitions asked for."""
    baseline: str
    interrupted: bool
    columns: list[Column]
    cases: list[Case]
    outcomes: list[Outcome]
    start_host_ns: Mapping[str, list[float]]
    """Column to the CPU time of whole runs that do each benchmark's operation twice: the start, above all."""

    def outcome(self, case: str, column: str) -> Outcome | None:
        return next((each for each in self.outcomes if (each.case, each.column) == (case, column)), None)

    def base(self, case: str) -> Outcome | None:
        return self.outcome(case, self.baseline)

    @property
    def measured(self) -> list[Case]:
        """The benchmarks of which there is anything to say: an interrupt may come before one has a figure."""
        seen = {each.case for each in self.outcomes if each.guest_ns or each.why}
        return [case for case in self.cases if case.name in seen]

    def mean_ratio(self, column: str, *, host: bool) -> float | None:
        """The geometric mean of a column's ratios to the baseline, over the benchmarks that both have; None
        for the baseline itself, and where none can be compared."""
        ratios = []
        for case in self.cases:
            mine, base = self.outcome(case.name, column), self.base(case.name)
            if mine is None or base is None or mine is base:
                continue
            change = mine.host_change(base) if host else mine.guest_change(base)
            if change is not None and change.ratio is not None and change.ratio > 0:
                ratios.append(change.ratio)
        return geometric_mean(ratios) if ratios else None

    @property
    def ok(self) -> bool:
        return not any(each.why for each in self.outcomes)


def json_text(report: Report) -> str:
    """The report as one JSON document."""
    import cattrs

    return json.dumps(cattrs.unstructure(report), indent=1) + "\n"


def read_report(path: Path) -> Report:
    """A report from a JSON document or from Go's benchmark format; UsageError if it is neither."""
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST + 1)
        if len(data) > _LARGEST:
            raise UsageError(f"{path} is larger than a report may be ({_LARGEST >> 20} MiB)")
        text = data.decode("utf-8")
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is no text", hint=_HINT) from error
    if text.lstrip().startswith("{"):
        return _structured(path, text)
    from fairlead.bench.exchange import from_text

    report = from_text(text)
    if not report.outcomes:
        raise UsageError(f"{path} holds no benchmark results", hint=_HINT)
    return report


_HINT = "take what `fairlead bench` wrote by --save or --output"


def _structured(path: Path, text: str) -> Report:
    import cattrs

    try:
        document: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path} is no JSON: {error}", hint=_HINT) from error
    said = (document.get("schema"), document.get("version"))
    if said != (SCHEMA, _VERSION):
        raise UsageError(f"{path} is of schema {said[0]} {said[1]}, not {SCHEMA} {_VERSION}", hint=_HINT)
    try:
        report = cattrs.Converter(forbid_extra_keys=True).structure(document, Report)
    except Exception as error:  # a document of any shape may stand there, and cattrs calls what it holds
        said_wrong = "; ".join(cattrs.transform_error(error))
        raise UsageError(f"{path}: {said_wrong}", hint=_HINT) from error
    for outcome in report.outcomes:
        if not all(isfinite(each) for each in (*outcome.guest_ns, *outcome.host_ns)):
            raise UsageError(f"{path}: {outcome.case} on {outcome.column} has a figure that is no number")
    return report
