"""What a mutant is, and how it is planted: by setting an attribute in the process that runs the port."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

__all__ = ["Mutant", "plant"]


@dataclass(frozen=True, slots=True)
class Mutant:
    """One fault. Nothing else about the port changes."""

    name: str
    ports: tuple[str, ...]
    target: str
    """MODULE:ATTRIBUTE, MODULE:CLASS.ATTRIBUTE, or MODULE:TABLE[KEY] with a key or an enumeration's name."""
    fault: Callable[[Any], object]
    """Given what stands at the target, what stands there instead."""
    check: str
    """The check that catches it."""
    boots: bool = True
    """Does a program still start and end?"""
    hook: str = ""
    """The hook at fault, where it is not that of its group."""
    limit: str = ""
    """Guest time that the check is given, where the fault has it run for ever."""


def plant(mutant: Mutant) -> None:
    """Put the fault where it belongs; LookupError or AttributeError if there is no such place."""
    module, _, path = mutant.target.partition(":")
    place: Any = import_module(module)
    path, bracket, key = path.partition("[")
    *outer, last = path.split(".")
    for name in outer:
        place = getattr(place, name)
    if bracket:
        table = getattr(place, last)
        entry = _entry(table, key.removesuffix("]"))
        table[entry] = mutant.fault(table[entry])
        return
    before = vars(place)[last]
    if isinstance(before, staticmethod):
        setattr(place, last, staticmethod(mutant.fault(before.__func__)))  # type: ignore[arg-type]
        return
    after = mutant.fault(before)
    if callable(after) and hasattr(before, "__dict__"):
        vars(after).update(vars(before))  # the mark of a hook
    setattr(place, last, after)


def _entry(table: dict[Any, object], key: str) -> Any:
    """The key of a table that is meant by a word."""
    for each in table:
        if key in (str(each), getattr(each, "name", None)):
            return each
    raise LookupError(f"the table has no {key}")
