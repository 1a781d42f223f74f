"""`fairlead test`."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from fairlead.cli.options import command_words, common_options, parse_duration, settings_from
from fairlead.errors import UsageError
from fairlead.guest.build import go_environment
from fairlead.guest.cache import Cache
from fairlead.guest.flags import take_goflags
from fairlead.guest.gocommand import adapt, runner
from fairlead.guest.gotest import Package, TestRun
from fairlead.guest.identity import host_hash
from fairlead.guest.junit import write_junit
from fairlead.guest.overlay import make_overlay
from fairlead.guest.progress import Progress
from fairlead.guest.toolchain import find_toolchain
from fairlead.launch import parse_checks, parse_options
from fairlead.plugins import find_port

__all__ = ["test"]

_GO_LIMIT = 10 * 60 * 10**9
"""Nanoseconds that go test gives a package; a minute of host time later it ends it."""
_SETS = ("all", "cmd", "std", "tool", "work")
"""Names that stand for many packages (`go help packages`)."""
_MEMORY = 4 << 30
"""Bytes of RAM that a guest has unless told otherwise."""


@click.command(context_settings={"allow_interspersed_args": False})
@click.option("--port", required=True, metavar="PORT", help="The port; `fairlead ports` lists them.")
@click.option("--allow-untested-go", is_flag=True, help="Try a Go version that the port's edits do not list.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document; go's output goes to stderr.")
@click.option("--junit", metavar="FILE", help="Write the results of every test as JUnit XML, too.")
@click.option(
    "--package-time", default="10m", metavar="DURATION", show_default=True,
    help="End a package's tests after so much host time; the other packages go on.",
)  # fmt: skip
@common_options
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="[PACKAGES]... [-- GO-TEST-FLAGS...]")
def test(
    port: str,
    allow_untested_go: bool,
    as_json: bool,
    junit: str | None,
    package_time: str,
    words: tuple[str, ...],
    **values: Any,
) -> int:
    """Run the Go tests of packages (standard library or your own; here if none is named) on a port.

    PACKAGES are as go has them: std, ./..., fmt. Several are run at a time, as the host's CPUs and its free
    memory allow. Each test runs in its package's folder. Exits with 0 if all passed and 1 if not.
    """
    found = find_port(port)
    packages, flags = _split(words)
    if any(flag.partition("=")[0] in ("-exec", "--exec") for flag in flags):
        raise UsageError("-exec is what runs the tests on the port", hint="leave it out")
    values = _absolute(values)
    # What cannot be understood is said once, not by every package.
    settings = settings_from(values, environment={})
    limit = parse_duration(package_time)
    parse_options(found, settings.options)
    parse_checks(found, settings.check)
    cache = Cache()
    toolchain = find_toolchain()
    report = _Report(found.name, toolchain.version, as_json, _junit_path(junit))
    overlay = make_overlay(found, toolchain, cache, allow_untested=allow_untested_go)
    link, environment = take_goflags(go_environment(found, toolchain, cache))
    run_by = runner(found, host_hash(), [f"--host-time={package_time}", *command_words(values)])

    def adapted(words: Sequence[str]) -> list[str]:
        return adapt(words, found, overlay.flags(), run_by, link)

    names = {flag.lstrip("-").partition("=")[0].removeprefix("test.") for flag in flags}
    added = _added_flags(names, limit, settings.memory or _MEMORY)
    patterns = packages or ["."]
    command = adapted(["test", *added, *patterns, *flags])
    total = len(patterns)
    if any("..." in pattern or pattern in _SETS for pattern in patterns):
        listed = toolchain.run(adapted(["list", "-e", *patterns]), environment=environment)
        total = len(listed.output.splitlines())
    shown = Progress(total)
    out = sys.stderr if as_json else sys.stdout

    def write(text: str) -> None:
        shown.clear()
        out.write(text)
        out.flush()

    tests = TestRun(
        write,
        verbose="v" in names,
        benchmarks="bench" in names,
        ended=shown.ended,
        keep=report.junit is not None,
    )

    def take(line: bytes) -> None:
        tests.take(line)
        shown.running(tests.packages.values())

    status: int | None = None
    try:
        status = toolchain.run(command, environment=environment, on_line=take).status
    finally:
        # Whoever interrupts the run learns, too, what had ended.
        shown.clear()
        report.tell(tests.finish(), status)
    if not tests.packages and status == 2:
        return 2  # go did not understand its flags
    return 0 if status == 0 else 1


def _added_flags(given: Collection[str], limit: int, memory: int) -> list[str]:
    """The flags of go test that we add to those given."""
    flags = ["-json", "-vet=off", "-count=1"]
    if "timeout" not in given and limit > _GO_LIMIT:  # go ends tests by itself, too
        flags.append(f"-timeout={limit // 10**9}s")
    if "p" not in given:
        flags.append(f"-p={_at_a_time(memory)}")
    return flags


@dataclass(frozen=True, slots=True)
class _Report:
    """Where results go, once all packages have ended or the run has been interrupted."""

    port: str
    go: str
    as_json: bool
    junit: Path | None

    def tell(self, results: list[Package], status: int | None) -> None:
        """Print and write them; `status` is go's exit code, None if the run was interrupted."""
        if self.as_json:
            _print_json(self.port, self.go, status == 0, results)
        elif results:
            _print_table(results)
        if status is None:
            _say_interrupted(results)
        if self.junit is not None:
            write_junit(self.junit, results)


def _junit_path(name: str | None) -> Path | None:
    if name is None:
        return None
    path = Path(name).absolute()
    if not path.parent.is_dir():
        raise UsageError(f"--junit {name}: there is no folder {path.parent}")
    return path


def _at_a_time(memory: int) -> int:
    """Packages to test at a time: one for each CPU that we may use, as long as all guests' RAM fits into the
    host's free memory."""
    cpus = len(os.sched_getaffinity(0))
    try:
        lines = Path("/proc/meminfo").read_text("ascii").splitlines()
        free = next(int(line.split()[1]) << 10 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, ValueError, StopIteration):
        return cpus
    return max(1, min(cpus, free // memory))


def _say_interrupted(results: Sequence[Package]) -> None:
    running = [each.package for each in results if each.status == "running"]
    ended = len(results) - len(running)
    under_way = f" (under way: {' '.join(running)})" if running else ""
    print(f"fairlead: interrupted after {ended} packages had ended{under_way}", file=sys.stderr, flush=True)


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
    for option in ("strace", "result", "timeline"):
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


def _print_json(port: str, go: str, ok: bool, results: list[Package]) -> None:
    from cattrs import Converter
    from cattrs.gen import make_dict_unstructure_fn, override

    converter = Converter()
    leave = override(omit=True)
    converter.register_unstructure_hook(
        Package, make_dict_unstructure_fn(Package, converter, tests=leave, output=leave)
    )
    document = {
        "schema": "fairlead/test",
        "version": 1,
        "port": port,
        "go": go,
        "ok": ok,
        "packages": converter.unstructure(results),
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
