"""A report in Go's benchmark format, which benchstat and its kin read, and back."""

from __future__ import annotations

from fairlead.bench.gotext import Line, config_lines, parse, result_line
from fairlead.bench.report import SCHEMA, VIRTUAL, Case, Column, Outcome, Report

__all__ = ["HOST_UNIT", "PACKAGE", "from_text", "to_text"]

HOST_UNIT = "host-ns/op"
_GUEST_UNIT = "ns/op"
PACKAGE = "fairlead/bench"
"""The package of the benchmarks that come with Fairlead, whose names stand without it."""


def to_text(report: Report) -> str:
    """Every repetition a line; a port's or peer's lines are together, under its name as `port:`."""
    lines: list[str] = []
    for column in report.columns:
        shown: dict[str, str] = {}
        for case in report.cases:
            outcome = report.outcome(case.name, column.name)
            if outcome is None or not outcome.guest_ns:
                continue
            config = _config(report, column, case, outcome)
            changed = {key: value for key, value in config.items() if shown.get(key) != value}
            lines += config_lines(changed)
            shown = config
            name = case.name.removeprefix(f"{case.package}.")
            lines += (result_line(name, case.iterations, values) for values in _repetitions(outcome))
    return "".join(f"{line}\n" for line in lines)


def _config(report: Report, column: Column, case: Case, outcome: Outcome) -> dict[str, str]:
    return {
        "goos": "linux",
        "goarch": column.arch,
        "pkg": case.package,
        "cpu": report.machine.get("cpu", ""),
        "port": column.name,
        "board": column.board or "none",
        "clock": outcome.clock,
        **{name: report.versions.get(name, "") for name in ("unicorn", "fairlead", "go")},
    }


def _repetitions(outcome: Outcome) -> list[dict[str, float]]:
    counted = dict(outcome.metrics)
    if outcome.work:
        counted[f"{outcome.clock}/op"] = outcome.work
    if outcome.hooks:
        counted["traps/op"] = sum(outcome.traps.values())
        counted["syscalls/op"] = sum(outcome.system_calls.values())
    pairs = zip(outcome.guest_ns, outcome.host_ns, strict=False)  # an interrupt may come between the two
    return [{_GUEST_UNIT: guest, HOST_UNIT: host, **counted} for guest, host in pairs]


def from_text(text: str) -> Report:
    """What a file in the format tells of: as many columns as there are `port:`s."""
    columns: dict[str, Column] = {}
    cases: dict[str, Case] = {}
    outcomes: dict[tuple[str, str], Outcome] = {}
    config: dict[str, str] = {}
    for line in parse(text):
        if _GUEST_UNIT not in line.values:
            continue
        config = dict(line.config)
        column, case = _column(line), _case(line)
        columns.setdefault(column.name, column)
        cases.setdefault(case.name, case)
        clock = config.get("clock", "")
        outcome = outcomes.setdefault(
            (case.name, column.name),
            Outcome(case.name, column.name, clock=clock if clock in VIRTUAL else "host"),
        )
        outcome.guest_ns.append(line.values[_GUEST_UNIT])
        if HOST_UNIT in line.values:
            outcome.host_ns.append(line.values[HOST_UNIT])
        outcome.metrics = {
            unit: value for unit, value in line.values.items() if unit not in (_GUEST_UNIT, HOST_UNIT)
        }
    return Report(
        schema=SCHEMA,
        version=1,
        versions={name: config[name] for name in ("fairlead", "go", "unicorn") if name in config},
        machine={"cpu": config.get("cpu", "")},
        date="",
        count=max((len(each.guest_ns) for each in outcomes.values()), default=0),
        baseline=next(iter(columns), ""),
        interrupted=False,
        columns=list(columns.values()),
        cases=list(cases.values()),
        outcomes=list(outcomes.values()),
        start_host_ns={},
    )


def _column(line: Line) -> Column:
    board = line.config.get("board", "")
    known = "" if board == "none" else board
    name = line.config.get("port", "go")
    return Column(name, "port" if known else "peer", line.config.get("goarch", ""), known)


def _case(line: Line) -> Case:
    package = line.config.get("pkg", "")
    name = line.name if package in ("", PACKAGE) else f"{package}.{line.name}"
    return Case(name, package, line.iterations)
