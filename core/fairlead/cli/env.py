"""`fairlead env`."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import click

from fairlead.guest.cache import Cache, digest, write_atomically
from fairlead.guest.gocommand import COMMANDS
from fairlead.guest.overlay import make_overlay
from fairlead.guest.toolchain import Toolchain, find_toolchain
from fairlead.plugins import find_port
from fairlead.port import Port

__all__ = ["env"]


@click.command()
@click.option("--port", required=True, metavar="PORT", help="The port; `fairlead ports` lists them.")
@click.option("--allow-untested-go", is_flag=True, help="Try a Go version that the port's edits do not list.")
def env(port: str, allow_untested_go: bool) -> None:
    """Print shell lines that put a go command first on PATH which builds for a port and runs there.

    Use it as: eval "$(fairlead env --port PORT)"
    """
    found = find_port(port)
    cache = Cache()
    toolchain = find_toolchain()
    make_overlay(found, toolchain, cache, allow_untested=allow_untested_go)  # say now what will not do
    folder = _install(_script(found, toolchain, allow_untested_go), cache)
    click.echo(f'export PATH={shlex.quote(str(folder))}:"$PATH"')
    click.echo("export GOTOOLCHAIN=local")
    click.echo("export CGO_ENABLED=0")
    click.echo(f'# eval "$(fairlead env --port {shlex.quote(found.name)})"')


def _script(port: Port, toolchain: Toolchain, allow_untested: bool) -> str:
    go = shlex.quote(str(toolchain.go))
    words = [sys.executable, "-P", "-m", "fairlead.cli.shim", port.name]
    words += ["--allow-untested-go"] if allow_untested else []
    return f"""\
#!/bin/sh
# The go command for the port {port.name}, written by `fairlead env`: commands that build guest code get the
# port's overlay, link flags and -exec; everything else is the toolchain's own.
case "$1" in
{"|".join(COMMANDS)}|-C|-C=*|--C|--C=*)
	FAIRLEAD_GO={shlex.quote(str(toolchain.goroot))} exec {shlex.join(words)} "$@" ;;
*)
	exec {go} "$@" ;;
esac
"""


def _install(script: str, cache: Cache) -> Path:
    """The folder of a `go` that does as the script says, and stays what it is while shells use it."""
    data = script.encode()
    folder = cache.folder("shims", digest(data))
    go = folder / "go"
    try:
        if not go.is_file() or go.read_bytes() != data:
            write_atomically(go, data, 0o755)
    except OSError as error:
        raise cache.refused(error) from error
    return folder
