"""What a trial of ports comes to: one document, and the same as a matrix on a terminal or a page."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fairlead.testing.check import GROUPS, Check, Outcome

if TYPE_CHECKING:
    from rich.console import RenderableType

__all__ = ["Cell", "Report", "failure_text", "html", "json_text", "matrix"]

SCHEMA = "fairlead/check"


@dataclass(frozen=True, slots=True)
class Cell:
    """A group of checks on one port."""

    passed: int
    trials: int
    guest_time_ns: int
    host_seconds: float

    @property
    def counts(self) -> str:
        return f"{self.passed} passed" if self.passed == self.trials else f"{self.passed} of {self.trials}"

    @property
    def guest(self) -> str:
        return f"guest {_time(self.guest_time_ns / 1e9)}"

    @property
    def host(self) -> str:
        return f"CPU {_time(self.host_seconds)}"


_UNITS = (
    (1e-3, 1e3, "ms"),
    (1.0, 1.0, "s"),
    (172_800.0, 1 / 86_400, "days"),
    (63_115_200.0, 1 / 31_557_600, "years"),
)
"""From how many seconds on a unit is used, and how many of it make a second."""


def _time(seconds: float) -> str:
    scale, unit = next(
        ((scale, unit) for least, scale, unit in reversed(_UNITS) if seconds >= least), _UNITS[0][1:]
    )
    return f"{seconds * scale:.1f} {unit}"


@dataclass(frozen=True, slots=True)
class Description:
    """A check, as the document describes it."""

    name: str
    hook: str
    sentence: str
    source: str


@dataclass(frozen=True, slots=True)
class Report:
    """Every outcome of one trial, with what was tried."""

    schema: str
    version: int
    fairlead: str
    go: str
    ok: bool
    ports: Sequence[str]
    broken: dict[str, str]
    """Plugins that could not be loaded, with the reason."""
    checks: Sequence[Description]
    outcomes: Sequence[Outcome]

    @classmethod
    def of(
        cls,
        checks: Iterable[Check],
        ports: Iterable[str],
        outcomes: Sequence[Outcome],
        broken: dict[str, str],
    ) -> Report:
        from fairlead import __version__
        from fairlead.guest.toolchain import find_toolchain

        return cls(
            schema=SCHEMA,
            version=1,
            fairlead=__version__,
            go=find_toolchain().version,
            ok=not broken and all(each.passed for each in outcomes),
            ports=tuple(ports),
            broken=broken,
            checks=[Description(each.name, each.hook, each.sentence, each.source) for each in checks],
            outcomes=outcomes,
        )

    @property
    def groups(self) -> list[str]:
        """The rows: groups of which something was tried."""
        tried = {each.check.partition(".")[0] for each in self.outcomes}
        return [group for group in GROUPS if group in tried]

    def cell(self, port: str, group: str = "") -> Cell:
        """A group's trials on a port; of all groups where none is named."""
        found = [
            each
            for each in self.outcomes
            if each.port == port and (not group or each.check.startswith(f"{group}."))
        ]
        return Cell(
            sum(each.passed for each in found),
            len(found),
            sum(each.guest_time_ns for each in found),
            sum(each.host_seconds for each in found),
        )

    def outcome(self, port: str, check: str) -> Outcome:
        return next(each for each in self.outcomes if (each.port, each.check) == (port, check))


def json_text(report: Report) -> str:
    """The report as one JSON document."""
    import cattrs

    return json.dumps(cattrs.unstructure(report), indent=2) + "\n"


def matrix(report: Report) -> RenderableType:
    """Hooks down, ports across; below each count guest time and the CPU time of the host."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table("", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for port in report.ports:
        table.add_column(port, justify="right")
    for group in (*report.groups, ""):
        if not group:
            table.add_section()
        cells = [report.cell(port, group) for port in report.ports]
        table.add_row(group or "all", *(_cell(each) for each in cells))
    return table


def _cell(cell: Cell) -> str:
    style = "green" if cell.passed == cell.trials else "red"
    return f"[{style}]{cell.counts}[/]\n[dim]{cell.guest}\n{cell.host}[/]"


def failure_text(report: Report, outcome: Outcome) -> str:
    """What a failed check asked for, what happened, and how to see it again."""
    check = next(each for each in report.checks if each.name == outcome.check)
    return (
        f"{outcome.port} fails {check.name} (hook {check.hook}): {outcome.why}\n"
        f"    what holds: {check.sentence}\n"
        f"    because:    {check.source}\n"
        f"    again:      fairlead check --port {outcome.port} --only {check.name}"
    )


def html(report: Report) -> str:
    """The report as one page that needs nothing else."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("fairlead.testing", "pages"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    return environment.get_template("report.html").render(report=report)
