"""The board `virt`: one hart, RAM and devices where QEMU's virt machine has them (hw/riscv/virt.c)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from fairlead.hookspecs import hookimpl
from fairlead.machine import Board, BoardOptions, Part

if TYPE_CHECKING:
    from fairlead.machine import Machine

__all__ = ["BOARD", "fairlead_boards"]

_PARTS = (
    Part("test", 0x10_0000, 0x1000),
    Part("rtc", 0x10_1000, 0x1000, interrupt=11),
    Part("clint", 0x200_0000, 0x1_0000),
    Part("plic", 0xC00_0000, 0x60_0000),
    Part("serial", 0x1000_0000, 0x1000, interrupt=10),
    Part("memory", 0x8000_0000, 0),  # as large as the options say
)


def _build(options: BoardOptions) -> Machine:
    # The engine is imported when a machine is made: listing boards must stay cheap.
    from fairlead_machines.boards.virt_machine import build

    return build(options, _PARTS)


BOARD = Board(
    name="virt",
    arch="riscv64",
    summary="RV64GC in S-mode over SBI firmware, laid out as QEMU's virt machine",
    parts=_PARTS,
    build=_build,
)


@hookimpl
def fairlead_boards() -> Iterable[Board]:
    return (BOARD,)
