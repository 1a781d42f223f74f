"""Faults in time (hook nanotime)."""

from __future__ import annotations

from itertools import count

from mutant import Mutant

__all__ = ["MUTANTS"]

NANOTIME = {
    "opensbi": "fairlead_opensbi.ethanol.kernel:Ethanol.nanotime",
    "akaros": "fairlead_akaros.akaros:Akaros.nanotime",
    "linux": "fairlead_linux.kernel:Kernel.nanotime",
}
TIMERS = "fairlead.services.linux.timers:Timers"
MILLISECOND = 1_000_000


def after_a_while(change):
    """From the 1000th answer on, another one."""

    def fault(original):
        numbers = count()

        def nanotime(self):
            time = original(self)
            return change(time) if next(numbers) > 1000 else time

        return nanotime

    return fault


def now_and_then(change):
    def fault(original):
        numbers = count(1)

        def nanotime(self):
            time = original(self)
            return time if next(numbers) % 100 else change(time)

        return nanotime

    return fault


def always(change):
    def fault(original):
        def nanotime(self):
            return change(original(self))

        return nanotime

    return fault


def coarse(time):
    return time // (10 * MILLISECOND) * 10 * MILLISECOND + 1


def wraps(original):
    """Time has 52 bits: 52 days."""

    def nanotime(self):
        return original(self) & (1 << 52) - 1

    return nanotime


def early(original):
    def after(self, delay):
        return original(self, delay * 9 // 10)

    return after


def early_deadlines(original):
    def deadline(self, time, *, realtime):
        return original(self, time, realtime=realtime) - MILLISECOND

    return deadline


def not_for_long(original):
    """No wait is longer than an hour."""

    def after(self, delay):
        return original(self, min(delay, 3600 * 10**9))

    return after


def stands(original):
    def realtime(self):
        return self._epoch

    return realtime


def early_polls(original):
    def milliseconds(timeout):
        limit = original(timeout)
        return limit if limit is None else limit * 9 // 10

    return milliseconds


def early_futexes(original):
    """The deadlines of parlib's futexes come a millisecond too soon."""

    def wait(self, address, expected, deadline=None, *rest, **more):
        return original(self, address, expected, deadline and deadline - MILLISECOND, *rest, **more)

    return wait


def runs_ahead(original):
    """Time that the guest reads by itself goes a thousandth faster than the hook's."""

    def ticks(self):
        return original(self) * 1001 // 1000

    return ticks


MUTANTS = (
    Mutant(
        "time becomes zero",
        ("akaros",),
        NANOTIME["akaros"],
        after_a_while(lambda time: 0),
        "nanotime.x",
        boots=True,
    ),
    Mutant(
        "time goes back now and then",
        ("opensbi",),
        NANOTIME["opensbi"],
        now_and_then(lambda time: time - MILLISECOND),
        "nanotime.x",
        boots=False,
    ),
    Mutant(
        "time stands for ten milliseconds", ("linux-amd64",), NANOTIME["linux"], always(coarse), "nanotime.x"
    ),
    Mutant(
        "the hook's time is not the one that is kept",
        ("opensbi",),
        NANOTIME["opensbi"],
        always(lambda time: time + 5 * MILLISECOND),
        "nanotime.x",
    ),
    Mutant(
        "the hook's time goes twice as fast",
        ("akaros",),
        NANOTIME["akaros"],
        always(lambda time: time * 2),
        "nanotime.x",
    ),
    Mutant("time has an end after 52 days", ("opensbi",), NANOTIME["opensbi"], wraps, "nanotime.x"),
    Mutant("sleep is over early", ("opensbi",), f"{TIMERS}.after", early, "nanotime.x"),
    Mutant(
        "absolute deadlines come early", ("linux-amd64",), f"{TIMERS}.deadline", early_deadlines, "nanotime.x"
    ),
    Mutant(
        "nobody sleeps for more than an hour", ("opensbi",), f"{TIMERS}.after", not_for_long, "nanotime.x"
    ),
    Mutant("the wall clock stands", ("linux-riscv64",), f"{TIMERS}.realtime", stands, "nanotime.x"),
    Mutant(
        "poll comes back early",
        ("opensbi",),
        "fairlead.services.linux.polling:_milliseconds",
        early_polls,
        "nanotime.x",
    ),
    Mutant(
        "futexes time out early",
        ("akaros",),
        "fairlead.services.futex:FutexTable.wait",
        early_futexes,
        "nanotime.x",
    ),
    Mutant(
        "time that is read without a call runs ahead",
        ("opensbi",),
        "fairlead_machines.engine.riscv64:Riscv64Machine.ticks",
        runs_ahead,
        "nanotime.x",
    ),
)
