"""`fairlead ports` and `fairlead boards`: what is installed."""

from __future__ import annotations

import json

import click

from fairlead.plugins import installed

__all__ = ["boards", "ports"]


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def ports(as_json: bool) -> int:
    """List the installed ports with their options, and plugins that could not be loaded."""
    found = installed()
    if as_json:
        listed = [
            {
                "name": port.name,
                "summary": port.summary,
                "board": port.board,
                "abi": port.abi,
                "goos": port.guest.goos,
                "goarch": port.guest.goarch,
                "distribution": found.distributions[port.name],
                "options": [
                    {"name": each.name, "default": each.default, "help": each.help} for each in port.options
                ],
            }
            for port in found.ports.values()
        ]
        _print_json("fairlead/ports", {"ports": listed, "failures": found.failures})
        return 0
    for port in found.ports.values():
        click.echo(f"{port.name:16} {port.summary}")
        click.echo(f"{'':16} {port.guest.goarch} on board {port.board}; {found.distributions[port.name]}")
        for option in port.options:
            click.echo(f"{'':16}   --set {option.name}={option.default}  {option.help}")
    _echo_failures(found.failures)
    return 0


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def boards(as_json: bool) -> int:
    """List the installed boards with their parts and addresses."""
    found = installed()
    if as_json:
        listed = [
            {
                "name": board.name,
                "arch": board.arch,
                "summary": board.summary,
                "distribution": found.distributions[board.name],
                "parts": [
                    {
                        "name": each.name,
                        "address": each.address,
                        "size": each.size,
                        "interrupt": each.interrupt,
                    }
                    for each in board.parts
                ],
            }
            for board in found.boards.values()
        ]
        _print_json("fairlead/boards", {"boards": listed, "failures": found.failures})
        return 0
    for board in found.boards.values():
        click.echo(f"{board.name:16} {board.summary} ({board.arch}; {found.distributions[board.name]})")
        for part in board.parts:
            line = "" if part.interrupt is None else f"  interrupt {part.interrupt}"
            click.echo(f"{'':16}   {part.address:#012x} + {part.size:#x}  {part.name}{line}")
    _echo_failures(found.failures)
    return 0


def _print_json(schema: str, content: dict[str, object]) -> None:
    click.echo(json.dumps({"schema": schema, "version": 1, **content}, indent=2))


def _echo_failures(failures: dict[str, str]) -> None:
    for name, reason in failures.items():
        click.echo(f"fairlead: plugin {name!r} could not be loaded: {reason}", err=True)
