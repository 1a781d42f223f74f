"""A report on a terminal: benchmarks down, columns across, guest time above the host's CPU time."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from fairlead.bench.figures import Change, Summary, ratio_text, summarize
from fairlead.bench.report import Case, Outcome, Report

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

__all__ = ["counted", "counts", "duration", "footnotes", "tables"]

_FEW_COLUMNS = 5
"""As many as have room for a spread and a ratio on one line, in 80 columns."""
_MOST_KINDS = 6
_RARE = 0.005
"""Traps or calls an operation that are not worth a word."""
_UNITS = ((1e9, "s"), (1e6, "ms"), (1e3, "µs"), (1, "ns"))


def duration(nanoseconds: float) -> str:
    """Three digits and a unit."""
    size = abs(nanoseconds)
    for scale, unit in _UNITS:
        if size >= scale * 0.9995 or unit == "ns":
            value = nanoseconds / scale
            digits = 2 if abs(value) < 9.995 else 1 if abs(value) < 99.95 else 0
            return f"{value:.{digits}f} {unit}"
    raise AssertionError


def tables(report: Report) -> Iterable[RenderableType]:
    """The guest's time, and the host's."""
    guests = _table(report, "guest time/op")
    hosts = _table(report, "host CPU/op")
    group = None
    for case in report.measured:
        if case.group != group:
            group = case.group
            for table in (guests, hosts):
                table.add_section()
        _row(guests, report, case, host=False)
        _row(hosts, report, case, host=True)
    if len(report.measured) > 1 and len(report.columns) > 1:
        for table, host in ((guests, False), (hosts, True)):
            table.add_section()
            means = (report.mean_ratio(column.name, host=host) for column in report.columns)
            table.add_row("mean ratio", *(ratio_text(each) if each is not None else "" for each in means))
    if report.start_host_ns:
        starts = (report.start_host_ns.get(each.name) for each in report.columns)
        hosts.add_row("a process", *(duration(summarize(each).median) if each else "" for each in starts))
    return guests, hosts


def _table(report: Report, title: str) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(title, box=SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
    for column in report.columns:
        star = "*" if column.name == report.baseline else ""
        table.add_column(f"{column.name}{star}".replace("-", "\n", 1), justify="right")
    return table


def _row(table: Table, report: Report, case: Case, *, host: bool) -> None:
    base = report.base(case.name)
    outcomes = (report.outcome(case.name, column.name) for column in report.columns)
    glue = " " if len(report.columns) <= _FEW_COLUMNS else "\n"
    table.add_row(case.name, *(_cell(each, base, host, glue) for each in outcomes))


def _cell(outcome: Outcome | None, base: Outcome | None, host: bool, glue: str) -> str:
    if outcome is None:
        return ""
    if outcome.why:
        return "[red]fails[/]"
    figure = outcome.host() if host else outcome.guest()
    if figure is None:
        return ""
    change: Change | None = None
    if base is not None and base is not outcome:
        change = outcome.host_change(base) if host else outcome.guest_change(base)
    return f"{duration(figure.median)}\n[dim]{_beside(figure, change, glue)}[/]"


def _beside(figure: Summary, change: Change | None, glue: str) -> str:
    spread = f"±{figure.spread:.0%}" if figure.high > figure.low else ""
    return glue.join(each for each in (spread, change.text if change else "") if each)


def counted(outcome: Outcome) -> str:
    """What one operation takes on a port, in words: work, then the traps and calls that come most often."""
    said = [f"{_count(outcome.work)} {outcome.clock}"] if outcome.work else []
    for kind in (outcome.traps, outcome.system_calls):
        busiest = sorted(kind.items(), key=lambda each: (-each[1], each[0]))[:_MOST_KINDS]
        said += [f"{_count(count)} {name}" for name, count in busiest if count >= _RARE]
    guest, host = outcome.guest(), outcome.host()
    if guest is not None and host is not None and guest.median > 0 and outcome.exact:
        said.append(f"{_count(host.median / guest.median)} ns of the host's CPU for one of the guest's")
    return ", ".join(said)


def _count(number: float) -> str:
    return f"{number:,.0f}" if number >= 100 else f"{number:.3g}"


def counts(report: Report) -> Iterable[str]:
    """What every operation takes on every port, a line each."""
    for case in report.measured:
        for column in report.columns:
            outcome = report.outcome(case.name, column.name)
            if outcome is not None and outcome.hooks:
                yield f"{case.name} on {column.name}: {counted(outcome)}"


def footnotes(report: Report) -> Iterable[str]:
    """What the signs mean, and every failure with its reason."""
    yield "* baseline; ± half the interval of the median, as a part of it; × ratio to the"
    yield f"baseline's; ~ no difference that {report.count} repetitions carry; mean ratio: geometric, of"
    yield "all rows; a process: one that does an operation twice, its start above all"
    for each in report.outcomes:
        if each.why:
            yield f"{each.column} fails {each.case}: {each.why}"
