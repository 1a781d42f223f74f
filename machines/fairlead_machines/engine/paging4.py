"""4-level paging in guest RAM (Intel SDM volume 3A, section 4.5: 4 KiB, 2 MiB and 1 GiB pages).

Leaves have A and D set, so that no access costs a table walk to set them, and U, because guests run in ring
3. Data pages have XD: Unicorn keeps stores to executable pages on its slow path. Present pages can always be
read, so any permission implies read permission.
"""

from __future__ import annotations

from collections.abc import Callable

from fairlead.errors import MachineError
from fairlead.machine import Prot
from fairlead_machines.engine.pagetables import PageTables

__all__ = ["Paging4"]

_P, _RW, _US, _A, _D, _PS, _XD = 1, 2, 4, 0x20, 0x40, 0x80, 1 << 63
_AVAILABLE = 0x200


class Paging4(PageTables):
    """`Mmu` in the format of CR3 with CR4.PAE and EFER.LME set."""

    __slots__ = ("_activate",)

    SHIFTS = (39, 30, 21, 12)
    VALID = _P
    LEAF = LARGE = _PS
    MARK = _AVAILABLE
    TABLE = _P | _RW | _US | _A
    FRAME = (1 << 52) - (1 << 12)
    SHIFT = 0
    HALF = 1 << 47
    FLAGS = tuple(
        (_P | _US | _A | _D if prot else _AVAILABLE)
        | (_RW if prot & Prot.WRITE else 0)
        | (_XD if prot and not prot & Prot.EXEC else 0)
        for prot in map(Prot, range(8))
    )

    def __init__(
        self,
        words: memoryview,
        base: int,
        allocate: Callable[[int], int],
        changed: Callable[[], None],
        executable: Callable[[int, int, int], None],
        activate: Callable[[int], None],
    ) -> None:
        """As `PageTables`; `activate` puts a value in CR3."""
        super().__init__(words, base, allocate, changed, executable)
        self._activate = activate

    def map(self, virtual: int, physical: int, size: int, prot: Prot) -> None:
        """`Mmu.map`; only RAM can be mapped, as there are no devices that ring 3 may reach."""
        start = physical - self._base
        if start < 0 or start + size > 8 * len(self._words):
            raise MachineError(f"physical range {physical:#x}+{size:#x} is not RAM")
        super().map(virtual, physical, size, prot)

    def activate(self) -> None:
        self._activate(self.root)
