"""Exceptions and interrupts: that the runtime gets them as signals, and the interrupted code gets all its registers back."""

from __future__ import annotations

from fairlead.testing.check import Check

__all__ = ["CHECKS"]

CHECKS: tuple[Check, ...] = ()
