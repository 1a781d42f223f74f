"""Every check of the kit, by group: a module of the group's name holds its `CHECKS`."""

from __future__ import annotations

from functools import cache
from importlib import import_module

from fairlead.testing.check import GROUPS, Check

__all__ = ["every_check"]


@cache
def every_check() -> tuple[Check, ...]:
    """The kit's checks in the order of the matrix."""
    checks: list[Check] = []
    for group in GROUPS:
        checks += import_module(f"{__name__}.{group}").CHECKS
    return tuple(checks)
