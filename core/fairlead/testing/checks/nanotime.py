"""Time: that it passes, in one direction, at every place where the runtime reads it."""

from __future__ import annotations

from fairlead.testing.check import Check

__all__ = ["CHECKS"]

CHECKS: tuple[Check, ...] = ()
