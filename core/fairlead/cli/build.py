"""`fairlead build`."""

from __future__ import annotations

from pathlib import Path

import click

from fairlead.errors import UsageError
from fairlead.plugins import find_port

__all__ = ["build"]


@click.command()
@click.option("--port", required=True, metavar="PORT", help="The port; `fairlead ports` lists them.")
@click.option("-o", "out", metavar="FILE", help="Where the image goes.  [default: ./NAME.PORT]")
@click.option("--resident", is_flag=True, help="Bring the port's OS half along, if it offers that.")
@click.option("--allow-untested-go", is_flag=True, help="Try a Go version that the port's edits do not list.")
@click.argument("program", metavar="PROGRAM")
def build(port: str, out: str | None, resident: bool, allow_untested_go: bool, program: str) -> None:
    """Build a Go program (a package folder, a .go file or an import path) for a port."""
    found = find_port(port)
    if resident:
        raise UsageError(f"port {port} offers no resident images", hint="leave --resident out")
    from fairlead.guest.build import build_program, resolve

    target = Path(out) if out is not None else Path.cwd() / f"{resolve(program).name}.{found.name}"
    if target.is_dir():
        raise UsageError(f"{target} is a folder", hint="name the image's file by -o FILE")
    build_program(found, program, out=target, allow_untested_go=allow_untested_go)
