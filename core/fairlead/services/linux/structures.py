"""Structures and numbers of the calls that are not about files (Linux uapi headers, LP64)."""

from __future__ import annotations

from errno import EINVAL
from struct import Struct
from typing import TYPE_CHECKING

from fairlead.errors import GuestRefusal

if TYPE_CHECKING:
    from fairlead.services.guestmemory import GuestMemory

__all__ = [
    "ITIMERSPEC",
    "KTIME_MAX",
    "NANOSECONDS",
    "STACK_T",
    "TIMESPEC",
    "TIMEVAL",
    "i32",
    "i64",
    "read_timespec",
    "timespec",
    "timespec_ns",
    "timeval",
    "timeval_ns",
    "u32",
]

NANOSECONDS = 1_000_000_000
KTIME_MAX = (1 << 63) - 1
"""The last nanosecond of guest time; no wait goes beyond."""

TIMESPEC = Struct("<qq")
TIMEVAL = Struct("<qq")
ITIMERSPEC = Struct("<qqqq")
STACK_T = Struct("<QIIQ")
"""ss_sp, ss_flags, padding, ss_size."""


def i32(value: int) -> int:
    """An argument that the kernel takes as int."""
    value &= 0xFFFF_FFFF
    return value - (1 << 32) if value & 0x8000_0000 else value


def u32(value: int) -> int:
    """An argument that the kernel takes as unsigned int."""
    return value & 0xFFFF_FFFF


def i64(value: int) -> int:
    """An argument that the kernel takes as long."""
    return value - (1 << 64) if value >> 63 else value


def timespec_ns(seconds: int, nanoseconds: int) -> int:
    """A timespec in nanoseconds, EINVAL if it is not one; centuries are cut at 2**63 ns."""
    if seconds < 0 or not 0 <= nanoseconds < NANOSECONDS:
        raise GuestRefusal(EINVAL)
    return min(seconds * NANOSECONDS + nanoseconds, KTIME_MAX)


def timeval_ns(seconds: int, microseconds: int) -> int:
    """A timeval in nanoseconds, EINVAL if it is not one."""
    if not 0 <= microseconds < 1_000_000:
        raise GuestRefusal(EINVAL)
    return timespec_ns(seconds, microseconds * 1000)


def read_timespec(memory: GuestMemory, address: int) -> int:
    """The timespec at an address, in nanoseconds."""
    seconds, nanoseconds = TIMESPEC.unpack(memory.read(address, 16))
    return timespec_ns(seconds, nanoseconds)


def timespec(time: int) -> bytes:
    """Nanoseconds as a timespec."""
    return TIMESPEC.pack(*divmod(time, NANOSECONDS))


def timeval(time: int) -> bytes:
    """Nanoseconds as a timeval."""
    seconds, rest = divmod(time, NANOSECONDS)
    return TIMEVAL.pack(seconds, rest // 1000)
