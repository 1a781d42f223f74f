"""Page tables in guest RAM: what the formats of all architectures have in common.

A format is a radix tree of 4 KiB tables with 512 entries of 8 bytes. A valid entry above the last level that
is not a leaf points to a table; a leaf there maps a large page. Subclasses say which bits mean what.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from array import array
from collections.abc import Callable
from typing import ClassVar

from fairlead.errors import MachineError
from fairlead.machine import PAGE_SIZE, Prot

__all__ = ["PageTables"]

_EMPTY = memoryview(bytes(PAGE_SIZE)).cast("Q")
_TOP = 1 << 64
_LARGEST = 30
"""Shift of the largest pages that a leaf can map: 1 GiB."""


class PageTables(ABC):
    """`Mmu` over a format given by class variables."""

    __slots__ = ("_allocate", "_base", "_changed", "_executable", "_free", "_words", "root")

    SHIFTS: ClassVar[tuple[int, ...]]
    """Of each level's index in the address, from the root down to 12."""
    VALID: ClassVar[int]
    LEAF: ClassVar[int]
    """Bits of which one is set in leaves above the last level, and none in entries that point to a table."""
    MARK: ClassVar[int]
    """A bit free for software: set in the invalid entry that keeps the frame of a page with no access."""
    TABLE: ClassVar[int]
    """Bits of an entry that points to a table."""
    LARGE: ClassVar[int]
    """Bits added to leaves above the last level."""
    FRAME: ClassVar[int]
    """Bits of the frame's address, which is (entry & FRAME) << SHIFT."""
    SHIFT: ClassVar[int]
    FLAGS: ClassVar[tuple[int, ...]]
    """Of a leaf, by Prot."""
    HALF: ClassVar[int]
    """Size of each of the two canonical halves of the address space."""

    def __init__(
        self,
        words: memoryview,
        base: int,
        allocate: Callable[[int], int],
        changed: Callable[[], None],
        executable: Callable[[int, int, int], None],
    ) -> None:
        """Empty tables in `words`, which is RAM as 64-bit items from physical address `base` on.

        `changed` is called after a valid entry was altered, `executable` with (virtual, physical, size) of
        pages that may now be executed.
        """
        self._words = words
        self._base = base
        self._allocate = allocate
        self._changed = changed
        self._executable = executable
        self._free: list[int] = []
        self.root = allocate(PAGE_SIZE)

    @classmethod
    def walk(cls, words: memoryview, base: int, root: int, address: int) -> tuple[int, int] | None:
        """The (physical address, leaf entry) that a virtual address has, None if it has none.

        Tables outside RAM map nothing.
        """
        if not (address < cls.HALF or address >= _TOP - cls.HALF):
            return None
        table = root
        for shift in cls.SHIFTS:
            index = (table - base >> 3) + (address >> shift & 511)
            if not 0 <= index < len(words):
                return None
            entry: int = words[index]
            if not entry & cls.VALID:
                return None
            frame = (entry & cls.FRAME) << cls.SHIFT
            if shift == 12 or entry & cls.LEAF:
                mask = (1 << shift) - 1
                return frame & ~mask | address & mask, entry
            table = frame
        return None

    @abstractmethod
    def activate(self) -> None: ...

    def map(self, virtual: int, physical: int, size: int, prot: Prot) -> None:
        end = self._check(virtual, size)
        if physical % PAGE_SIZE:
            raise MachineError(f"physical address {physical:#x} is not a page's")
        last = len(self.SHIFTS) - 1
        flags = self.FLAGS[prot]
        whole = virtual, physical, size
        stale = False
        while virtual < end:
            level = self._level(virtual | physical, end - virtual)
            step = 1 << self.SHIFTS[level]
            first = self._slot(virtual, level)
            # Fill in one go what this table has room for; a full table ends where a larger page may begin.
            count = min((end - virtual) // step, 512 - (virtual >> self.SHIFTS[level] & 511))
            row = self._words[first : first + count]
            for old in row:
                if old & self.VALID:
                    stale = True
                    if level < last and not old & self.LEAF:
                        self._recycle(old, level + 1)
            entry = physical >> self.SHIFT | flags | (self.LARGE if level < last else 0)
            unit = step >> self.SHIFT
            row[:] = memoryview(array("Q", range(entry, entry + count * unit, unit)))
            virtual += step * count
            physical += step * count
        if stale:
            self._changed()
        if prot & Prot.EXEC:
            self._executable(*whole)

    def unmap(self, virtual: int, size: int) -> None:
        self._update(virtual, size, None)

    def protect(self, virtual: int, size: int, prot: Prot) -> None:
        self._update(virtual, size, prot)

    def _level(self, both: int, size: int) -> int:
        """The level with the largest pages that alignment and size allow."""
        for level, shift in enumerate(self.SHIFTS):
            if shift <= _LARGEST and not both & (1 << shift) - 1 and size >> shift:
                return level
        raise AssertionError(f"{both:#x} and {size:#x} are whole pages")

    def _update(self, virtual: int, size: int, prot: Prot | None) -> None:
        """Give the mapped pages of a range new flags, or none at all."""
        end = self._check(virtual, size)
        last = len(self.SHIFTS) - 1
        flags = None if prot is None else self.FLAGS[prot]
        words = self._words
        stale = False
        while virtual < end:
            parent, index, level = self._find(virtual)
            step = 1 << self.SHIFTS[level]
            if level < last:
                entry = words[index]
                if entry & (self.LEAF | self.MARK) and (virtual & step - 1 or end - virtual < step):
                    self._split(index, level)
                    stale = stale or entry & self.VALID != 0
                    continue
                count = 1
            else:
                count = min(end - virtual >> 12, 512 - (virtual >> 12 & 511))
                if flags is None and count == 512:
                    self._recycle(words[parent], last)
                    words[parent] = 0
                    stale = True
                    virtual += 512 * PAGE_SIZE
                    continue
            for n in range(index, index + count):
                entry = words[n]
                if not entry & (self.VALID | self.MARK):
                    continue
                stale = stale or entry & self.VALID != 0
                if flags is None:
                    words[n] = 0
                    continue
                words[n] = entry & self.FRAME | flags | (self.LARGE if level < last else 0)
                if prot is not None and prot & Prot.EXEC:
                    physical = (entry & self.FRAME) << self.SHIFT
                    self._executable((virtual & -step) + step * (n - index), physical, step)
            virtual = (virtual | step - 1) + 1 + step * (count - 1)
        if stale:
            self._changed()

    def _find(self, virtual: int) -> tuple[int, int, int]:
        """Where the walk for an address ends: the entry above, the leaf or empty entry, and its level."""
        table = self.root
        parent = 0
        last = len(self.SHIFTS) - 1
        for level in range(last):
            index = self._index(table, virtual, level)
            entry = self._words[index]
            if not entry & self.VALID or entry & self.LEAF:
                return parent, index, level
            parent = index
            table = (entry & self.FRAME) << self.SHIFT
        return parent, self._index(table, virtual, last), last

    def _slot(self, virtual: int, level: int) -> int:
        """The entry for an address at a level, making tables and splitting large leaves on the way."""
        table = self.root
        for upper in range(level):
            index = self._index(table, virtual, upper)
            entry = self._words[index]
            if entry & (self.LEAF | self.MARK):
                self._split(index, upper)
                if entry & self.VALID:
                    self._changed()
            elif not entry & self.VALID:
                self._words[index] = self._table() >> self.SHIFT | self.TABLE
            table = (self._words[index] & self.FRAME) << self.SHIFT
        return self._index(table, virtual, level)

    def _split(self, index: int, level: int) -> None:
        """Replace a large leaf by a table of 512 smaller ones."""
        entry = self._words[index]
        if level == len(self.SHIFTS) - 2:
            entry &= ~self.LARGE
        table = self._table()
        first = table - self._base >> 3
        unit = 1 << self.SHIFTS[level + 1] >> self.SHIFT
        for n in range(512):
            self._words[first + n] = entry + n * unit
        self._words[index] = table >> self.SHIFT | self.TABLE

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
        table = (entry & self.FRAME) << self.SHIFT
        first = self._index(table, 0, level)
        if level < len(self.SHIFTS) - 1:
            for below in self._words[first : first + 512]:
                if below & self.VALID and not below & self.LEAF:
                    self._recycle(below, level + 1)
        self._free.append(table)

    def _index(self, table: int, virtual: int, level: int) -> int:
        first = table - self._base >> 3
        if not 0 <= first <= len(self._words) - 512:
            raise MachineError(
                f"a page table at {table:#x} is outside RAM: the guest overwrote its page tables"
            )
        return first + (virtual >> self.SHIFTS[level] & 511)

    @classmethod
    def _check(cls, virtual: int, size: int) -> int:
        """The end of a range; MachineError if it cannot be mapped."""
        end = virtual + size
        if (virtual | size) % PAGE_SIZE or size < 0:
            raise MachineError(f"virtual range {virtual:#x}+{size:#x} is not whole pages")
        if not any(start <= virtual and end <= start + cls.HALF for start in (0, _TOP - cls.HALF)):
            raise MachineError(f"virtual range {virtual:#x}+{size:#x} is not canonical")
        return end
