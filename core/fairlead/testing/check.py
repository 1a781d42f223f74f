"""What a check is, and what comes of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fairlead.testing.lab import Lab

__all__ = ["GROUPS", "Check", "CheckFailed", "Outcome", "guest_says_ok"]

GROUPS = ("newosproc", "nanotime", "traps", "syscall", "signals", "memory")
"""The rows of the matrix: the five hooks, and the memory that a port serves behind its system calls."""


class CheckFailed(Exception):
    """Why a port does not do what a check asks for, in one sentence."""


def guest_says_ok(lab: Lab) -> None:
    """Run the guest program's part of the check's own name; it prints "ok", or what it found instead."""
    lab.run(lab.check.name).must_say("ok\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that Go's runtime relies on.

    Its part of the guest program, or its probe, fails where a port does otherwise; that the hook was called
    at all, at least `calls` times, is asserted too.
    """

    name: str
    """GROUP.WHAT, as the guest program knows it."""
    hook: str
    """The hook that answers for it (`fairlead.hooks.RUNTIME_HOOKS`)."""
    sentence: str
    """What holds on every port."""
    source: str
    """Where the runtime relies on it, or which specification says it."""
    calls: int = 1
    """Fewest calls of the hook that the trial makes, over all its runs."""
    options: tuple[str, ...] = ()
    """Options of `fairlead run` that each of its runs is given."""
    limit: str = "10s"
    """Guest time that each of its runs may take, so that threads which starve come to an end; "" for any."""
    probe: Callable[[Lab], None] = guest_says_ok

    @property
    def group(self) -> str:
        return self.name.partition(".")[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A check's result on one port."""

    check: str
    hook: str
    port: str
    passed: bool
    why: str = ""
    """What went wrong, if anything did."""
    guest_time_ns: int = 0
    host_seconds: float = 0.0
    """CPU time, user and system, of all the processes that the trial took."""
    calls: int = 0
    """How often the hook was called."""
