"""The order of a bring-up, and what an unfinished port is told."""

from __future__ import annotations

from collections import Counter

import pytest

from fairlead.errors import PortError
from fairlead.hooks import RUNTIME_HOOKS, RuntimeHooks
from fairlead.syscall import Syscall
from fairlead.testing.bringup import STEPS, progress, step_of
from fairlead.testing.check import Outcome
from fairlead.testing.checks import every_check
from fairlead.thread import NewThread
from fairlead.trap import Trap, TrapKind

ASKED = {
    "newosproc": ((NewThread(0x10, 0x20),), "newosproc(NewThread(pc=0x10, sp=0x20))"),
    "nanotime": ((), "nanotime()"),
    "handle_trap": (
        (None, Trap(TrapKind.LOAD_FAULT, 13, 0x100)),
        "handle_trap(Trap(kind=LOAD_FAULT, cause=0xd, pc=0x100))",
    ),
    "syscall": (
        (None, Syscall(64, (1, 0x4000, 5), 0x100)),
        "syscall(Syscall(number=0x40, arguments=(0x1, 0x4000, 0x5), token=0x100))",
    ),
    "deliver_signal": ((None, None), "deliver_signal(None)"),
}


def outcomes(*failed: str) -> list[Outcome]:
    return [
        Outcome(check=each.name, hook=each.hook, port="tug", passed=each.name not in failed, why="it is late")
        for each in every_check()
    ]


def test_every_check_is_of_a_step_and_every_step_has_some() -> None:
    counts = Counter(step_of(each.name) for each in every_check())
    assert [step for step in STEPS if not counts[step]] == []


def test_the_next_step_is_the_first_that_is_not_done() -> None:
    count = len(every_check())
    assert progress("tug", outcomes("signals.masks", "newosproc.ids", "newosproc.entry")) == [
        f"tug: bring-up: 8 of {len(STEPS)} steps, {100 * (count - 3) // count} % of {count} checks",
        "    done: console, memory, time, locks, sleeps, faults, calls and files, everything at once",
        "    next: threads: newosproc.ids, newosproc.entry",
        "    why:  it is late",
    ]
    nothing = progress("tug", outcomes(*(each.name for each in every_check())))
    assert nothing[0] == f"tug: bring-up: 0 of {len(STEPS)} steps, 0 % of {count} checks"
    assert nothing[1].startswith("    next: console: ")
    assert progress("tug", outcomes())[-1].endswith("fairlead test --port tug sort strings os")


@pytest.mark.parametrize("name", RUNTIME_HOOKS)
def test_a_missing_hook_is_refused_or_told_once_it_is_asked_for(name: str) -> None:
    with pytest.raises(PortError, match="port tug: hook newosproc is missing"):
        RuntimeHooks("tug", object(), [])
    hooks = RuntimeHooks("tug", object(), [], unfinished=True)
    values, asked = ASKED[name]
    with pytest.raises(PortError) as caught:
        hooks.resolve(name)(*values)
    assert caught.value.what == f"port tug: hook {name} is missing, and was asked {asked}"
    assert "hookspecs.py describes it: " in caught.value.hint
