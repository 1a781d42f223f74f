"""`fairlead run` and `fairlead exec`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from fairlead.cli.hosttime import ended_after
from fairlead.cli.options import GuestCommand, common_options, parse_duration, settings_from
from fairlead.errors import UsageError
from fairlead.guest.image import load_image
from fairlead.launch import launch, parse_checks, parse_options
from fairlead.plugins import find_port
from fairlead.port import Mount, Port

__all__ = ["exec_", "run"]

_PASSED = ("PATH", "HOME", "TMPDIR", "TZ")
_ELF = b"\x7fELF"

_TEST_FILES = (
    "testlogfile", "coverprofile", "cpuprofile", "memprofile", "blockprofile", "mutexprofile", "trace",
)  # fmt: skip
_TEST_FOLDERS = ("outputdir", "gocoverdir", "fuzzcachedir")


@click.command(cls=GuestCommand)
@click.option("--port", required=True, metavar="PORT", help="The port; `fairlead ports` lists them.")
@click.option("--allow-untested-go", is_flag=True, help="Try a Go version that the port's edits do not list.")
@click.option("--unfinished", is_flag=True, hidden=True, help="For conformance checks: hooks may be missing.")
@click.option("--adversity", is_flag=True, hidden=True, help="For conformance checks: serve their own calls.")
@common_options
@click.argument("program", metavar="PROGRAM|IMAGE")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[ARGS]...")
def run(
    port: str,
    allow_untested_go: bool,
    unfinished: bool,
    adversity: bool,
    program: str,
    arguments: tuple[str, ...],
    **values: Any,
) -> int:
    """Run a Go program (a package folder or a .go file) or a built image on a port.

    Standard input, output and error are the guest's. Everything after PROGRAM belongs to the guest. The
    guest's exit code is the command's; 128+s if signal s ended it, 123 deadlock or a limit, 124 --max-time,
    125 anything else.
    """
    found = find_port(port)
    environment = {key: value for key, value in os.environ.items() if key in _PASSED or key.startswith("GO")}
    settings = settings_from(values, environment=environment)
    settings = settings._replace(unfinished=unfinished, adversity=adversity)
    parse_options(found, settings.options)  # a wrong one is said before anything is built
    parse_checks(found, settings.check)
    path = Path(program)
    image_path = path if _is_image(path) else _build(found, program, allow_untested_go)
    name = path.name if image_path == path else path.stem or path.resolve().name
    outcome = launch(found, load_image(image_path), [name, *arguments], settings)
    return outcome.code


@click.command(name="exec", cls=GuestCommand)
@click.option("--port", required=True, metavar="PORT", help="The port the image was built for.")
@click.option(
    "--build-hash", hidden=True, expose_value=False, help="Keeps go test from a stale cached result."
)
@click.option("--time-hooks", is_flag=True, hidden=True, help="For bench: CPU time in hooks into --result.")
@click.option("--host-time", hidden=True, metavar="DURATION", help="End the guest after so much host time.")
@common_options
@click.argument("image", metavar="IMAGE")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[ARGS]...")
def exec_(
    port: str,
    time_hooks: bool,
    host_time: str | None,
    image: str,
    arguments: tuple[str, ...],
    **values: Any,
) -> int:
    """Run an image as `go test -exec` and `go run -exec` want it.

    The guest starts in the current folder, with the whole environment; it sees the enclosing module (or
    GOROOT) under its host path, with writes thrown away, and may write the folders that -test.* flags name.
    """
    found = find_port(port)
    cwd = Path.cwd()
    mounts = _test_mounts(arguments, cwd)
    enclosing = _enclosing(cwd)
    if str(enclosing) not in {each.guest for each in mounts}:
        mounts.insert(0, Mount(enclosing, str(enclosing), overlay=True))
    environment = {**os.environ, "TMPDIR": "/tmp", "PWD": str(cwd)}
    settings = settings_from(values, environment=environment, mounts=mounts, cwd=str(cwd))
    settings = settings._replace(time_hooks=time_hooks)
    limit = parse_duration(host_time) if host_time is not None else None
    with ended_after(limit, "--package-time gives a package more"):
        outcome = launch(found, load_image(Path(image)), [image, *arguments], settings)
    return outcome.code


def _is_image(path: Path) -> bool:
    """A file that is not Go source is meant as an image; what is wrong with it, loading it says."""
    if path.suffix == ".go" or not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(4) == _ELF or path.suffix != ".go"


def _build(port: Port, program: str, allow_untested_go: bool) -> Path:
    from fairlead.guest.build import build_program

    return build_program(port, program, allow_untested_go=allow_untested_go)


def _enclosing(folder: Path) -> Path:
    """The module's root, GOROOT for a package of the standard library, else the folder itself."""
    for each in (folder, *folder.parents):
        if (each / "go.mod").is_file():
            inside_goroot = each.name == "src" and (each.parent / "VERSION").is_file()
            if each.name == "cmd" and (each.parent.parent / "VERSION").is_file():
                return each.parent.parent
            return each.parent if inside_goroot else each
    return folder


def _test_mounts(arguments: tuple[str, ...], cwd: Path) -> list[Mount]:
    """The host folders that -test.* flags tell the test binary to write to."""
    flags = dict(
        word.lstrip("-").removeprefix("test.").split("=", 1)
        for word in arguments
        if word.startswith(("-test.", "--test.")) and "=" in word
    )
    folders = [Path(flags[name]) for name in _TEST_FOLDERS if flags.get(name)]
    folders += [Path(flags[name]).parent for name in _TEST_FILES if flags.get(name)]
    mounts: dict[str, Mount] = {}
    for folder in folders:
        place = (cwd / folder).resolve()
        if not place.is_dir():
            raise UsageError(f"a -test flag names {place}, which is no folder on the host")
        mounts[str(place)] = Mount(place, str(place), writable=True)
    return list(mounts.values())
