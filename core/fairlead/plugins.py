"""What is installed: ports and boards, found through the entry points of the group `fairlead`.

Entry points are loaded one by one. One that fails is kept by name, with its reason, and skipped: a broken
plugin never takes a command down with it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from types import ModuleType
from typing import TypeVar

import pluggy

from fairlead.entrypoints import Entry, entries
from fairlead.errors import PortError, UsageError
from fairlead.hookspecs import DiscoverySpec
from fairlead.machine import Board
from fairlead.port import Port

__all__ = ["Installed", "find_board", "find_port", "installed"]

Described = TypeVar("Described", Port, Board)


@dataclass(slots=True)
class Installed:
    """Every port and board found, by name, and the entry points that could not be used."""

    ports: dict[str, Port] = field(default_factory=dict)
    boards: dict[str, Board] = field(default_factory=dict)
    distributions: dict[str, str] = field(default_factory=dict)
    """Port or board name to "distribution version"."""
    failures: dict[str, str] = field(default_factory=dict)
    """Entry point name to what went wrong."""


def _discover(module: ModuleType) -> tuple[list[Port], list[Board]]:
    """Ask one plugin for what it offers, with misspelt hooks refused."""
    manager = pluggy.PluginManager("fairlead")
    manager.add_hookspecs(DiscoverySpec)
    manager.register(module)
    manager.check_pending()
    return (
        [port for answer in manager.hook.fairlead_ports() for port in _checked(answer, Port)],
        [board for answer in manager.hook.fairlead_boards() for board in _checked(answer, Board)],
    )


def _checked(answer: Iterable[Described], kind: type[Described]) -> list[Described]:
    items = list(answer)
    for item in items:
        if not isinstance(item, kind):
            raise TypeError(f"answered {item!r} where a {kind.__name__} is due")
    return items


def _add(found: Installed, entry: Entry) -> None:
    ports, boards = _discover(entry.load())
    if not ports and not boards:
        raise ValueError("offers neither a port nor a board; are its hooks marked @hookimpl?")
    where = entry.distribution or entry.module
    taken = [port.name for port in ports if port.name in found.ports]
    taken += [board.name for board in boards if board.name in found.boards]
    if taken:
        raise ValueError(f"offers {taken[0]!r}, which {found.distributions[taken[0]]} offers already")
    found.ports.update((port.name, port) for port in ports)
    found.boards.update((board.name, board) for board in boards)
    found.distributions.update((port.name, where) for port in ports)
    found.distributions.update((board.name, where) for board in boards)


@cache
def installed() -> Installed:
    """Load every entry point; use `find_port` and `find_board` where one name is wanted."""
    found = Installed()
    done = set()
    for entry in entries():
        what = entry.module, entry.distribution
        if what in done:
            continue  # a module with several ports has an entry point by the name of each
        try:
            _add(found, entry)
            done.add(what)
        except (Exception, SystemExit) as error:
            reason = " ".join(str(error).split()) or "no reason given"
            found.failures[entry.name] = f"{type(error).__name__}: {reason}"
    return found


@cache
def _quick(name: str) -> Installed:
    """Load only the entry points named like what is looked for: the hot path of `run`."""
    found = Installed()
    for entry in entries():
        if entry.name != name:
            continue
        try:
            _add(found, entry)
        except (Exception, SystemExit):  # `installed` loads it again and keeps the reason
            return Installed()
    return found


def find_port(name: str) -> Port:
    """The installed port of that name; UsageError lists what there is."""
    port = _quick(name).ports.get(name) or installed().ports.get(name)
    if port is None:
        raise _unknown("port", name, installed().ports)
    return port


def find_board(name: str) -> Board:
    """The installed board of that name; UsageError lists what there is."""
    board = _quick(name).boards.get(name) or installed().boards.get(name)
    if board is None:
        raise _unknown("board", name, installed().boards)
    return board


def _unknown(kind: str, name: str, there: Iterable[str]) -> PortError | UsageError:
    failed = installed().failures.get(name)
    if failed is not None:
        return PortError(
            f"plugin {name!r} could not be loaded: {failed}",
            hint="mend or reinstall its distribution; `fairlead doctor` lists every plugin",
        )
    names = ", ".join(sorted(there)) or "none"
    return UsageError(f"no {kind} is called {name!r}", hint=f"installed: {names}")
