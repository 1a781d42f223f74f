"""Core-local interruptor of one hart (SiFive FU540-C000 manual, chapter 9; QEMU hw/intc/sifive_clint.c)."""

from __future__ import annotations

from collections.abc import Callable

from fairlead_machines.devices.device import Line

__all__ = ["Clint"]

_MSIP, _MTIMECMP, _MTIME = 0x0, 0x4000, 0xBFF8
_NEVER = (1 << 64) - 1


class Clint:
    """mtime counts ticks, mtimecmp arms the hart's timer, msip is its software interrupt.

    There is no machine mode above the guest, so both interrupts are the supervisor's.
    """

    def __init__(self, ticks: Callable[[], int], arm: Callable[[int], None], software: Line) -> None:
        self._ticks = ticks
        self._arm = arm
        self._software = software
        self._compare = _NEVER
        self._msip = 0

    def read(self, offset: int, size: int) -> int:
        if offset & ~7 == _MTIME:
            value = self._ticks()
        elif offset & ~7 == _MTIMECMP:
            value = self._compare
        else:
            return self._msip if offset == _MSIP else 0
        return value >> 8 * (offset & 7) & (1 << 8 * size) - 1

    def write(self, offset: int, size: int, value: int) -> None:
        """mtime cannot be set: it is the machine's clock."""
        if offset == _MSIP:
            self._msip = value & 1
            self._software(bool(self._msip))
        elif offset & ~7 == _MTIMECMP:
            shift = 8 * (offset & 7)
            mask = (1 << 8 * size) - 1 << shift
            self._compare = self._compare & ~mask | value << shift & mask
            self._arm(self._compare)
