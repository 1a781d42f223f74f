"""What stands in packets: numbers, ranges, and how a guest is to go on."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from fairlead.debug.signals import from_gdb
from fairlead.thread import Thread

__all__ = [
    "EFAULT",
    "EINVAL",
    "EPERM",
    "ESRCH",
    "Action",
    "Answer",
    "Ending",
    "Refused",
    "Resumption",
    "guest_signal",
    "integer",
    "point",
    "span",
    "unhex",
]

EPERM, ESRCH, EFAULT, EINVAL = 1, 3, 14, 22
"""What a packet is refused with; gdb shows the number."""


class Action(NamedTuple):
    """What a thread does next: `step` one instruction, with a `signal` (the guest's number) or 0."""

    step: bool = False
    signal: int = 0


class Resumption(NamedTuple):
    """How to go on: what some threads do, and all others, which are to stand still if None."""

    threads: Mapping[Thread, Action]
    others: Action | None

    def of(self, thread: Thread) -> Action:
        return self.threads.get(thread, self.others or Action())


class Ending(NamedTuple):
    """The debugger is done: the guest ends too if it `kills` it; `reply` is sent before."""

    kills: bool
    reply: bytes


Answer = bytes | Resumption | Ending


class Refused(Exception):
    """The packet cannot be served, for the reason that an error number gives."""

    def __init__(self, number: int) -> None:
        self.number = number


def integer(text: bytes) -> int:
    """A hexadecimal number of at most 64 bits."""
    if not re.fullmatch(rb"[0-9a-fA-F]{1,16}", text):
        raise Refused(EINVAL)
    return int(text, 16)


def unhex(text: bytes) -> bytes:
    return bytes.fromhex(text.decode("ascii", "replace"))


def span(text: bytes) -> tuple[int, int]:
    address, _, size = text.partition(b",")
    return integer(address), integer(size)


def point(text: bytes) -> tuple[int, int, int]:
    """TYPE,ADDRESS,KIND; conditions and commands behind them are not offered to the debugger."""
    fields = text.partition(b";")[0].split(b",")
    if len(fields) != 3:
        raise Refused(EINVAL)
    return integer(fields[0]), integer(fields[1]), integer(fields[2])


def guest_signal(text: bytes) -> int:
    number = integer(text)
    found = from_gdb(number) if number else 0
    if found is None:
        raise Refused(EINVAL)
    return found
