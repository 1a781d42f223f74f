"""Ports on which a signal for a thread that waits is one for later."""

from __future__ import annotations

from fairlead.testing.lab import Lab

__all__ = ["LATE", "guest_is_told"]

LATE = frozenset({"akaros"})
"""On Akaros a uthread that waits is on no vcore: its signals are seen when it runs again (signal.c)."""


def guest_is_told(lab: Lab) -> None:
    """The guest's part, with the argument "late" where signals are."""
    lab.run(lab.check.name, *(["late"] if lab.port.name in LATE else [])).must_say("ok\n")
