"""The board `pc`: one x86-64 processor in ring 3, under an operating system that lives on the host."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from fairlead.hookspecs import hookimpl
from fairlead.machine import Board, BoardOptions, Part

if TYPE_CHECKING:
    from fairlead.machine import Machine

__all__ = ["BOARD", "fairlead_boards"]

PARTS = (
    Part("serial", 0x3F8, 8, interrupt=4),  # COM1, in I/O space
    Part("timer", 0xFEE0_0000, 0x1000, interrupt=32),  # of the local APIC; the interrupt is its vector
    Part("memory", 0x1_0000_0000, 0),  # all of it above the hole for devices
)


def _build(options: BoardOptions) -> Machine:
    # The engine is imported when a machine is made: listing boards must stay cheap.
    from fairlead_machines.boards.pc_machine import build

    return build(options, PARTS)


BOARD = Board(
    name="pc",
    arch="x86_64",
    summary="x86-64 in long mode and ring 3; the operating system half drives timer and serial port",
    parts=PARTS,
    build=_build,
)


@hookimpl
def fairlead_boards() -> Iterable[Board]:
    return (BOARD,)
