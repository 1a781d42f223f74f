"""A report as one page that needs nothing else: bars side by side, and where the host's time goes."""

from __future__ import annotations

from dataclasses import dataclass

from fairlead.bench.report import Case, Outcome, Report
from fairlead.bench.table import counted, duration
from fairlead.hooks import RUNTIME_HOOKS

__all__ = ["Bar", "Part", "html"]

WIDTH = 360.0
"""Of the longest bar, in the units of its drawing."""


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a bar: what it stands for, where it begins and how long it is."""

    name: str
    start: float
    length: float
    text: str


@dataclass(frozen=True, slots=True)
class Bar:
    """One column's figure: its length, the interval of its median, and what is written beside it."""

    column: str
    length: float
    low: float
    high: float
    text: str
    beside: str
    parts: tuple[Part, ...] = ()
    kind: str = ""
    """How a bar without parts is filled: "virtual", "wall" or "cpu"."""
    why: str = ""


def _bars(report: Report, case: Case, *, host: bool) -> list[Bar]:
    """All columns' bars, to the scale of the longest."""
    outcomes = [each for column in report.columns if (each := report.outcome(case.name, column.name))]
    figures = [(each, each.host() if host else each.guest()) for each in outcomes]
    longest = max((figure.high for _, figure in figures if figure is not None), default=0.0)
    scale = WIDTH / longest if longest > 0 else 0.0
    base = report.base(case.name)
    bars = []
    for outcome, figure in figures:
        if figure is None:
            bars.append(Bar(outcome.column, 0, 0, 0, "", "", why=outcome.why))
            continue
        change = None
        if base is not None and base is not outcome:
            change = outcome.host_change(base) if host else outcome.guest_change(base)
        length = max(0.0, figure.median * scale)
        bars.append(
            Bar(
                outcome.column,
                length,
                max(0.0, figure.low * scale),
                max(0.0, figure.high * scale),
                duration(figure.median),
                change.text if change is not None else "",
                _parts(outcome, length) if host else (),
                "cpu" if host else "virtual" if outcome.exact else "wall",
            )
        )
    return bars


def _parts(outcome: Outcome, length: float) -> tuple[Part, ...]:
    """A bar of host time cut up as the run that counted was: watching costs, so its shares are taken."""
    spent = outcome.hook_host_ns
    total = sum(spent.values())
    if total <= 0:
        return ()
    parts: list[Part] = []
    start = 0.0
    for hook in (*RUNTIME_HOOKS, ""):
        share = spent.get(hook, 0.0) / total
        if share > 0:
            name = hook or "guest code and machine"
            parts.append(Part(name, start, share * length, f"{name}: {share:.0%}"))
            start += share * length
    return tuple(parts)


def _counted(report: Report, case: Case) -> list[tuple[str, str]]:
    """Column to what one operation takes there, in words."""
    outcomes = (report.outcome(case.name, column.name) for column in report.columns)
    return [(each.column, counted(each)) for each in outcomes if each is not None and each.hooks]


def html(report: Report) -> str:
    """The report as a page."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("fairlead.bench", "pages"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    charts = [
        {
            "case": case,
            "guest": _bars(report, case, host=False),
            "host": _bars(report, case, host=True),
            "counted": _counted(report, case),
            "metrics": {
                column.name: outcome.metrics
                for column in report.columns
                if (outcome := report.outcome(case.name, column.name)) is not None and outcome.metrics
            },
        }
        for case in report.measured
    ]
    return environment.get_template("bench.html").render(
        report=report, charts=charts, width=WIDTH, hooks=(*RUNTIME_HOOKS, "guest code and machine")
    )
