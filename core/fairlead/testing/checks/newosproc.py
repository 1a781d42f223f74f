"""Threads: what the runtime's newosproc gives an M, and what it finds there."""

from __future__ import annotations

from fairlead.testing.check import Check

__all__ = ["CHECKS"]

CHECKS = (
    Check(
        name="newosproc.ids",
        hook="newosproc",
        sentence="A thread's id is unique among living threads, stable, and never zero.",
        source="runtime/os_linux.go minit: m.procid = gettid(), which tgkill and timers use",
        calls=20,
    ),
)
