"""How far an unfinished port has come: the checks, in the order in which a port is brought up."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import NamedTuple

from fairlead.testing.check import Outcome

__all__ = ["STEPS", "Step", "progress", "step_of"]

_NAMED = 3
"""Failed checks that are named."""


class Step(NamedTuple):
    """What works once all its checks pass."""

    name: str
    checks: tuple[str, ...]
    """Patterns; a check belongs to the first step that has one for it."""


STEPS = (
    Step("console", ("syscall.streams", "syscall.short")),
    Step("memory", ("memory.zeroes", "memory.dontneed", "memory.reuse", "memory.hints")),
    Step("time", ("nanotime.zero", "nanotime.forwards", "nanotime.resolution", "nanotime.clocks")),
    Step("threads", ("newosproc.*",)),
    Step("locks", ("syscall.futex",)),
    Step("sleeps", ("nanotime.*",)),
    Step(
        "faults",
        (
            "traps.[a-oqr]*",
            "traps.s[ht]*",
            "traps.u*",
            "memory.[gp]*",
            "memory.reserve",
            "memory.fixed",
            "memory.model",
        ),
    ),
    Step("signals", ("signals.*", "traps.preempted")),
    Step("calls and files", ("syscall.*", "memory.files")),
    Step("everything at once", ("*",)),
)
"""First comes what is needed first: without threads, a Go program prints nothing but the reason why."""


def step_of(check: str) -> Step:
    """The step that a check belongs to."""
    return next(step for step in STEPS if any(fnmatchcase(check, each) for each in step.checks))


def progress(port: str, outcomes: Sequence[Outcome]) -> list[str]:
    """Lines on one port's outcomes: the steps that are done, their share, and which one is next."""
    by_step = {step: [each for each in outcomes if step_of(each.check) is step] for step in STEPS}
    tried = {step: mine for step, mine in by_step.items() if mine}
    done = [step.name for step, mine in tried.items() if all(each.passed for each in mine)]
    passed = sum(each.passed for each in outcomes)
    share = 100 * passed // len(outcomes) if outcomes else 0
    lines = [f"{port}: bring-up: {len(done)} of {len(tried)} steps, {share} % of {len(outcomes)} checks"]
    if done:
        lines.append(f"    done: {', '.join(done)}")
    for step, mine in tried.items():
        failed = [each for each in mine if not each.passed]
        if failed:
            names = ", ".join(each.check for each in failed[:_NAMED])
            more = f" and {len(failed) - _NAMED} more" if len(failed) > _NAMED else ""
            lines += [f"    next: {step.name}: {names}{more}", f"    why:  {failed[0].why}"]
            break
    else:
        lines.append(f"    next: the standard library: fairlead test --port {port} sort strings os")
    return lines
