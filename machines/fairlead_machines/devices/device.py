"""What a board needs of a device."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

__all__ = ["Device", "Line"]

Line = Callable[[bool], None]
"""An interrupt line, as the device holds it: line(True) raises it, line(False) lowers it."""


class Device(Protocol):
    """Registers behind a range of addresses. Accesses are naturally aligned, 1, 2 or 4 bytes wide."""

    def read(self, offset: int, size: int) -> int: ...

    def write(self, offset: int, size: int, value: int) -> None: ...
