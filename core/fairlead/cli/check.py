"""`fairlead check`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fairlead.errors import UsageError
from fairlead.guest.progress import StatusLine
from fairlead.plugins import find_port, installed
from fairlead.port import Port
from fairlead.testing.check import Check, Outcome
from fairlead.testing.checks import every_check

if TYPE_CHECKING:
    from fairlead.testing.report import Report

__all__ = ["check"]


@click.command()
@click.option(
    "--port", "names", multiple=True, metavar="PORT", help="A port to try, repeatable.  [default: all]"
)
@click.option(
    "--only",
    "patterns",
    multiple=True,
    metavar="PATTERN",
    help="Only the checks of this name; * stands for anything: 'signals.*'. Repeatable.",
)
@click.option("--list", "listing", is_flag=True, help="Say what is checked, and why; run nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document; the matrix goes to stderr.")
@click.option(
    "--save", type=click.Path(path_type=Path), metavar="FILE", help="Write the JSON document there."
)
@click.option("--html", "page", type=click.Path(path_type=Path), metavar="FILE", help="Write a page there.")
@click.option("--jobs", type=click.IntRange(1, 256), help="Trials at the same time.  [default: one a core]")
@click.option(
    "--seconds",
    type=click.FloatRange(min=1),
    default=60.0,
    show_default=True,
    help="Host time that one run may take; a port that hangs fails by it.",
)
def check(
    names: tuple[str, ...],
    patterns: tuple[str, ...],
    listing: bool,
    as_json: bool,
    save: Path | None,
    page: Path | None,
    jobs: int | None,
    seconds: float,
) -> int:
    """Put ports through the conformance kit: what Go's runtime relies on, hook by hook.

    Prints a matrix, hooks down and ports across, and what failed with the reason. Each trial runs in
    processes of its own: a port that crashes, hangs or eats memory fails its own checks only. Exits with 0
    if all is well and 1 if something failed.
    """
    checks = _chosen(patterns)
    if listing:
        _list(checks)
        return 0
    ports = [find_port(name) for name in dict.fromkeys(names)] or list(installed().ports.values())
    broken = {} if names else dict(installed().failures)
    if not ports and not broken:
        raise UsageError("no port is installed", hint="`fairlead doctor` says what is there")
    for path in (save, page):
        if path is not None and not path.absolute().parent.is_dir():
            raise UsageError(f"{path} cannot be written: there is no folder {path.absolute().parent}")
    from fairlead.testing.report import Report, html, json_text

    outcomes = _try(ports, checks, seconds, jobs)
    report = Report.of(checks, [port.name for port in ports], outcomes, broken)
    _print(report, to_stderr=as_json)
    if as_json:
        click.echo(json_text(report), nl=False)
    if save is not None:
        save.write_text(json_text(report), "utf-8")
    if page is not None:
        page.write_text(html(report), "utf-8")
    return 0 if report.ok else 1


def _chosen(patterns: Sequence[str]) -> list[Check]:
    checks = every_check()
    for pattern in patterns:
        if not any(fnmatchcase(each.name, pattern) for each in checks):
            raise UsageError(
                f"--only {pattern}: no check is called so", hint="`fairlead check --list` names them"
            )
    return [each for each in checks if not patterns or any(fnmatchcase(each.name, it) for it in patterns)]


def _list(checks: Sequence[Check]) -> None:
    for each in checks:
        click.echo(each.name)
        for text in (each.sentence, f"hook {each.hook}; {each.source}"):
            click.echo(click.wrap_text(text, 80, initial_indent="    ", subsequent_indent="    "))


def _try(ports: Sequence[Port], checks: Sequence[Check], seconds: float, jobs: int | None) -> list[Outcome]:
    """The trial, with its progress: a line that changes on a terminal, a line a port elsewhere."""
    from fairlead.testing.trial import put_on_trial

    status = StatusLine()
    done: list[Outcome] = []

    def tell(outcome: Outcome) -> None:
        done.append(outcome)
        failed = sum(not each.passed for each in done)
        status.show(f"{len(done)} of {len(ports) * len(checks)} trials, {failed} failed")
        mine = [each for each in done if each.port == outcome.port]
        if len(mine) == len(checks) and not sys.stderr.isatty():
            passed = sum(each.passed for each in mine)
            click.echo(f"{outcome.port}: {passed} of {len(mine)} checks passed", err=True)

    status.show(f"building the kit's program for {len(ports)} ports")
    try:
        return put_on_trial(ports, checks, seconds=seconds, jobs=jobs, tell=tell)
    finally:
        status.clear()


def _print(report: Report, *, to_stderr: bool) -> None:
    from rich.console import Console

    from fairlead.testing.bringup import progress
    from fairlead.testing.report import failure_text, matrix

    console = Console(stderr=to_stderr)
    console.print(matrix(report))
    for name, reason in report.broken.items():
        click.echo(f"plugin {name!r} could not be loaded: {reason}", err=to_stderr)
    for outcome in report.outcomes:
        if not outcome.passed:
            click.echo(failure_text(report, outcome), err=to_stderr)
    for port in report.ports:
        mine = [each for each in report.outcomes if each.port == port]
        if not all(each.passed for each in mine):
            click.echo("\n".join(progress(port, mine)), err=to_stderr)
