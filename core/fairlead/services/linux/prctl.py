"""prctl(2): what a process may say of itself and its threads; anything else is EINVAL, never ENOSYS."""

from __future__ import annotations

from errno import EINVAL
from typing import TYPE_CHECKING

from fairlead.errors import GuestRefusal
from fairlead.services.linux.handler import Handlers
from fairlead.services.linux.structures import i32

if TYPE_CHECKING:
    from fairlead.services.linux.process import Process

__all__ = ["HANDLERS"]


def prctl(process: Process, option: int, argument: int) -> int:
    act = _PRCTL.get(i32(option))
    if act is None:
        raise GuestRefusal(EINVAL)
    return act(process, argument)


def _set_name(process: Process, address: int) -> int:
    name = process.memory.read(address, 1)
    while name[-1] and len(name) < 16:
        name += process.memory.read(address + len(name), 1)
    process.thread.name = name.rstrip(b"\0")[:15]
    return 0


def _get_name(process: Process, address: int) -> int:
    process.memory.write(address, process.thread.name.ljust(16, b"\0"))
    return 0


def _get_dumpable(process: Process, argument: int) -> int:
    return 1


def _get_keepcaps(process: Process, argument: int) -> int:
    return process.capabilities.keepcaps


def _set_keepcaps(process: Process, keep: int) -> int:
    if keep > 1:
        raise GuestRefusal(EINVAL)
    process.capabilities.keepcaps = keep
    return 0


_PRCTL = {
    3: _get_dumpable,  # PR_GET_DUMPABLE, uapi/linux/prctl.h
    7: _get_keepcaps,
    8: _set_keepcaps,
    15: _set_name,
    16: _get_name,
}


HANDLERS: Handlers = {
    "prctl": prctl,
}
