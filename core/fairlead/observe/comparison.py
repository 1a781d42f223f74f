"""Runs of one program on several ports, side by side: what differs, and between whom."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import cattrs

__all__ = ["Column", "Comparison", "OutputGroup", "compare"]

_SHOWN = 200
"""Characters of a line that is shown because it differs."""
_LEAD = 20
"""How many of them stand before the first that differs, where the line is longer."""


@dataclass(slots=True)
class Column:
    """One port's run."""

    port: str
    state: str
    """"ended", "stopped" (deadlock, a limit, --max-time), or what went wrong: "not loaded", "not built",
    "hung", "killed", "failed"."""
    why: str = ""
    exit_code: int | None = None
    """As the command gives it: 128 + s for a guest that signal s ended."""
    output: str = ""
    """The beginning of standard output (1 MiB)."""
    output_sha256: str = ""
    messages: str = ""
    """Standard error, Fairlead's own lines included."""
    clock: str = ""
    guest_time_ns: int | None = None
    host_cpu_s: float | None = None
    """User and system, of the whole process."""
    threads: int | None = None
    """All that were ever started, the first one too."""
    hooks: Mapping[str, int] = field(default_factory=dict)
    traps: Mapping[str, int] = field(default_factory=dict)
    system_calls: Mapping[str, int] = field(default_factory=dict)
    unknown_calls: Mapping[str, int] = field(default_factory=dict)

    @property
    def ran(self) -> bool:
        """Is its output the program's, whole, and its exit code too?"""
        return self.state in ("ended", "stopped")

    @property
    def counted(self) -> bool:
        """Are there counts? A run that was stopped leaves none."""
        return self.state == "ended"


@dataclass(slots=True)
class OutputGroup:
    """Ports with the same output; the first group is what the others are held against."""

    ports: list[str]
    sha256: str
    line: int = 0
    """The first line that differs from the first group's; 0 for that group itself."""
    text: str | None = None
    """That line; None where the output ends before it."""
    reference: str | None = None
    """What the first group has there."""


@dataclass(slots=True)
class Comparison:
    """The runs, and what differs between them."""

    agree: bool
    """Did all run, with the same output and exit code?"""
    columns: list[Column]
    outputs: list[OutputGroup]
    exit_codes: dict[int, list[str]]
    calls_of_some: list[tuple[list[str], list[str]]]
    """Ports, and the calls that they make and no other port of those that were counted."""
    clocks: dict[str, list[str]]
    """What counted guest time, and on which ports; times of unlike kinds do not compare."""
    odd: list[str]
    """Ports that differ in output or exit code from a majority that agrees, or that did not run."""

    def document(self) -> dict[str, Any]:
        """For --json."""
        document: dict[str, Any] = cattrs.unstructure(self)
        return document


def compare(columns: Sequence[Column]) -> Comparison:
    """What differs between the runs."""
    ran = [each for each in columns if each.ran]
    outputs = _outputs(ran)
    codes = _grouped(ran, lambda each: each.exit_code)
    counted = [each for each in columns if each.counted]
    return Comparison(
        agree=len(ran) == len(columns) and len(outputs) == len(codes) == 1,
        columns=list(columns),
        outputs=outputs,
        exit_codes={int(code): ports for code, ports in codes.items()},
        calls_of_some=_calls_of_some(counted),
        clocks=_grouped(counted, lambda each: each.clock),
        odd=_odd(columns),
    )


def _grouped(columns: Iterable[Column], key: Callable[[Column], Any]) -> dict[Any, list[str]]:
    """Ports by what they have, the largest group first, and of equal ones the one with the first port."""
    groups: dict[Any, list[str]] = {}
    for each in columns:
        groups.setdefault(key(each), []).append(each.port)
    return dict(sorted(groups.items(), key=lambda item: -len(item[1])))


def _odd(columns: Sequence[Column]) -> list[str]:
    def what(column: Column) -> Hashable:
        return (column.output_sha256, column.exit_code) if column.ran else None

    groups = _grouped(columns, what)
    failed = groups.pop(None, [])
    sizes = [len(ports) for ports in groups.values()]
    majority = len(sizes) > 1 and sizes[0] > sizes[1]
    apart = [port for ports in list(groups.values())[1:] for port in ports] if majority else []
    return [each.port for each in columns if each.port in apart or each.port in failed]


def _calls_of_some(counted: Sequence[Column]) -> list[tuple[list[str], list[str]]]:
    if len(counted) < 2:
        return []
    names = sorted({name for each in counted for name in each.system_calls})
    makers: dict[tuple[str, ...], list[str]] = {}
    for name in names:
        ports = tuple(each.port for each in counted if name in each.system_calls)
        if len(ports) < len(counted):
            makers.setdefault(ports, []).append(name)
    places = {each.port: at for at, each in enumerate(counted)}
    order = sorted(makers, key=lambda ports: (len(ports), [places[port] for port in ports]))
    return [(list(ports), makers[ports]) for ports in order]


def _outputs(ran: Sequence[Column]) -> list[OutputGroup]:
    texts = {each.output_sha256: each.output for each in ran}
    found: list[OutputGroup] = []
    for sha256, ports in _grouped(ran, lambda each: each.output_sha256).items():
        if not found:
            found.append(OutputGroup(ports, sha256))
            continue
        line, text, reference = _first_difference(texts[sha256], texts[found[0].sha256])
        found.append(OutputGroup(ports, sha256, line, text, reference))
    return found


def _first_difference(text: str, reference: str) -> tuple[int, str | None, str | None]:
    """The number of the first line that differs, and the line on both sides, cut to what shows it.

    Line 0 where the difference is beyond what was kept of the outputs.
    """
    lines, others = text.split("\n"), reference.split("\n")
    for at in range(max(len(lines), len(others))):
        one = lines[at] if at < len(lines) else None
        other = others[at] if at < len(others) else None
        if one != other:
            start = _start(one or "", other or "")
            return at + 1, _cut(one, start), _cut(other, start)
    return 0, None, None


def _start(one: str, other: str) -> int:
    """Where to begin, so that the first characters that differ are shown."""
    if max(len(one), len(other)) <= _SHOWN:
        return 0
    same = next(
        (at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other))
    )
    return max(0, same - _LEAD)


def _cut(line: str | None, start: int) -> str | None:
    if line is None:
        return None
    before = "…" if start else ""
    after = "…" if len(line) > start + _SHOWN else ""
    return f"{before}{line[start : start + _SHOWN]}{after}"
