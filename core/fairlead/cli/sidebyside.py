"""A comparison as tables, ports across, and sentences on what differs."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence

import click
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from fairlead.observe.comparison import Column, Comparison, OutputGroup

__all__ = ["show"]

_WIDTH = 80
"""Of lines where standard output is no terminal."""
_LABEL = 20
_CELL = 9
_FREQUENT = 12
"""System calls shown unless all are asked for."""
_MOST_MESSAGES = 12
"""Lines of messages shown of a port where the program did not build."""
_ODD = "bold yellow"
_NAMES = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

Row = tuple[str, list[str], set[int]]
"""A label, a cell for each column, and the columns whose cell is to be noticed."""


def show(comparison: Comparison, *, everything: bool) -> None:
    """Print it, in as many tables as the width asks for."""
    console = Console(highlight=False, width=None if sys.stdout.isatty() else _WIDTH)
    rows = list(_rows(comparison, everything))
    widths = [max(len(each.port), _CELL) + 2 for each in comparison.columns]
    start = 0
    while start < len(widths):
        end, used = start, _LABEL + 2
        while end < len(widths) and (end == start or used + widths[end] <= console.width):
            used += widths[end]
            end += 1
        console.print(_table(comparison.columns[start:end], rows, start))
        start = end
    for sentence in _sentences(comparison, console.width):
        click.echo(sentence)


def _table(columns: Sequence[Column], rows: Sequence[Row], start: int) -> Table:
    table = Table("", box=SIMPLE_HEAD, pad_edge=False)
    table.columns[0].max_width = _LABEL
    table.columns[0].no_wrap = True
    for each in columns:
        table.add_column(each.port, justify="right", no_wrap=True, min_width=min(len(each.port), _CELL))
    for label, cells, noticed in rows:
        shown = [Text(cells[at], _ODD if at in noticed else "") for at in range(start, start + len(columns))]
        table.add_row(label, *shown)
    return table


def _rows(comparison: Comparison, everything: bool) -> Iterator[Row]:
    columns = comparison.columns
    group = {port: at for at, each in enumerate(comparison.outputs) for port in each.ports}
    odd = {at for at, each in enumerate(columns) if each.port in comparison.odd}

    def row(label: str, cell: Callable[[Column], str], noticed: set[int] | None = None) -> Row:
        return label, [cell(each) for each in columns], noticed or set()

    several = len(comparison.outputs) > 1
    yield row("output", lambda each: _output(each, group, several), odd if several else _bad(columns))
    codes = comparison.exit_codes
    yield row("exit code", _exit_code, odd if len(codes) > 1 else _bad(columns))
    if any(each.messages for each in columns if each.ran):
        yield row("lines on stderr", lambda each: _number(each.messages.count("\n")) if each.ran else "-")
    yield row("threads", lambda each: _number(each.threads))
    yield row("signals delivered", lambda each: _counted(each, each.hooks, "deliver_signal"))
    yield row("traps", lambda each: _sum(each, each.traps))
    for kind in sorted({kind for each in columns for kind in each.traps}):
        yield row(f"  {kind}", lambda each, kind=kind: _counted(each, each.traps, kind))  # type: ignore[misc]
    yield row("system calls", lambda each: _sum(each, each.system_calls))
    names = _frequent(columns)
    shown = names if everything else names[:_FREQUENT]
    for name in shown:
        yield row(f"  {name}", lambda each, name=name: _counted(each, each.system_calls, name))  # type: ignore[misc]
    if rest := names[len(shown) :]:

        def others(each: Column) -> str:
            return _number(sum(each.system_calls.get(name, 0) for name in rest)) if each.counted else "-"

        yield row(f"  {len(rest)} others", others)
    yield row("guest time", lambda each: _seconds(each.guest_time_ns, 10**9))
    yield row("  counted by", lambda each: each.clock or "-")
    yield row("host CPU time", lambda each: _seconds(each.host_cpu_s, 1))


def _bad(columns: Sequence[Column]) -> set[int]:
    return {at for at, each in enumerate(columns) if not each.ran}


def _output(column: Column, group: Mapping[str, int], several: bool) -> str:
    if not column.ran:
        return "-"
    lines = column.output.count("\n") + (not column.output.endswith("\n") and bool(column.output))
    text = f"{lines} line{'' if lines == 1 else 's'}"
    at = group[column.port]
    return f"{_NAMES[at % len(_NAMES)]}: {text}" if several else text


def _exit_code(column: Column) -> str:
    return column.state if column.exit_code is None else str(column.exit_code)


def _frequent(columns: Sequence[Column]) -> list[str]:
    most: Counter[str] = Counter()
    for each in columns:
        for name, count in each.system_calls.items():
            most[name] = max(most[name], count)
    return sorted(most, key=lambda name: (-most[name], name))


def _number(value: int | None) -> str:
    return "-" if value is None else f"{value:,}"


def _counted(column: Column, counts: Mapping[str, int], name: str) -> str:
    return _number(counts.get(name, 0)) if column.counted else "-"


def _sum(column: Column, counts: Mapping[str, int]) -> str:
    return _number(sum(counts.values())) if column.counted else "-"


def _seconds(value: float | None, unit: int) -> str:
    if value is None:
        return "-"
    seconds = value / unit
    return f"{seconds * 1000:.3f} ms" if seconds < 0.1 else f"{seconds:,.2f} s"


def _sentences(comparison: Comparison, width: int) -> Iterator[str]:
    """What is the same, what differs, and why there is nothing where there is nothing."""

    def wrapped(text: str) -> str:
        return click.wrap_text(text, width, subsequent_indent="  ")

    columns = comparison.columns
    groups = comparison.outputs
    if comparison.agree:
        yield wrapped(f"output and exit code: the same on {_all_of(columns)}")
    for each in groups[1:]:
        yield wrapped(
            f"output: {_names(each.ports)} {'differs' if len(each.ports) == 1 else 'differ'} from "
            f"{_names(groups[0].ports)}, {_place(each)}"
        )
        yield from _lines(groups[0], each, width)
    if len(comparison.exit_codes) > 1:
        said = "; ".join(f"{code} on {_names(ports)}" for code, ports in comparison.exit_codes.items())
        yield wrapped(f"exit code: {said}")
    majority = [each.port for each in columns if each.port not in comparison.odd]
    if comparison.odd and len(majority) > 1:
        verb = "stands" if len(comparison.odd) == 1 else "stand"
        yield wrapped(f"odd: {_names(comparison.odd)} {verb} against {_names(majority)}, which agree")
    for ports, calls in comparison.calls_of_some:
        yield wrapped(f"calls of {_names(ports)} only: {', '.join(calls)}")
    for column in columns:
        if column.unknown_calls:
            unknown = ", ".join(f"{name} ({count})" for name, count in column.unknown_calls.items())
            yield wrapped(f"calls that {column.port} does not have: {unknown}")
    if len(comparison.clocks) > 1:
        said = "; ".join(f"{clock} on {_names(ports)}" for clock, ports in comparison.clocks.items())
        yield wrapped(f"guest times do not compare, they count {said}")
    yield from _reasons(comparison, wrapped)


def _reasons(comparison: Comparison, wrapped: Callable[[str], str]) -> Iterator[str]:
    """Why a port has no results, or what one that is odd said last."""
    reasons: dict[tuple[str, str], list[str]] = {}
    for column in comparison.columns:
        said = [line for line in column.messages.splitlines() if line.strip()]
        if column.why:
            messages = "\n".join(said[:_MOST_MESSAGES]) if column.state == "not built" else ""
            reasons.setdefault((f"{column.state}: {_printable(column.why)}", messages), []).append(
                column.port
            )
        elif said and column.port in comparison.odd:
            reasons.setdefault((f"said last: {_printable(said[-1])}", ""), []).append(column.port)
    for (why, messages), ports in reasons.items():
        yield wrapped(f"{_names(ports)} {why}")
        yield from (f"    {_printable(line)}" for line in messages.splitlines())


def _place(group: OutputGroup) -> str:
    return f"first in line {group.line}:" if group.line else "far from its beginning"


def _lines(first: OutputGroup, other: OutputGroup, width: int) -> Iterator[str]:
    if not other.line:
        return
    names = [_short(first.ports), _short(other.ports)]
    margin = max(map(len, names))
    for name, line in zip(names, (other.reference, other.text), strict=True):
        shown = "(ends before)" if line is None else _printable(line)
        room = max(width - margin - 4, 20)
        yield f"  {name:{margin}}  {shown if len(shown) <= room else shown[: room - 1] + '…'}"


def _printable(line: str) -> str:
    """As it stands, but for characters that would do something to the terminal."""
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in line)


def _short(ports: Sequence[str]) -> str:
    return ports[0] if len(ports) == 1 else f"{ports[0]}, …"


def _names(ports: Sequence[str]) -> str:
    return ports[0] if len(ports) == 1 else f"{', '.join(ports[:-1])} and {ports[-1]}"


def _all_of(columns: Sequence[Column]) -> str:
    return _names([each.port for each in columns]) if len(columns) < 3 else f"all {len(columns)} ports"
