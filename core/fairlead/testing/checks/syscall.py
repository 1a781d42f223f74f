"""System calls: results, errors and waits."""

from __future__ import annotations

from fairlead.testing.check import Check

__all__ = ["CHECKS"]

CHECKS: tuple[Check, ...] = ()
