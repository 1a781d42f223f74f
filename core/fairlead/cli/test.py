"""`fairlead test`."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from fairlead.cli.options import command_words, common_options, settings_from
from fairlead.errors import UsageError
from fairlead.guest.build import go_environment
from fairlead.guest.cache import Cache
from fairlead.guest.flags import take_goflags
from fairlead.guest.gocommand import adapt, runner
from fairlead.guest.gotest import Package, TestRun
from fairlead.guest.identity import host_hash
from fairlead.guest.overlay import make_overlay
from fairlead.guest.progress import StatusLine
from fairlead.guest.toolchain import find_toolchain
from fairlead.launch import parse_checks, parse_options
from fairlead.plugins import find_port

__all__ = ["test"]

_VERBOSE = {"-v", "-test.v"}
_BENCHMARKS = {"-bench", "-test.bench"}


@click.command(context_settings={"allow_interspersed_args": False})
@click.option("--port", required=True, metavar="PORT", help="The port; `fairlead ports` lists them.")
@click.option("--allow-untested-go", is_flag=True, help="Try a Go version that the port's edits do not list.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document; go's output goes to stderr.")
@common_options
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="[PACKAGES]... [-- GO-TEST-FLAGS...]")
def test(port: str, allow_untested_go: bool, as_json: bool, words: tuple[str, ...], **values: Any) -> int:
    """Run the Go tests of packages (standard library or your own; here if none is named) on a port.

    Each test runs in its package's folder. Exits with 0 if all passed and 1 if not.
    """
    found = find_port(port)
    packages, flags = _split(words)
    if any(flag.partition("=")[0] in ("-exec", "--exec") for flag in flags):
        raise UsageError("-exec is what runs the tests on the port", hint="leave it out")
    values = _absolute(values)
    # What cannot be understood is said once, not by every package.
    settings = settings_from(values, environment={})
    parse_options(found, settings.options)
    parse_checks(found, settings.check)
    cache = Cache()
    toolchain = find_toolchain()
    overlay = make_overlay(found, toolchain, cache, allow_untested=allow_untested_go)
    link, environment = take_goflags(go_environment(found, toolchain, cache))
    command = ["test", "-json", "-vet=off", "-count=1", *(packages or ["."]), *flags]
    run_by = runner(found, host_hash(), command_words(values))
    status = StatusLine()
    out = sys.stderr if as_json else sys.stdout

    def write(text: str) -> None:
        status.clear()
        out.write(text)
        out.flush()

    names = {flag.partition("=")[0] for flag in flags}
    tests = TestRun(write, verbose=bool(names & _VERBOSE), benchmarks=bool(names & _BENCHMARKS))

    def take(line: bytes) -> None:
        tests.take(line)
        status.show(_progress(tests.packages.values()))

    try:
        done = toolchain.run(
            adapt(command, found, overlay.flags(), run_by, link), environment=environment, on_line=take
        )
    finally:
        status.clear()
    results = tests.finish()
    if as_json:
        _print_json(found.name, toolchain.version, done.status, results)
    elif results:
        _print_table(results)
    if not results and done.status == 2:
        return 2  # go did not understand its flags
    return 0 if done.status == 0 else 1


def _split(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Packages, and the flags after `--` (which click has taken away if no package stands before it)."""
    if words and words[0].startswith("-"):
        return [], list(words)
    at = words.index("--") if "--" in words else len(words)
    for word in words[:at]:
        if word.startswith("-"):
            raise UsageError(
                f"{word} stands after a package",
                hint="options go in front of the packages, flags of go test after --",
            )
    return list(words[:at]), list(words[at + 1 :])


def _absolute(values: Mapping[str, Any]) -> dict[str, Any]:
    """Options that name host files, named from the root: each test runs in a folder of its own."""

    def from_root(name: str) -> str:
        return str(Path(name).absolute()) if name else name

    changed = dict(values)
    for option in ("strace", "result"):
        if changed[option] is not None:
            changed[option] = from_root(changed[option])
    changed["mount"] = tuple(
        f"{from_root(host)}:{rest}" if rest else host
        for host, _, rest in (text.partition(":") for text in values["mount"])
    )
    changed["trace"] = tuple(
        f"{kinds}={from_root(file)}" if file else kinds
        for kinds, _, file in (text.partition("=") for text in values["trace"])
    )
    return changed


def _progress(packages: Any) -> str:
    running = [each.package for each in packages if each.status == "running"]
    passed, failed = sum(each.passed for each in packages), sum(each.failed for each in packages)
    return (
        f"{passed} passed, {failed} failed; {len(packages) - len(running)} packages done: {' '.join(running)}"
    )


def _print_json(port: str, go: str, status: int, results: list[Package]) -> None:
    document = {
        "schema": "fairlead/test",
        "version": 1,
        "port": port,
        "go": go,
        "ok": status == 0,
        "packages": [
            {
                "package": each.package,
                "status": each.status,
                "passed": each.passed,
                "failed": each.failed,
                "skipped": each.skipped,
                "seconds": each.seconds,
                "failures": each.failures,
            }
            for each in results
        ],
    }
    click.echo(json.dumps(document, indent=2))


def _print_table(results: list[Package]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    table = Table("package", "", box=SIMPLE_HEAD)
    for heading in ("passed", "failed", "skipped", "seconds"):
        table.add_column(heading, justify="right")
    for each in results:
        style = None if each.status in ("pass", "skip") else "red"
        counts = (str(each.passed), str(each.failed), str(each.skipped), f"{each.seconds:.1f}")
        table.add_row(each.package, each.status, *counts, style=style)
    if len(results) > 1:
        sums = (str(sum(getattr(each, name) for each in results)) for name in ("passed", "failed", "skipped"))
        table.add_section()
        table.add_row(f"{len(results)} packages", "", *sums, "")
    Console(stderr=True, width=None if sys.stderr.isatty() else 200).print(table)
