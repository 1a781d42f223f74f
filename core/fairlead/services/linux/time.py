"""Clocks, sleeping and timers: clock_gettime(2), nanosleep(2), setitimer(2), timer_create(2)."""

from __future__ import annotations

from errno import EINTR, EINVAL, ENOTSUP, EPERM
from typing import TYPE_CHECKING

from fairlead.errors import GuestRefusal
from fairlead.services.linux.handler import Handlers
from fairlead.services.linux.structures import (
    ITIMERSPEC,
    NANOSECONDS,
    i32,
    read_timespec,
    timespec,
    timespec_ns,
    timeval,
    timeval_ns,
)
from fairlead.services.linux.timers import CLOCK_MONOTONIC, CLOCK_REALTIME, ITIMERS
from fairlead.syscall import Pending, Result, Wake

if TYPE_CHECKING:
    from fairlead.services.linux.process import Process

__all__ = ["HANDLERS"]

TIMER_ABSTIME = 1

_SINCE_BOOT = frozenset({CLOCK_MONOTONIC, 2, 3, 4, 6, 7})
"""CLOCK_MONOTONIC and its kin, and CLOCK_PROCESS_CPUTIME_ID and CLOCK_THREAD_CPUTIME_ID, which count waiting
too: the machine has one processor and nobody else to give it to."""
_SINCE_1970 = frozenset({CLOCK_REALTIME, 5, 11})
_SLEEPABLE = frozenset({CLOCK_REALTIME, CLOCK_MONOTONIC, 7, 11})
_TICK = 10_000_000  # ns of a clock tick, 1/_SC_CLK_TCK


def _read_clock(process: Process, clock: int) -> int:
    clock = i32(clock)
    if clock in _SINCE_BOOT:
        return process.services.nanotime()
    if clock in _SINCE_1970:
        return process.timers.realtime()
    raise GuestRefusal(EINVAL)


def clock_gettime(process: Process, clock: int, address: int) -> int:
    process.memory.write(address, timespec(_read_clock(process, clock)))
    return 0


def clock_getres(process: Process, clock: int, address: int) -> int:
    _read_clock(process, clock)
    if address:
        process.memory.write(address, timespec(1))
    return 0


def clock_settime(process: Process) -> Result:
    return Result(errno=EPERM)


def gettimeofday(process: Process, address: int, zone: int) -> int:
    if address:
        process.memory.write(address, timeval(process.timers.realtime()))
    if zone:
        process.memory.write(zone, bytes(8))
    return 0


def time(process: Process, address: int) -> int:
    seconds = process.timers.realtime() // NANOSECONDS
    if address:
        process.memory.write_u64(address, seconds)
    return seconds


def times(process: Process, address: int) -> int:
    ticks = process.services.nanotime() // _TICK
    if address:
        process.memory.write(address, ticks.to_bytes(8, "little") + bytes(24))
    return ticks


def nanosleep(process: Process, wanted: int, remaining: int) -> Pending:
    deadline = process.timers.after(read_timespec(process.memory, wanted))
    return _sleep(process, deadline, remaining)


def clock_nanosleep(process: Process, clock: int, flags: int, wanted: int, remaining: int) -> Pending:
    clock = i32(clock)
    if clock not in _SLEEPABLE:
        raise GuestRefusal(EINVAL if clock not in _SINCE_BOOT | _SINCE_1970 else ENOTSUP)
    value = read_timespec(process.memory, wanted)
    if flags & TIMER_ABSTIME:
        return _sleep(process, process.timers.deadline(value, realtime=clock in _SINCE_1970), 0)
    return _sleep(process, process.timers.after(value), remaining)


def _sleep(process: Process, deadline: int, remaining: int) -> Pending:
    """Sleep until a guest time; a signal ends it with the rest written to `remaining`."""

    def resume(wake: Wake) -> Result:
        if wake is not Wake.SIGNAL:
            return Result()
        if remaining:
            process.memory.write(remaining, timespec(max(0, deadline - process.timers.now())))
        return Result(errno=EINTR)

    return Pending((), resume, deadline)


def setitimer(process: Process, which: int, new: int, old: int) -> int:
    timer = process.timers.interval_timer(i32(which))
    before = timeval(timer.interval) + timeval(timer.remaining())
    delay = interval = 0
    if new:
        interval_s, interval_us, delay_s, delay_us = process.memory.unpack(ITIMERSPEC, new)
        delay, interval = timeval_ns(delay_s, delay_us), timeval_ns(interval_s, interval_us)
    if old:
        process.memory.write(old, before)
    timer.set(delay, interval)
    return 0


def getitimer(process: Process, which: int, address: int) -> int:
    timer = process.timers.interval_timer(i32(which))
    process.memory.write(address, timeval(timer.interval) + timeval(timer.remaining()))
    return 0


def alarm(process: Process, seconds: int) -> int:
    timer = process.timers.interval_timer(ITIMERS[0][0])
    left = -(-timer.remaining() // NANOSECONDS)
    timer.set((seconds & 0xFFFF_FFFF) * NANOSECONDS, 0)
    return left


def timer_create(process: Process, clock: int, event: int, address: int) -> int:
    identifier = process.timers.create(i32(clock), event)
    try:
        process.memory.write_u32(address, identifier)
    except Exception:
        process.timers.delete(identifier)
        raise
    return 0


def timer_settime(process: Process, identifier: int, flags: int, new: int, old: int) -> int:
    timer = process.timers.posix_timer(i32(identifier))
    if not new:
        raise GuestRefusal(EINVAL)
    interval_s, interval_ns, value_s, value_ns = process.memory.unpack(ITIMERSPEC, new)
    value, interval = timespec_ns(value_s, value_ns), timespec_ns(interval_s, interval_ns)
    if old:
        process.memory.write(old, timespec(timer.interval) + timespec(timer.remaining()))
    if flags & TIMER_ABSTIME and value:
        now = process.timers.now()
        value = max(1, process.timers.deadline(value, realtime=timer.clock in _SINCE_1970) - now)
    timer.set(value, interval)
    return 0


def timer_gettime(process: Process, identifier: int, address: int) -> int:
    timer = process.timers.posix_timer(i32(identifier))
    process.memory.write(address, timespec(timer.interval) + timespec(timer.remaining()))
    return 0


def timer_getoverrun(process: Process, identifier: int) -> int:
    return process.timers.posix_timer(i32(identifier)).overrun


def timer_delete(process: Process, identifier: int) -> int:
    process.timers.delete(i32(identifier))
    return 0


HANDLERS: Handlers = {
    "alarm": alarm,
    "clock_getres": clock_getres,
    "clock_gettime": clock_gettime,
    "clock_nanosleep": clock_nanosleep,
    "clock_settime": clock_settime,
    "getitimer": getitimer,
    "gettimeofday": gettimeofday,
    "nanosleep": nanosleep,
    "setitimer": setitimer,
    "settimeofday": clock_settime,
    "time": time,
    "timer_create": timer_create,
    "timer_delete": timer_delete,
    "timer_getoverrun": timer_getoverrun,
    "timer_gettime": timer_gettime,
    "timer_settime": timer_settime,
    "times": times,
}
