"""The benchmarks that come with Fairlead: what each is about, and how often it is done."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

__all__ = ["GUEST", "SUITE", "About"]

GUEST = Path(__file__).parent / "guest"
"""The Go package that holds them."""


class About(NamedTuple):
    """What is known of a benchmark beforehand.

    The number of iterations is fixed, so that all guests do the same work; it takes a port some tenths of a
    second.
    """

    group: str
    """The hook that it is about, or "runtime" or "workload"."""
    iterations: int
    sentence: str


SUITE: dict[str, About] = {
    "ThreadCreate": About("newosproc", 1000, "an OS thread begins and ends, with its goroutine"),
    "ThreadSwitch": About("newosproc", 2000, "a message to a thread's goroutine, and back"),
    "Nanotime": About("nanotime", 50_000, "runtime.nanotime, by time.Since"),
    "TimeNow": About("nanotime", 50_000, "time.Now: wall clock and monotonic time"),
    "TimerLatency": About("handle_trap", 500, "how late a sleep of 100 µs ends"),
    "PageFault": About("handle_trap", 2000, "a load through nil, its panic, its recovery"),
    "PageTouch": About("handle_trap", 50_000, "the first store to a mapped page"),
    "NullSyscall": About("syscall", 50_000, "getppid, without Go's scheduler"),
    "WriteSmall": About("syscall", 20_000, "16 bytes to /dev/null"),
    "Read64K": About("syscall", 5000, "64 KiB from a file in memory"),
    "FutexPingPong": About("syscall", 5000, "two threads hand a word to and fro by futex"),
    "SignalSelf": About("deliver_signal", 2000, "kill of itself, until a goroutine is told"),
    "SignalThread": About("deliver_signal", 2000, "tgkill of a thread, until a goroutine is told"),
    "ChannelPingPong": About("runtime", 30_000, "a message to another goroutine, and back"),
    "GoroutineSpawn": About("runtime", 20_000, "a goroutine begins and ends"),
    "GC": About("runtime", 8, "a collection with 65,535 small objects alive"),
    "Garbage": About("runtime", 4, "8 goroutines make 8 MiB of small garbage"),
    "JSON": About("workload", 200, "20 structures to JSON and back"),
    "SHA256": About("workload", 1000, "64 KiB hashed"),
    "Sort": About("workload", 30, "10,000 numbers sorted"),
    "Compress": About("workload", 20, "64 KiB deflated"),
    "Regexp": About("workload", 8, "16 KiB searched"),
}
"""By name, without "Benchmark", in the order they are reported."""
