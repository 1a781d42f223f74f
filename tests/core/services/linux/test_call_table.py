"""The table of calls says what its modules serve, no more and no less."""

from __future__ import annotations

import pkgutil
from importlib import import_module

import fairlead.services.linux as package
from fairlead.services.linux.calls import MODULES, SERVED, find_handler
from fairlead.services.linux.numbers import NUMBERS


def test_every_handler_is_in_the_table_and_every_entry_has_one() -> None:
    served = {}
    for module in pkgutil.iter_modules(package.__path__):
        found = import_module(f"{package.__name__}.{module.name}")
        if hasattr(found, "HANDLERS"):
            served[module.name] = set(found.HANDLERS)
    assert {name: set(calls.split()) for name, calls in MODULES.items()} == served


def test_no_call_is_served_twice() -> None:
    assert len(SERVED) == sum(len(names.split()) for names in MODULES.values())


def test_every_call_has_a_number_on_some_architecture() -> None:
    assert not set(SERVED) - {name for numbers in NUMBERS.values() for name in numbers}


def test_a_handler_takes_the_process_and_at_most_six_arguments() -> None:
    for name in SERVED:
        handler = find_handler(name)
        assert handler is not None
        assert 1 <= handler.__code__.co_argcount <= 7
    assert find_handler("no_such_call") is None
