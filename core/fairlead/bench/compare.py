"""What changed between two reports: one row a benchmark and column where the figures carry a difference."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from fairlead.bench.figures import Change
from fairlead.bench.report import Outcome, Report
from fairlead.bench.table import duration

if TYPE_CHECKING:
    from rich.console import RenderableType

__all__ = ["Comparison", "Difference"]

SCHEMA = "fairlead/bench-compare"


@dataclass(frozen=True, slots=True)
class Difference:
    """A benchmark's figure in one column, then and now."""

    case: str
    column: str
    figure: str
    """"guest" (time) or "host" (CPU time), of one operation, in nanoseconds."""
    old: float
    new: float
    ratio: float | None
    p: float
    claimed: bool


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two reports side by side."""

    schema: str
    version: int
    differences: list[Difference]
    """Of everything that both have figures of."""
    broke: list[str]
    """What had figures and fails now, with the reason."""
    mended: list[str]
    added: list[str]
    """What only the new one tells of."""
    removed: list[str]
    notes: list[str]
    """Why some figures are not compared, or are to be read with care."""

    @classmethod
    def of(cls, old: Report, new: Report) -> Comparison:
        before = {(each.case, each.column): each for each in old.outcomes}
        after = {(each.case, each.column): each for each in new.outcomes}
        found = cls(
            SCHEMA,
            1,
            [],
            [],
            [],
            [f"{case} on {column}" for case, column in after if (case, column) not in before],
            [f"{case} on {column}" for case, column in before if (case, column) not in after],
            list(_notes(old, new)),
        )
        for key, now in after.items():
            if key in before:
                found._take(before[key], now, old, new)
        return found

    def _take(self, then: Outcome, now: Outcome, old: Report, new: Report) -> None:
        name = f"{now.case} on {now.column}"
        if now.why and not then.why:
            self.broke.append(f"{name}: {now.why}")
        if then.why and not now.why:
            self.mended.append(name)
        works = [
            next((case.iterations for case in report.cases if case.name == now.case), 0)
            for report in (old, new)
        ]
        if works[0] != works[1]:
            self.notes.append(f"{name}: {works[0]} operations then, {works[1]} now")
        self._add("guest", then, now, then.guest_ns, now.guest_ns, now.guest_change(then))
        self._add("host", then, now, then.host_ns, now.host_ns, now.host_change(then))

    def _add(
        self,
        figure: str,
        then: Outcome,
        now: Outcome,
        old: list[float],
        new: list[float],
        change: Change | None,
    ) -> None:
        if change is not None:
            self.differences.append(
                Difference(
                    now.case,
                    now.column,
                    figure,
                    median(old),
                    median(new),
                    change.ratio,
                    change.p,
                    change.claimed,
                )
            )
        elif old and new:
            self.notes.append(
                f"{now.case} on {now.column}: {then.clock} counted guest time then, {now.clock} now"
            )

    @property
    def claimed(self) -> list[Difference]:
        return [each for each in self.differences if each.claimed]

    def shown(self) -> Iterable[RenderableType]:
        """What a terminal shows."""
        from rich.box import SIMPLE_HEAD
        from rich.table import Table
        from rich.text import Text

        if self.claimed:
            table = Table(
                "benchmark", "on", "time/op", box=SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False
            )
            for heading in ("old", "new", "change", "p"):
                table.add_column(heading, justify="right")
            for each in self.claimed:
                style = "red" if each.new > each.old else "green"
                table.add_row(
                    each.case, each.column, each.figure, duration(each.old), duration(each.new),
                    f"[{style}]{_percent(each)}[/]", f"{each.p:.3f}",
                )  # fmt: skip
            yield table
        same = len(self.differences) - len(self.claimed)
        yield Text(f"{len(self.claimed)} figures differ; {same} show no difference that statistics carry")
        for title, lines in (
            ("fails now", self.broke),
            ("works now", self.mended),
            ("new", self.added),
            ("gone", self.removed),
            ("note", self.notes),
        ):
            for line in lines:
                yield Text(f"{title}: {line}")

    def json_text(self) -> str:
        """The comparison as one JSON document."""
        import cattrs

        return json.dumps(cattrs.unstructure(self), indent=1) + "\n"


def _percent(difference: Difference) -> str:
    ratio = difference.ratio
    return "" if ratio is None else f"{(ratio - 1) * 100:+.1f}%" if ratio < 10 else f"×{ratio:.0f}"


def _notes(old: Report, new: Report) -> Iterable[str]:
    for name in sorted({*old.versions} & {*new.versions}):
        if old.versions[name] != new.versions[name]:
            yield f"{name} {old.versions[name]} then, {new.versions[name]} now"
    then, now = old.machine.get("cpu", ""), new.machine.get("cpu", "")
    if then != now:
        yield f"another host then ({then or 'unknown'}): CPU times do not compare"
