"""Time: that it passes, in one direction, at every place where the runtime reads it."""

from __future__ import annotations

from datetime import datetime, timedelta

from fairlead.testing.check import Check, CheckFailed
from fairlead.testing.lab import Lab

__all__ = ["CHECKS"]

_EPOCHS = (
    "1970-01-01T00:00:00Z",
    "2024-02-29T00:30:00+01:00",
    "2200-01-01T00:00:00Z",
)
_WAIT = timedelta(hours=1)
_SECOND = timedelta(seconds=1)

_WATCHED = (
    ("--trace=hooks=/dev/null",),
    ("--strace=/dev/null", "--trace=all,hooks,traps,sched=/dev/null"),
)
"""Options that register observers."""


def _wall(lab: Lab) -> None:
    """Start the clock at several times: it shows them, and an hour later an hour more."""
    for text in _EPOCHS:
        epoch = datetime.fromisoformat(text)
        ran = lab.run("nanotime.wall", "1h", options=(f"--epoch={text}",))
        ran.must_end()
        try:
            begin, end = map(datetime.fromisoformat, ran.stdout.split())
        except ValueError:
            raise CheckFailed(f"printed {ran.stdout!r} where two times are due") from None
        if not epoch <= begin <= epoch + _SECOND:
            raise CheckFailed(f"with the epoch {text} the program begins at {begin.isoformat()}")
        if not _WAIT <= end - begin <= _WAIT + _SECOND:
            raise CheckFailed(f"an hour after {begin.isoformat()} the clock shows {end.isoformat()}")


def _same(lab: Lab) -> None:
    """Run one program with observers and without: they change no time that it sees."""
    plain = lab.run("nanotime.same", record=False)
    plain.must_end()
    for options in ((), *_WATCHED):
        watched = lab.run("nanotime.same", options=options)
        watched.must_end()
        if watched.stdout != plain.stdout:
            pairs = zip(plain.stdout.splitlines(), watched.stdout.splitlines(), strict=False)
            alone, seen = next(((a, b) for a, b in pairs if a != b), ("all lines", "more or fewer"))
            who = " ".join(options) or "--result"
            raise CheckFailed(f"a program prints {alone!r}, and {seen!r} while {who} watches")


CHECKS = (
    Check(
        name="nanotime.zero",
        hook="nanotime",
        sentence="The time is never zero, from the first package's initialisation on.",
        source='runtime/proc.go main: throw("nanotime returning zero")',
        calls=20_000,
    ),
    Check(
        name="nanotime.forwards",
        hook="nanotime",
        sentence="Time never goes backwards, on one thread or from one to another.",
        source="runtime/time.go, proc.go: timers and the scheduler subtract times of any two Ms",
        calls=9_000,
    ),
    Check(
        name="nanotime.preempted",
        hook="nanotime",
        sentence="Three threads that read the time without a pause share the CPU, and none sees it go back.",
        source="runtime/proc.go sysmon: retake compares times of different Ms",
        calls=10_000,
    ),
    Check(
        name="nanotime.resolution",
        hook="nanotime",
        sentence="Time passes while a program computes, in steps of a microsecond at most.",
        source="runtime/time_nofake.go nanotime: nanoseconds; runtime/lock_futex.go spins by it",
        calls=50_000,
    ),
    Check(
        name="nanotime.clocks",
        hook="nanotime",
        sentence="nanotime, clock_gettime and time.Now are one clock.",
        source="runtime/sys_linux_*.s nanotime1, walltime; clock_gettime(2)",
        calls=600,
    ),
    Check(
        name="nanotime.sleeps",
        hook="nanotime",
        sentence="No sleep of any length, on any thread, ends early, and none late on an idle machine.",
        limit="",
        source="runtime/time.go timeSleep, os_linux.go futexsleep, usleep; nanosleep(2)",
        calls=500,
    ),
    Check(
        name="nanotime.timers",
        hook="nanotime",
        sentence="Hundreds of timers fire when they are due; a ticker keeps its rate; a stopped timer rests.",
        source="runtime/time.go timers.run; runtime/proc.go findRunnable sleeps until the first",
        calls=500,
    ),
    Check(
        name="nanotime.deadlines",
        hook="nanotime",
        sentence="A read, a context and a futex with a deadline end at it, not before it.",
        source="internal/poll fd_poll_runtime.go, runtime/netpoll_epoll.go netpoll(delay); futex(2)",
        calls=50,
    ),
    Check(
        name="nanotime.late",
        hook="nanotime",
        sentence="A sleep ends in time although another thread computes without a pause.",
        source="runtime/proc.go sysmon, netpoll: who sleeps is woken on a CPU that is busy",
        calls=10,
        options=("--max-time=2s",),
    ),
    Check(
        name="nanotime.sysmon",
        hook="nanotime",
        sentence="Goroutines that never yield lose their processor after 10 ms, and to each in turn.",
        source="runtime/proc.go retake, forcePreemptNS: sysmon measures by nanotime",
        calls=10,
        options=("--max-time=2s",),
    ),
    Check(
        name="nanotime.day",
        hook="nanotime",
        sentence="A day passes, minute by minute of sysmon's, and a sleep through it is exact.",
        limit="",
        source="runtime/proc.go sysmon: it wakes each minute (forcegcperiod / 2)",
        calls=1_440,
    ),
    Check(
        name="nanotime.years",
        hook="nanotime",
        sentence="After years at once, 198 in all, every clock has moved as far, and whoever slept wakes.",
        limit="",
        source="runtime/time.go: when is 63 bits of nanoseconds; runtime/sys_linux_*.s walltime",
        calls=100,
        options=("--adversity",),
    ),
    Check(
        name="nanotime.wall",
        hook="nanotime",
        sentence="The wall clock begins at --epoch and moves with nanotime.",
        limit="",
        source="time/time.go Now: seconds since 1970 and a monotonic reading from the same moment",
        calls=100,
        probe=_wall,
    ),
    Check(
        name="nanotime.same",
        hook="nanotime",
        sentence="The times that a program sees do not depend on whether the hook or the machine answers.",
        source="hookspecs.py nanotime: the machine may serve the value by itself, and both are equal",
        calls=3_000,
        probe=_same,
    ),
)
