"""Memory as the runtime's mem_linux.go asks for it."""

from __future__ import annotations

from fairlead.testing.check import Check

__all__ = ["CHECKS"]

CHECKS: tuple[Check, ...] = ()
