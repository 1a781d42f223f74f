"""`fairlead compare`."""

from __future__ import annotations

import io
import os
import signal
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, redirect_stderr
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

from fairlead.cli.options import COMMON, GuestCommand, command_words, settings_from
from fairlead.errors import FairleadError, UsageError
from fairlead.guest.progress import StatusLine
from fairlead.plugins import find_port, installed
from fairlead.port import Port

if TYPE_CHECKING:
    from fairlead.observe.comparison import Column
    from fairlead.testing.runner import Ran, Runner

__all__ = ["compare"]

_OPTIONS = ("env", "mount", "seed", "clock", "epoch", "memory", "max_time", "counter")
_MOST_INPUT = 64 << 20
_STOPPED = (123, 124)
_HOST_MEMORY = 8 << 30
"""Bytes of address space that a run takes at the most, besides a guest memory that is asked for."""


def _options(function: Any) -> Any:
    """Those of `run` that mean the same on every port."""
    for names, attributes in reversed(COMMON):
        if names[-1] in _OPTIONS:
            function = click.option(names[0], names[-1], **attributes)(function)
    return function


@click.command(cls=GuestCommand)
@click.option(
    "--port", "names", multiple=True, metavar="PORT", help="A port to run on, repeatable.  [default: all]"
)
@click.option("--allow-untested-go", is_flag=True, help="Try a Go version that a port's edits do not list.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.option("--all", "everything", is_flag=True, help="Show every system call, not the most frequent only.")
@click.option("--jobs", type=click.IntRange(1, 256), help="Runs at the same time.  [default: one a core]")
@click.option(
    "--seconds",
    type=click.FloatRange(min=1),
    default=60.0,
    show_default=True,
    help="Host time that one run may take; a port that hangs ends by it.",
)
@_options
@click.argument("program", metavar="PROGRAM")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[ARGS]...")
def compare(
    names: tuple[str, ...],
    allow_untested_go: bool,
    as_json: bool,
    everything: bool,
    jobs: int | None,
    seconds: float,
    program: str,
    arguments: tuple[str, ...],
    **values: Any,
) -> int:
    """Run one Go program on all ports and lay what comes of it side by side.

    PROGRAM is a package folder, a .go file or an import path; everything after it belongs to the guest.
    Standard input, where it is no terminal, is read once and given to all. Each port runs in a process of
    its own. Exits with 0 if output and exit code agree, 1 if not.
    """
    from fairlead.guest.build import resolve
    from fairlead.observe.comparison import compare as hold_together
    from fairlead.testing.runner import Runner

    if Path(program).is_file() and not program.endswith(".go"):
        raise UsageError(
            f"{program} is no Go program", hint="an image is one port's; name what it was built from"
        )
    target = resolve(program)
    memory = _checked_memory(values)
    ports = [find_port(name) for name in dict.fromkeys(names)] or list(installed().ports.values())
    broken = {} if names else dict(installed().failures)
    if not ports:
        raise UsageError("no port is installed", hint="`fairlead doctor` says what is there")
    stdin = _input()
    with _signals_leave(), tempfile.TemporaryDirectory(prefix="fairlead-compare-") as folder:
        images, failed = _build(ports, program, target.name, Path(folder), allow_untested_go)
        if not images:
            raise _nothing_built(list(failed.values()))
        words = [*command_words({name: values[name] for name in _OPTIONS})]
        runner = Runner(seconds=seconds, memory=_HOST_MEMORY + (memory or 0))
        ran = _run(images, words, arguments, stdin, runner, jobs)
    columns = [ran[each.name] if each.name in ran else failed[each.name][0] for each in ports]
    columns += [_column(name, "not loaded", why) for name, why in sorted(broken.items())]
    comparison = hold_together(columns)
    if as_json:
        import json

        document = {"schema": "fairlead/compare", "version": 1, "program": program, "arguments": arguments}
        click.echo(json.dumps({**document, **comparison.document()}, indent=2))
    else:
        from fairlead.cli.sidebyside import show

        show(comparison, everything=everything)
    return 0 if comparison.agree else 1


def _checked_memory(values: Mapping[str, Any]) -> int | None:
    """Say once what every run would say of the options; the guest's memory if that is one of them."""
    rest = {names[-1]: () if more.get("multiple") else more.get("default") for names, more in COMMON}
    return settings_from({**rest, **values}, environment={}).memory


def _input() -> bytes:
    if sys.stdin is None or sys.stdin.isatty():
        return b""
    data = sys.stdin.buffer.read(_MOST_INPUT + 1)
    if len(data) > _MOST_INPUT:
        raise UsageError(
            f"standard input is longer than {_MOST_INPUT >> 20} MiB",
            hint="give the program a file by --mount",
        )
    return data


def _column(port: str, state: str, why: str) -> Column:
    from fairlead.observe.comparison import Column

    return Column(port, state, why)


_Failed = tuple["Column", FairleadError]


def _build(
    ports: Sequence[Port], program: str, name: str, folder: Path, allow_untested_go: bool
) -> tuple[dict[str, Path], dict[str, _Failed]]:
    """Images by port, each under the program's name so that all see the same argv[0]; and what failed."""
    from fairlead.guest.build import build_program

    images: dict[str, Path] = {}
    failed: dict[str, _Failed] = {}
    status = StatusLine()
    for at, port in enumerate(ports):
        status.show(f"building {name} for {port.name}")
        said = io.TextIOWrapper(io.BytesIO(), errors="backslashreplace", write_through=True)
        out = folder / str(at) / name
        out.parent.mkdir()
        try:
            with redirect_stderr(said):
                images[port.name] = build_program(port, program, out=out, allow_untested_go=allow_untested_go)
        except UsageError:
            raise  # of the program, whatever the port
        except FairleadError as error:
            column = _column(port.name, "not built", error.what)
            said.seek(0)
            column.messages = said.read()
            failed[port.name] = column, error
        finally:
            status.clear()
    return images, failed


def _nothing_built(failed: Sequence[_Failed]) -> FairleadError:
    """The first port's error, after what Go said of it; the others fail likewise."""
    column, error = failed[0]
    click.echo(column.messages, err=True, nl=False)
    return error


def _run(
    images: Mapping[str, Path],
    options: Sequence[str],
    arguments: Sequence[str],
    stdin: bytes,
    runner: Runner,
    jobs: int | None,
) -> dict[str, Column]:
    status = StatusLine()
    columns: dict[str, Column] = {}

    def one(port: str, image: Path) -> Column:
        try:
            ran = runner.run("run", f"--port={port}", *options, str(image), *arguments, stdin=stdin)
        except OSError as error:
            return _column(port, "failed", f"it cannot be started: {error.strerror or error}")
        return _judged(port, ran)

    with ThreadPoolExecutor(jobs or os.cpu_count() or 1) as pool:
        try:
            status.show(f"running on {', '.join(images)}")
            runs = {port: pool.submit(one, port, image) for port, image in images.items()}
            for port, run in runs.items():
                columns[port] = run.result()
        except BaseException:
            runner.stop()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
        finally:
            status.clear()
    return columns


@contextmanager
def _signals_leave() -> Iterator[None]:
    """Being told to end is an exception, so that the runs end, too, and nothing is left in TMPDIR."""

    def leave(number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    before = {number: signal.signal(number, leave) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _judged(port: str, ran: Ran) -> Column:
    from fairlead.observe.comparison import Column

    where = f" in hook {ran.hook}" if ran.hook else ""
    state, why = "ended", ""
    if ran.timed_out:
        state, why = "hung", f"it did not end within its time on the host{where}"
    elif ran.code < 0:
        state, why = "killed", f"its process was ended by signal {-ran.code}{where}; {ran.last_words}"
    elif not ran.record:
        state = "stopped" if ran.code in _STOPPED else "failed"
        why = ran.last_words or f"it ended with {ran.code} and said nothing"
    record = ran.record
    threads = ran.hooks.get("newosproc", 0) + 1 if record else None
    return Column(
        port=port,
        state=state,
        why=why,
        exit_code=ran.code if state in ("ended", "stopped") else None,
        output=ran.stdout,
        output_sha256=ran.digest,
        messages=ran.stderr,
        clock=record.get("clock", ""),
        guest_time_ns=record.get("guest_time_ns"),
        host_cpu_s=round(ran.host_seconds, 3),
        threads=threads,
        **{name: record.get(name, {}) for name in ("hooks", "traps", "system_calls", "unknown_calls")},
    )
