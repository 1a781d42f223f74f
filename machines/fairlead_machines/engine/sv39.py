"""Sv39 page tables in guest RAM (RISC-V privileged specification 1.12, section 4.4).

Leaves have A and D set, so that no access costs a table walk to set them, and U as the guest's mode needs it:
S-mode may neither execute user pages nor, with sstatus.SUM clear, access them. Data pages have no X: Unicorn
keeps stores to executable pages on its slow path. W without R is a reserved encoding, so write permission
implies read permission.
"""

from __future__ import annotations

from collections.abc import Callable

from fairlead.machine import Prot
from fairlead_machines.engine.pagetables import PageTables

__all__ = ["SATP_SV39", "Sv39", "UserSv39", "walk"]

SATP_SV39 = 8 << 60
"""satp.MODE for Sv39 (table 4.4)."""

_V, _R, _W, _X, _U, _A, _D = 1, 2, 4, 8, 0x10, 0x40, 0x80
_RSW = 0x100


def _flags(mode: int) -> tuple[int, ...]:
    """The flags of a leaf by its rights, 0 to 7."""
    return tuple(
        (_V | _A | _D | mode if prot else _RSW)
        | (_R if prot & (Prot.READ | Prot.WRITE) else 0)
        | (_W if prot & Prot.WRITE else 0)
        | (_X if prot & Prot.EXEC else 0)
        for prot in map(Prot, range(8))
    )


class Sv39(PageTables):
    """`Mmu` in Sv39 format, for a guest in S-mode."""

    __slots__ = ("_activate",)

    SHIFTS = (30, 21, 12)
    VALID = TABLE = _V
    LEAF = _R | _W | _X
    LARGE = 0
    MARK = _RSW
    FRAME = (1 << 44) - 1 << 10
    SHIFT = 2
    HALF = 1 << 38
    FLAGS = _flags(0)

    def __init__(
        self,
        words: memoryview,
        base: int,
        allocate: Callable[[int], int],
        changed: Callable[[], None],
        executable: Callable[[int, int, int], None],
        activate: Callable[[int], None],
    ) -> None:
        """As `PageTables`; `activate` puts a value in satp."""
        super().__init__(words, base, allocate, changed, executable)
        self._activate = activate

    def activate(self) -> None:
        self._activate(SATP_SV39 | self.root >> 12)


class UserSv39(Sv39):
    """`Mmu` in Sv39 format, for a guest in U-mode."""

    __slots__ = ()

    FLAGS = _flags(_U)


walk = Sv39.walk
