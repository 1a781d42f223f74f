"""Signals: masks, pending ones, the alternate stack, and who gets them."""

from __future__ import annotations

from fairlead.testing.check import Check

__all__ = ["CHECKS"]

CHECKS: tuple[Check, ...] = ()
