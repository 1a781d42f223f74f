"""`fairlead upgrade`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fairlead.errors import UsageError
from fairlead.guest.cache import Cache
from fairlead.guest.goversions import fetch_toolchain, version_key
from fairlead.guest.known import add_known, entry_text
from fairlead.guest.progress import StatusLine
from fairlead.guest.toolchain import Toolchain, find_toolchain
from fairlead.guest.upgrade import PACKAGES, PASSES, Trial, try_version
from fairlead.plugins import find_port
from fairlead.port import Port

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["upgrade"]

_SCHEMA = "fairlead/upgrade"
_MARKS = {"ok": "ok", "failed": "FAILED", "not reached": "-"}
_STYLES = {"ok": "green", "failed": "red", "not reached": "dim"}


@dataclass(slots=True)
class _Report:
    schema: str
    version: int
    ok: bool
    trials: list[Trial]
    first_break: dict[str, dict[str, str]]
    """By port and pass: the oldest Go version that breaks there."""
    written: dict[str, list[str]] = field(default_factory=dict)
    """By edits.toml: the paths whose `known` lists --write added to."""


@click.command()
@click.option("--port", "names", multiple=True, required=True, metavar="PORT", help="A port; repeatable.")
@click.option(
    "--go",
    "versions",
    multiple=True,
    required=True,
    metavar="VERSION",
    help="A Go version of the package index, or the path of a GOROOT; repeatable.",
)
@click.option(
    "--program",
    "programs",
    multiple=True,
    type=click.Path(exists=True, path_type=Path),
    metavar="PROGRAM",
    help="A package folder or .go file to build, too; repeatable.",
)
@click.option(
    "--write", is_flag=True, help="Add versions that pass to the `known` lists of the ports' edits.toml."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.argument("packages", nargs=-1, metavar="[PACKAGES]...")
def upgrade(
    names: tuple[str, ...],
    versions: tuple[str, ...],
    programs: tuple[Path, ...],
    write: bool,
    as_json: bool,
    packages: tuple[str, ...],
) -> int:
    """Try ports with Go versions, in passes: edits apply, programs build, tests build, tests run.

    Says where each version breaks first, and which versions and hashes a port's edits.toml may list.
    PACKAGES are those whose tests are built and run; a few of the standard library if none is named. Exits
    with 0 if all versions pass on all ports, 1 if not.
    """
    ports = [find_port(name) for name in dict.fromkeys(names)]
    if wrong := [each for each in packages if each.startswith("-")]:
        raise UsageError(f"{wrong[0]} is no package", hint="options go in front of the packages")
    cache = Cache()
    toolchains = _toolchains(versions, cache)
    status = StatusLine()
    trials = []
    for port in ports:
        for toolchain in toolchains:
            prefix = f"{port.name} with Go {toolchain.version}: "

            def tell(text: str, prefix: str = prefix) -> None:
                status.show(prefix + text)

            try:
                trials.append(
                    try_version(
                        port,
                        toolchain,
                        cache,
                        packages=packages or PACKAGES,
                        programs=[each.resolve() for each in programs],
                        tell=tell,
                    )
                )
            finally:
                status.clear()
    report = _Report(_SCHEMA, 1, all(each.ok for each in trials), trials, _first_breaks(trials))
    if write:
        report.written = _write(ports, trials)
    if as_json:
        _print_json(report)
    else:
        _print(report, ports)
    return 0 if report.ok else 1


def _toolchains(versions: Sequence[str], cache: Cache) -> list[Toolchain]:
    """Oldest first; the one that is used anyway is not fetched again."""
    found: dict[Path, Toolchain] = {}
    for version in versions:
        if "/" in version:
            toolchain = find_toolchain(version, by=f"--go {version}")
        else:
            toolchain = _installed(version) or fetch_toolchain(version, cache)
        found[toolchain.goroot] = toolchain
    return sorted(found.values(), key=lambda each: (version_key(each.version), each.goroot))


def _installed(version: str) -> Toolchain | None:
    from fairlead.errors import ToolError

    try:
        toolchain = find_toolchain()
    except ToolError:
        return None
    return toolchain if toolchain.version == version.removeprefix("go") else None


def _first_breaks(trials: Sequence[Trial]) -> dict[str, dict[str, str]]:
    breaks: dict[str, dict[str, str]] = {}
    for trial in trials:  # a port's, oldest version first
        mine = breaks.setdefault(trial.port, {})
        if trial.breaks:
            mine.setdefault(trial.breaks, trial.go)
    return breaks


def _write(ports: Sequence[Port], trials: Sequence[Trial]) -> dict[str, list[str]]:
    written: dict[str, list[str]] = {}
    for port in ports:
        for trial in trials:
            if trial.port == port.name and trial.ok and any(not each.listed for each in trial.pairs):
                assert port.guest.overlay is not None
                edits = port.guest.overlay / "edits.toml"
                written.setdefault(str(edits), []).extend(add_known(edits, trial.pairs))
    return written


def _print_json(report: _Report) -> None:
    import json

    import cattrs

    click.echo(json.dumps(cattrs.unstructure(report), indent=2))


def _print(report: _Report, ports: Sequence[Port]) -> None:
    from rich.console import Console

    # Where it is no terminal, lines that are to be copied stay whole.
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 80)
    for port in ports:
        trials = [each for each in report.trials if each.port == port.name]
        _print_table(console, port.name, trials)
        for trial in trials:
            _print_problems(trial)
        for name, version in report.first_break[port.name].items():
            click.echo(f"{port.name}: {name!r} breaks first with Go {version}")
        _print_pairs(port, trials, report)


def _print_table(console: Console, name: str, trials: Sequence[Trial]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table(name, box=SIMPLE_HEAD)
    for trial in trials:
        table.add_column(f"Go {trial.go}")
    for at, title in enumerate(PASSES):
        cells = []
        for trial in trials:
            each = trial.passes[at]
            note = f" ({each.note})" if each.note else ""
            cells.append(Text(_MARKS[each.status], _STYLES[each.status]) + Text(note, "dim"))
        table.add_row(title, *cells)
    console.print(table)


def _print_problems(trial: Trial) -> None:
    for each in trial.passes:
        for problem in each.problems:
            click.echo(f"{trial.port} with Go {trial.go}: {each.name}: {problem.what}")
            for title, text in (("its anchor:", problem.anchor), ("", problem.output)):
                if text:
                    click.echo(
                        "".join(f"    {line}\n" for line in (title, *text.splitlines()) if line), nl=False
                    )
            if problem.nearest:
                click.echo(f"    the most like it is line {problem.nearest}")


def _print_pairs(port: Port, trials: Sequence[Trial], report: _Report) -> None:
    good = [each for each in trials if each.ok and any(not pair.listed for pair in each.pairs)]
    if port.guest.overlay is None or not good:
        return
    edits = port.guest.overlay / "edits.toml"
    if str(edits) in report.written:
        for trial in good:
            click.echo(f"{edits}: Go {trial.go} is listed now")
        return
    click.echo(f"{edits} may list (--write does it):")
    for path in dict.fromkeys(pair.path for trial in good for pair in trial.pairs if not pair.listed):
        click.echo(f"  {path}")
        for pair in (pair for trial in good for pair in trial.pairs if pair.path == path and not pair.listed):
            click.echo(f"    {{ {entry_text(pair)} }}")
