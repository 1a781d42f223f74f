"""What a debugger asks of a machine: to be stopped at instructions and at accesses to memory."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple, Protocol

__all__ = ["Tracer", "Watch"]


class Watch(NamedTuple):
    """Guest memory whose reads or writes by the guest's own instructions stop it, by virtual address."""

    address: int
    size: int
    read: bool
    write: bool


class Tracer(Protocol):
    """Stops a machine's guest between two instructions, for a debugger; guest time takes no notice of it.

    But where steps are counted or memory is watched, hundreds of instructions without a branch may take a few
    nanoseconds of guest time more.

    All of it is called while the guest stands: from `on_halt`, or with the machine not running.
    """

    def set_breakpoints(self, addresses: Collection[int]) -> None:
        """Stop before the instructions at these addresses, and no others.

        Going on from a stop at one passes it."""

    def set_watches(self, watches: Collection[Watch]) -> None:
        """Stop after an instruction that accesses one of these, where they are mapped now."""

    @property
    def steps(self) -> int | None:
        """Instructions that may begin before the guest is stopped; None for any number."""

    @steps.setter
    def steps(self, value: int | None) -> None: ...

    def take_watch(self) -> Watch | None:
        """What was accessed, if the last stop is due to that; told once."""

    def close(self) -> None:
        """Stop the guest no more; it runs as fast as before."""
