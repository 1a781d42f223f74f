"""SiFive's test finisher, by which a guest powers the board off (QEMU hw/misc/sifive_test.c)."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["Finisher"]

_FAIL, _PASS, _RESET = 0x3333, 0x5555, 0x7777


class Finisher:
    """Ends the run with a code: 0 for pass and reset, the upper half of the word for fail."""

    def __init__(self, finish: Callable[[int], None]) -> None:
        self._finish = finish

    def read(self, offset: int, size: int) -> int:
        return 0

    def write(self, offset: int, size: int, value: int) -> None:
        if offset:
            return
        status = value & 0xFFFF
        if status == _FAIL:
            self._finish(value >> 16)
        elif status in (_PASS, _RESET):
            self._finish(0)
