"""`fairlead new`."""

from __future__ import annotations

from pathlib import Path

import click

from fairlead.plugins import find_board, installed
from fairlead.scaffold.writer import check_name, new_port, render, write

__all__ = ["new"]


@click.command()
@click.option("--board", required=True, metavar="BOARD", help="The board; `fairlead boards` lists them.")
@click.argument("name")
def new(board: str, name: str) -> None:
    """Write a new port, NAME, as a distribution of its own in ./fairlead-NAME.

    It is complete: it installs, runs Go programs and passes the conformance kit. Its five hooks hand on to
    the core's services, to be replaced one by one. What to type next is printed.
    """
    port = new_port(name, find_board(board))
    check_name(port, installed())
    folder = Path(port.distribution)
    write(folder, render(port))
    click.echo(f"{folder} is a port of Go to the board {port.board} ({port.arch.goarch}). Type next:")
    click.echo()
    click.echo(f"  pip install -e ./{folder}")
    click.echo(f"  fairlead run --port {port.name} {folder}/hello.go")
    click.echo(f"  fairlead check --port {port.name}")
    click.echo()
    click.echo(f"{folder}/README.md says what is where, and a way through.")
