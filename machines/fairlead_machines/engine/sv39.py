"""Sv39 page tables in guest RAM (RISC-V privileged specification 1.12, section 4.4).

Leaves have A and D set, so that no access costs a table walk to set them, and U clear, because guests run in
S-mode. Data pages have no X: Unicorn keeps stores to executable pages on its slow path. W without R is a
reserved encoding, so write permission implies read permission.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable

from fairlead.errors import MachineError
from fairlead.machine import PAGE_SIZE, Prot

__all__ = ["SATP_SV39", "Sv39", "walk"]

SATP_SV39 = 8 << 60
"""satp.MODE for Sv39 (table 4.4)."""

_V, _R, _W, _X, _A, _D = 1, 2, 4, 8, 0x40, 0x80
_LEAF = _R | _W | _X
_MARK = 0x100
"""RSW bit 8: a page mapped with Prot.NONE keeps its frame in an invalid entry with this mark."""
_SIZES = (1 << 30, 1 << 21, 1 << 12)
_SHIFTS = (30, 21, 12)
_HALF = 1 << 38
_TOP = 1 << 64
_PPN = ((1 << 44) - 1) << 10
_EMPTY = memoryview(bytes(PAGE_SIZE)).cast("Q")

_FLAGS = tuple(
    (_MARK if not prot else _V | _A | _D)
    | (_R if prot & (Prot.READ | Prot.WRITE) else 0)
    | (_W if prot & Prot.WRITE else 0)
    | (_X if prot & Prot.EXEC else 0)
    for prot in map(Prot, range(8))
)


def walk(words: memoryview, base: int, root: int, address: int) -> tuple[int, int] | None:
    """The (physical address, leaf entry) that a virtual address has, None if it has none.

    `words` is RAM as 64-bit items from physical address `base` on; tables outside it map nothing.
    """
    if not (address < _HALF or address >= _TOP - _HALF):
        return None
    table = root
    for shift in _SHIFTS:
        index = (table - base >> 3) + (address >> shift & 511)
        if not 0 <= index < len(words):
            return None
        entry: int = words[index]
        if not entry & _V:
            return None
        if entry & _LEAF:
            mask = (1 << shift) - 1
            return (entry >> 10 & (1 << 44) - 1) << 12 & ~mask | address & mask, entry
        table = (entry & _PPN) << 2
    return None


class Sv39:
    """`Mmu` in Sv39 format."""

    __slots__ = ("_activate", "_allocate", "_base", "_changed", "_executable", "_free", "_words", "root")

    def __init__(
        self,
        words: memoryview,
        base: int,
        allocate: Callable[[int], int],
        changed: Callable[[], None],
        executable: Callable[[int, int, int], None],
        activate: Callable[[int], None],
    ) -> None:
        """Empty tables.

        `changed` is called after a valid entry was altered, `executable` with (virtual, physical, size) of
        pages that may now be executed; `activate` puts a value in satp.
        """
        self._words = words
        self._base = base
        self._allocate = allocate
        self._changed = changed
        self._executable = executable
        self._activate = activate
        self._free: list[int] = []
        self.root = allocate(PAGE_SIZE)

    def map(self, virtual: int, physical: int, size: int, prot: Prot) -> None:
        end = self._check(virtual, size)
        if physical % PAGE_SIZE:
            raise MachineError(f"physical address {physical:#x} is not a page's")
        flags = _FLAGS[prot]
        whole = virtual, physical, size
        stale = False
        while virtual < end:
            both = virtual | physical
            level = next(n for n, s in enumerate(_SIZES) if not both & s - 1 and end - virtual >= s)
            step = _SIZES[level]
            first = self._slot(virtual, level)
            # Fill in one go what this table has room for; a full table ends where a larger page may begin.
            count = min((end - virtual) // step, 512 - (virtual >> _SHIFTS[level] & 511))
            row = self._words[first : first + count]
            for old in row:
                if old & _V:
                    stale = True
                    if level < 2 and not old & _LEAF:
                        self._recycle(old, level + 1)
            entry = physical >> 2 | flags
            row[:] = memoryview(array("Q", range(entry, entry + count * (step >> 2), step >> 2)))
            virtual += step * count
            physical += step * count
        if stale:
            self._changed()
        if prot & Prot.EXEC:
            self._executable(*whole)

    def unmap(self, virtual: int, size: int) -> None:
        self._update(virtual, size, None)

    def protect(self, virtual: int, size: int, prot: Prot) -> None:
        self._update(virtual, size, _FLAGS[prot])

    def activate(self) -> None:
        self._activate(SATP_SV39 | self.root >> 12)

    def _update(self, virtual: int, size: int, flags: int | None) -> None:
        """Give the mapped pages of a range new flags, or none at all."""
        end = self._check(virtual, size)
        words = self._words
        stale = False
        while virtual < end:
            parent, index, level = self._find(virtual)
            step = _SIZES[level]
            if level < 2:
                entry = words[index]
                if entry & (_LEAF | _MARK) and (virtual & step - 1 or end - virtual < step):
                    self._split(index, level)
                    stale = stale or entry & _V != 0
                    continue
                count = 1
            else:
                count = min(end - virtual >> 12, 512 - (virtual >> 12 & 511))
                if flags is None and count == 512:
                    self._recycle(words[parent], 2)
                    words[parent] = 0
                    stale = True
                    virtual += 512 * PAGE_SIZE
                    continue
            for n in range(index, index + count):
                entry = words[n]
                if entry & (_LEAF | _MARK):
                    stale = stale or entry & _V != 0
                    words[n] = 0 if flags is None else entry & _PPN | flags
                    if flags is not None and flags & _X:
                        self._executable(virtual + step * (n - index), (entry & _PPN) << 2, step)
            virtual = (virtual | step - 1) + 1 + step * (count - 1)
        if stale:
            self._changed()

    def _find(self, virtual: int) -> tuple[int, int, int]:
        """Where the walk for an address ends: the entry above, the leaf or empty entry, and its level."""
        table = self.root
        parent = 0
        for level in (0, 1):
            index = self._index(table, virtual, level)
            entry = self._words[index]
            if not entry & _V or entry & _LEAF:
                return parent, index, level
            parent = index
            table = (entry & _PPN) << 2
        return parent, self._index(table, virtual, 2), 2

    def _slot(self, virtual: int, level: int) -> int:
        """The entry for an address at a level, making tables and splitting large leaves on the way."""
        table = self.root
        for upper in range(level):
            index = self._index(table, virtual, upper)
            entry = self._words[index]
            if entry & (_LEAF | _MARK):
                self._split(index, upper)
                if entry & _V:
                    self._changed()
            elif not entry & _V:
                self._words[index] = self._table() >> 2 | _V
            table = (self._words[index] & _PPN) << 2
        return self._index(table, virtual, level)

    def _split(self, index: int, level: int) -> None:
        """Replace a large leaf by a table of 512 smaller ones."""
        entry = self._words[index]
        table = self._table()
        first = table - self._base >> 3
        unit = _SIZES[level + 1] >> 2
        for n in range(512):
            self._words[first + n] = entry + n * unit
        self._words[index] = table >> 2 | _V

    def _table(self) -> int:
        """A zeroed frame for a table."""
        if not self._free:
            return self._allocate(PAGE_SIZE)
        table = self._free.pop()
        first = table - self._base >> 3
        self._words[first : first + 512] = _EMPTY
        return table

    def _recycle(self, entry: int, level: int) -> None:
        """Take back the frames of a table at a level, and of those below it."""
        table = (entry & _PPN) << 2
        first = self._index(table, 0, level)
        if level < 2:
            for below in self._words[first : first + 512]:
                if below & _V and not below & _LEAF:
                    self._recycle(below, level + 1)
        self._free.append(table)

    def _index(self, table: int, virtual: int, level: int) -> int:
        first = table - self._base >> 3
        if not 0 <= first <= len(self._words) - 512:
            raise MachineError(
                f"a page table at {table:#x} is outside RAM: the guest overwrote its page tables"
            )
        return first + (virtual >> _SHIFTS[level] & 511)

    @staticmethod
    def _check(virtual: int, size: int) -> int:
        """The end of a range; MachineError if it cannot be mapped."""
        end = virtual + size
        if (virtual | size) % PAGE_SIZE or size < 0:
            raise MachineError(f"virtual range {virtual:#x}+{size:#x} is not whole pages")
        if not any(start <= virtual and end <= start + _HALF for start in (0, _TOP - _HALF)):
            raise MachineError(f"virtual range {virtual:#x}+{size:#x} is not canonical in Sv39")
        return end
