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
        _echo_entry(port.name, port.summary)
        _echo_entry("", f"{port.guest.goarch} on board {port.board}; {found.distributions[port.name]}")
        for option in port.options:
            _echo_entry("", f"--set {option.name}={option.default}")
            _echo_entry("", option.help, indent=4)
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
        _echo_entry(board.name, board.summary)
        _echo_entry("", f"{board.arch}; {found.distributions[board.name]}")
        for part in board.parts:
            size = f"{part.size:#x}" if part.size else "what --memory says"
            line = "" if part.interrupt is None else f", interrupt {part.interrupt}"
            _echo_entry("", f"{part.address:#012x} + {size}  {part.name}{line}")
    _echo_failures(found.failures)
    return 0


def _echo_entry(name: str, text: str, indent: int = 0) -> None:
    """A line in two columns that fits a terminal of 80 columns."""
    margin = f"{'':16} {'':{indent}}"
    click.echo(click.wrap_text(text, 80, initial_indent=f"{name:16} {'':{indent}}", subsequent_indent=margin))


def _print_json(schema: str, content: dict[str, object]) -> None:
    click.echo(json.dumps({"schema": schema, "version": 1, **content}, indent=2))


def _echo_failures(failures: dict[str, str]) -> None:
    for name, reason in failures.items():
        click.echo(f"fairlead: plugin {name!r} could not be loaded: {reason}", err=True)
