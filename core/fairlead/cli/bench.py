"""`fairlead bench`."""

from __future__ import annotations

import re
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fairlead.errors import UsageError
from fairlead.plugins import find_port, installed

if TYPE_CHECKING:
    from fairlead.bench.report import Report
    from fairlead.bench.session import Session
    from fairlead.bench.targets import Target

__all__ = ["bench"]

_File = click.Path(path_type=Path)


@click.command(context_settings={"allow_interspersed_args": False})
@click.option("--port", "ports", multiple=True, metavar="PORT", help="A port, repeatable.  [default: all]")
@click.option(
    "--peer",
    "peers",
    multiple=True,
    metavar="PEER",
    help="native, qemu-x86_64 or qemu-riscv64, repeatable.  [default: all that are installed]",
)
@click.option("--no-peers", is_flag=True, help="Measure ports only.")
@click.option(
    "--baseline", metavar="PORT|PEER", help="What the others are compared with.  [default: the first]"
)
@click.option("--filter", "wanted", default="", metavar="REGEXP", help="Only benchmarks whose name matches.")
@click.option(
    "--count",
    type=click.IntRange(1, 1000),
    default=5,
    show_default=True,
    help="Repetitions; with fewer than four, no difference of CPU times can be claimed.",
)
@click.option(
    "--iterations",
    type=click.IntRange(3, 100_000_000),
    help="Operations in one run of each benchmark.  [default: some tenths of a second]",
)
@click.option(
    "--seconds",
    type=click.FloatRange(min=1),
    default=120.0,
    show_default=True,
    help="Host time that one run may take; a benchmark that hangs fails by it.",
)
@click.option("--allow-untested-go", is_flag=True, help="Try a Go version that a port's edits do not list.")
@click.option("--list", "listing", is_flag=True, help="Name the benchmarks that come with Fairlead.")
@click.option("--counts", is_flag=True, help="Say, too, what each operation takes: work, traps, calls.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document; the table goes to stderr.")
@click.option("--save", type=_File, metavar="FILE", help="Write the JSON document there.")
@click.option("-o", "--output", type=_File, metavar="FILE", help="Write Go's benchmark format there.")
@click.option("--html", "page", type=_File, metavar="FILE", help="Write a page with charts there.")
@click.option(
    "--compare",
    type=_File,
    nargs=2,
    metavar="OLD NEW",
    help="Run nothing; say what changed between two files of --save or --output.",
)
@click.argument("packages", nargs=-1, metavar="[PACKAGES]...")
def bench(
    ports: tuple[str, ...],
    peers: tuple[str, ...],
    no_peers: bool,
    baseline: str | None,
    wanted: str,
    count: int,
    iterations: int | None,
    seconds: float,
    allow_untested_go: bool,
    listing: bool,
    counts: bool,
    as_json: bool,
    save: Path | None,
    output: Path | None,
    page: Path | None,
    compare: tuple[Path, Path] | None,
    packages: tuple[str, ...],
) -> int:
    """Measure Go benchmarks on ports and on peers: those of PACKAGES, or a suite, hook by hook.

    For each operation: time as the guest sees it, and CPU time of the host, with a median, its spread, and a
    ratio to the baseline's where the measurements carry one ("~" where not). A port that fails a benchmark
    has a reason in its place. Ctrl-C keeps what is measured. Exits with 0 if all is well and 1 if something
    failed.
    """
    if listing:
        return _list()
    if compare is not None:
        return _compare(*compare, as_json=as_json)
    pattern = _pattern(wanted)
    for path in (save, output, page):
        if path is not None and not path.absolute().parent.is_dir():
            raise UsageError(f"{path} cannot be written: there is no folder {path.absolute().parent}")
    targets = _targets(ports, peers, no_peers, baseline, allow_untested_go)
    from fairlead.bench.session import Session

    report = _run(
        Session(
            targets,
            baseline or targets[0].name,
            packages,
            pattern,
            count,
            iterations,
            seconds,
        )
    )
    _write(report, save, output, page)
    _print(report, counts=counts, to_stderr=as_json)
    if as_json:
        from fairlead.bench.report import json_text

        click.echo(json_text(report), nl=False)
    if report.interrupted:
        click.echo("fairlead: interrupted; what was measured is kept", err=True)
        return 130
    return 0 if report.ok else 1


def _pattern(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except (re.error, RecursionError, OverflowError) as error:
        raise UsageError(f"--filter {text}: no regular expression: {error}") from error


def _targets(
    ports: Sequence[str], peers: Sequence[str], no_peers: bool, baseline: str | None, untested: bool
) -> list[Target]:
    """Columns in the order they were named; the baseline is one of them."""
    from fairlead.bench.targets import PEERS, find_peers, of_peer, of_port
    from fairlead.guest.cache import Cache
    from fairlead.guest.toolchain import find_toolchain

    for name in peers:
        if name not in PEERS:
            raise UsageError(f"no peer is called {name!r}", hint=f"peers: {', '.join(PEERS)}")
    names = list(dict.fromkeys(ports)) or sorted(installed().ports)
    if baseline is not None and baseline not in PEERS and baseline not in names:
        names.append(find_port(baseline).name)
    found = [find_port(name) for name in names]
    if no_peers:
        peers = ()
    elif not peers:
        peers = find_peers([each.guest.goarch for each in found])
    wanted = list(dict.fromkeys(peers))
    if baseline in PEERS and baseline not in wanted:
        wanted.append(baseline)
    toolchain, cache = find_toolchain(), Cache()
    return [
        *(of_port(each, toolchain, cache, allow_untested=untested) for each in found),
        *(of_peer(name, toolchain, cache) for name in wanted),
    ]


def _list() -> int:
    from fairlead.bench.suite import SUITE

    for name, about in SUITE.items():
        click.echo(f"{name:<15} {about.group:<14} {about.sentence}")
    return 0


def _run(session: Session) -> Report:
    from fairlead.guest.progress import StatusLine

    status = StatusLine()
    session.tell = status.show
    if not sys.stderr.isatty():
        session.told = lambda case: click.echo(f"{case.name}: measured", err=True)
    with _ended_like_interrupted():
        try:
            return session.run()
        finally:
            status.clear()


@contextmanager
def _ended_like_interrupted() -> Iterator[None]:
    """Whoever tells us to end (`timeout`, a CI runner) is given what is measured, as Ctrl-C is."""

    def end(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _write(report: Report, save: Path | None, output: Path | None, page: Path | None) -> None:
    from fairlead.bench.exchange import to_text
    from fairlead.bench.report import json_text

    texts = [(save, json_text), (output, to_text)]
    if page is not None:
        from fairlead.bench.page import html

        texts.append((page, html))
    for path, render in texts:
        if path is not None:
            try:
                path.write_text(render(report), "utf-8")
            except OSError as error:
                click.echo(f"fairlead: {path} cannot be written: {error.strerror}", err=True)


def _print(report: Report, *, counts: bool, to_stderr: bool) -> None:
    from rich.console import Console

    from fairlead.bench import table

    console = Console(stderr=to_stderr)
    for each in table.tables(report):
        console.print(each)
        console.print()
    if counts:
        for line in table.counts(report):
            click.echo(click.wrap_text(line, 80, subsequent_indent="    "), err=to_stderr)
        click.echo(err=to_stderr)
    for line in table.footnotes(report):
        click.echo(line, err=to_stderr)


def _compare(old: Path, new: Path, *, as_json: bool) -> int:
    from rich.console import Console

    from fairlead.bench.compare import Comparison
    from fairlead.bench.report import read_report

    comparison = Comparison.of(read_report(old), read_report(new))
    console = Console(stderr=as_json)
    for each in comparison.shown():
        console.print(each)
    if as_json:
        click.echo(comparison.json_text(), nl=False)
    return 0
