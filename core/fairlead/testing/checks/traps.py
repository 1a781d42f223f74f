"""Exceptions become signals; interrupts give the code they interrupt all its registers back."""

from __future__ import annotations

from fairlead.testing.check import Check

__all__ = ["CHECKS"]

CHECKS: tuple[Check, ...] = ()
