"""Checks of what one port alone has, by programs of its own documentation."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from fairlead.testing.check import Check
from fairlead.testing.lab import Lab

__all__ = ["OWN_CHECKS", "PROGRAMS"]

_AKAROS = Path(__file__).resolve().parents[2] / "docs" / "akaros"


def _deadline(lab: Lab) -> None:
    lab.run().must_say("-1 interrupted system call 250ms\n")


OWN_CHECKS = (
    Check(
        name="akaros.deadline",
        hook="syscall",
        sentence="An alarm aborts the system call that a uthread is blocked in, when it is due.",
        source="user/parlib/alarm.c alarm_abort_sysc; kern/src/syscall.c sys_abort_sysc",
        probe=_deadline,
    ),
)

PROGRAMS: Mapping[str, Path] = {"akaros.deadline": _AKAROS / "deadline.go"}
"""What each runs."""
