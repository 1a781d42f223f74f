"""Reports made by hand."""

from __future__ import annotations

from collections.abc import Mapping

from fairlead.bench.report import SCHEMA, Case, Column, Outcome, Report

__all__ = ["outcome", "report"]


def outcome(case: str, column: str, guest: list[float], host: list[float], **more: object) -> Outcome:
    made = Outcome(case, column, clock="blocks", guest_ns=guest, host_ns=host, work=3.5)
    made.hooks = {"syscall": 1.0}
    made.traps = {"timer interrupt": 0.25}
    made.system_calls = {"write": 1.0}
    made.hook_host_ns = {"syscall": 750.0, "": 250.0}
    made.metrics = {"B/op": 16.0}
    for name, value in more.items():
        setattr(made, name, value)
    return made


def report(*outcomes: Outcome, machine: Mapping[str, str] | None = None, go: str = "1.27.3") -> Report:
    columns = {each.column: Column(each.column, "port", "riscv64", "virt") for each in outcomes}
    cases = {
        each.case: Case(each.case, _package(each.case), 100, "syscall", "a sentence") for each in outcomes
    }
    return Report(
        schema=SCHEMA,
        version=1,
        versions={"fairlead": "0.1.0", "go": go, "python": "3.11", "unicorn": "2.1.4"},
        machine=machine or {"cpu": "a cpu", "cores": "2", "system": "linux"},
        date="2026-01-01T00:00:00+00:00",
        count=4,
        baseline=outcomes[0].column if outcomes else "",
        interrupted=False,
        columns=list(columns.values()),
        cases=list(cases.values()),
        outcomes=list(outcomes),
        start_host_ns={column: [2e8] for column in columns},
    )


def _package(case: str) -> str:
    package, dot, _ = case.rpartition(".")
    return package if dot else "fairlead/bench"
