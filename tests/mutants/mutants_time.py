"""Faults in time (hook nanotime)."""

from __future__ import annotations

from itertools import count

from mutant import Mutant

__all__ = ["HOOK", "MUTANTS"]

HOOK = "nanotime"

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

    def init(self, unicorn, cpu, clock, view):
        original(self, unicorn, cpu, clock, view)
        self._now = lambda: clock.now() * 1001 // 1000

    return init


MUTANTS = (
    Mutant(
        "time becomes zero",
        ("akaros",),
        NANOTIME["akaros"],
        after_a_while(lambda time: 0),
        "nanotime.forwards",
        boots=True,
    ),
    Mutant(
        "time goes back now and then",
        ("opensbi",),
        NANOTIME["opensbi"],
        now_and_then(lambda time: time - MILLISECOND),
        "nanotime.forwards",
    ),
    Mutant(
        "time stands for ten milliseconds",
        ("linux-amd64",),
        NANOTIME["linux"],
        always(coarse),
        "nanotime.resolution",
    ),
    Mutant(
        "the hook's time is not the one that is kept",
        ("opensbi",),
        NANOTIME["opensbi"],
        always(lambda time: time + 5 * MILLISECOND),
        "nanotime.same",
    ),
    Mutant(
        "the hook's time goes twice as fast",
        ("akaros",),
        NANOTIME["akaros"],
        always(lambda time: time * 2),
        "nanotime.sleeps",
    ),
    Mutant("time has an end after 52 days", ("opensbi",), NANOTIME["opensbi"], wraps, "nanotime.years"),
    Mutant("sleep is over early", ("opensbi",), f"{TIMERS}.after", early, "nanotime.sleeps"),
    Mutant("the wall clock stands", ("linux-riscv64",), f"{TIMERS}.realtime", stands, "nanotime.wall"),
    Mutant(
        "poll comes back early",
        ("opensbi",),
        "fairlead.services.linux.polling:_milliseconds",
        early_polls,
        "syscall.polling",
        hook="syscall",
    ),
    Mutant(
        "futexes time out early",
        ("akaros",),
        "fairlead.services.futex:FutexTable.wait",
        early_futexes,
        "nanotime.deadlines",
    ),
    Mutant(
        "time that is read without a call runs ahead",
        ("opensbi",),
        "fairlead_machines.engine.riscv64_emulate:Emulator.__init__",
        runs_ahead,
        "nanotime.same",
    ),
)
