"""Resource limits (getrlimit(2)): what a guest may ask for and change; who enforces one reads it here."""

from __future__ import annotations

from errno import EINVAL, EPERM

from fairlead.errors import GuestRefusal

__all__ = ["RLIMIT_NOFILE", "RLIM_INFINITY", "default_limits", "set_limit"]

RLIM_INFINITY = (1 << 64) - 1

# asm-generic/resource.h
RLIMIT_STACK, RLIMIT_CORE, RLIMIT_NPROC, RLIMIT_NOFILE, RLIMIT_MEMLOCK = 3, 4, 6, 7, 8
RLIMIT_SIGPENDING, RLIMIT_MSGQUEUE, RLIMIT_NICE, RLIMIT_RTPRIO = 11, 12, 13, 14
_COUNT = 16


def default_limits() -> dict[int, tuple[int, int]]:
    """(soft, hard) by resource, as a login on a Linux system finds them; descriptors are the file table's."""
    limits = dict.fromkeys(range(_COUNT), (RLIM_INFINITY, RLIM_INFINITY))
    limits[RLIMIT_STACK] = (8 << 20, RLIM_INFINITY)
    limits[RLIMIT_CORE] = (0, RLIM_INFINITY)
    limits[RLIMIT_NPROC] = (20_000, 20_000)
    limits[RLIMIT_MEMLOCK] = (8 << 20, 8 << 20)
    limits[RLIMIT_SIGPENDING] = (1024, 1024)
    limits[RLIMIT_MSGQUEUE] = (819_200, 819_200)
    limits[RLIMIT_NICE] = limits[RLIMIT_RTPRIO] = (0, 0)
    return limits


def set_limit(limits: dict[int, tuple[int, int]], resource: int, soft: int, hard: int) -> None:
    """Change a limit as an ordinary user may: the hard one only downwards."""
    if soft > hard:
        raise GuestRefusal(EINVAL)
    if hard > limits[resource][1]:
        raise GuestRefusal(EPERM)
    limits[resource] = (soft, hard)
