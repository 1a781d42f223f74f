"""The guest program's address space: reserve, commit, protect and release, over an MMU and frames of RAM."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from fairlead.errors import GuestRefusal, LimitError
from fairlead.machine import PAGE_SIZE, Machine, Prot
from fairlead.services.frames import BLOCK_SIZE, Frames
from fairlead.services.guestmemory import GuestMemory
from fairlead.services.regions import Region, RegionMap

if TYPE_CHECKING:
    from fairlead.guest.image import Image

__all__ = ["MAX_REGIONS", "AddressSpace"]

MAX_REGIONS = 65_530
"""Mappings an address space may have, as vm.max_map_count; more are refused with ENOMEM."""

_ENOMEM = 12
_EEXIST = 17
_EINVAL = 22
_OFFSET = PAGE_SIZE - 1
_HIGH = {"riscv64": 1 << 38, "x86_64": 1 << 47}  # end of the user half under Sv39 and 4-level paging
_SPLITS = 4 * PAGE_SIZE  # tables that may be needed to split large pages at both ends of a range
_NONE = int(Prot.NONE)
_EXEC = int(Prot.EXEC)
_RIGHTS = tuple(Prot(prot | Prot.READ if prot else 0) for prot in range(8))
"""Rights as the hardware gives them: whatever may be written or executed may be read."""
_TABLE_RESERVE = 64 * PAGE_SIZE  # kept back for page tables


class AddressSpace(GuestMemory):
    """One program's memory. Requests that are refused raise GuestRefusal and change nothing.

    Memory is committed at once, zeroed, when it is mapped with any right; PROT_NONE only keeps the books.
    """

    def __init__(
        self,
        machine: Machine,
        *,
        low: int = 0x10000,
        high: int | None = None,
        base: int | None = None,
        frames: Frames | None = None,
    ) -> None:
        """Addresses are in [low, high); where the program has no wish they are given out from `base` up."""
        self.low = low
        self.high = _HIGH[machine.cpu.arch] if high is None else high
        self.frames = Frames(machine.ram) if frames is None else frames
        self._mmu = machine.new_mmu(self.frames.take_aligned)
        self.activate = self._mmu.activate
        regions = RegionMap(low, self.high, self.high // 2 if base is None else base)
        super().__init__(machine.ram, regions)

    def regions(self) -> Iterator[Region]:
        """What is mapped, in order; neighbours differ in rights or in where their memory is."""
        return iter(self._regions)

    def mmap(
        self, address: int, size: int, prot: int, *, fixed: bool = False, noreplace: bool = False
    ) -> int:
        """Map zeroed memory; where.

        `address` is a wish, or an order with `fixed` (what was mapped there is replaced, unless `noreplace`
        makes that EEXIST).
        """
        size = self._whole_pages(size)
        prot = int(_RIGHTS[prot])
        if fixed:
            if address & _OFFSET:
                raise GuestRefusal(_EINVAL)
            if not self._inside(address, size):
                raise GuestRefusal(_ENOMEM)
            if noreplace and self._regions.overlapping(address, address + size):
                raise GuestRefusal(_EEXIST)
        else:
            address = self._choose((address + _OFFSET) & ~_OFFSET, size)
        self._check_count()
        end = address + size
        old = self._regions.overlapping(address, end) if fixed else []
        committed = [part for region in old if (part := region.cut(address, end)).physical is not None]
        if prot:
            given_back = sum(part.end - part.start for part in committed)
            self._check_free(size - given_back, size)
        elif committed:
            self._check_splits()
        self._release(committed)
        new = self._commit(address, size, prot) if prot else [Region(address, end, _NONE)]
        self._regions.replace(address, end, new)
        return address

    def munmap(self, address: int, size: int) -> None:
        """Unmap whatever is mapped in a range."""
        if address & _OFFSET or not size or not self._inside(address, self._whole_pages(size), anywhere=True):
            raise GuestRefusal(_EINVAL)
        end = address + self._whole_pages(size)
        old = self._regions.overlapping(address, end)
        if not old:
            return
        if old[0].start < address and old[-1].end > end:
            self._check_count()
        committed = [part for region in old if (part := region.cut(address, end)).physical is not None]
        if committed:
            self._check_splits()
            self._release(committed)
        self._regions.replace(address, end, [])

    def mprotect(self, address: int, size: int, prot: int) -> None:
        """Change the rights of a range that is mapped whole; what was only reserved is committed."""
        if address & _OFFSET:
            raise GuestRefusal(_EINVAL)
        if not size:
            return
        prot = int(_RIGHTS[prot])
        end = address + self._whole_pages(size)
        if not self._inside(address, end - address) or not self._regions.covered(address, end):
            raise GuestRefusal(_ENOMEM)
        self._check_count()
        parts = [region.cut(address, end) for region in self._regions.overlapping(address, end)]
        if prot:
            needed = sum(part.end - part.start for part in parts if part.physical is None)
            if needed:
                self._check_free(needed, needed)
        self._check_splits()
        self._forget(address, end)
        new: list[Region] = []
        for part in parts:
            if part.physical is None:
                new += self._commit(part.start, part.end - part.start, prot) if prot else [part]
                continue
            if part.prot != prot:
                self._mmu.protect(part.start, part.end - part.start, _RIGHTS[prot])
                if prot & _EXEC and not part.prot & _EXEC:
                    self._ram.code_written(part.physical, part.end - part.start)
            new.append(Region(part.start, part.end, prot, part.physical))
        self._regions.replace(address, end, new)

    def discard(self, address: int, size: int) -> None:
        """Make a range read as zeroes again (MADV_DONTNEED).

        Parts that are not mapped make it ENOMEM once the rest is done. Memory behind PROT_NONE is given back.
        """
        if address & _OFFSET:
            raise GuestRefusal(_EINVAL)
        if not size:
            return
        end = address + self._whole_pages(size)
        if not self._inside(address, end - address, anywhere=True):
            raise GuestRefusal(_ENOMEM)
        for region in self._regions.overlapping(address, end):
            part = region.cut(address, end)
            if part.physical is None:
                continue
            if part.prot:
                self._ram.zero(part.physical, part.end - part.start)
                if part.prot & _EXEC:
                    self._ram.code_written(part.physical, part.end - part.start)
            else:
                self._check_splits()
                self._release([part])
                self._regions.replace(part.start, part.end, [Region(part.start, part.end, _NONE)])
        if not self._regions.covered(address, end):
            raise GuestRefusal(_ENOMEM)

    def overlapping(self, address: int, size: int) -> list[Region]:
        """What is mapped of a range, cut to it, in order."""
        end = address + size
        return [region.cut(address, end) for region in self._regions.overlapping(address, end)]

    def is_mapped(self, address: int, size: int = 1) -> bool:
        """Is all of a range mapped, be it only reserved?"""
        return self._inside(address, size) and self._regions.covered(address, address + size)

    def load_image(self, image: Image) -> None:
        """Load a program's segments; LimitError if they do not fit."""
        for segment in image.segments:
            try:
                self.load(segment.address, image.content(segment), segment.prot, segment.size)
            except GuestRefusal:
                raise LimitError(
                    f"{image.path}: no room in the guest for the segment at {segment.address:#x} "
                    f"({segment.size} bytes; addresses {self.low:#x} to {self.high:#x})",
                    hint="give the machine more with --memory",
                ) from None

    def load(self, address: int, data: bytes | memoryview, prot: int, size: int | None = None) -> None:
        """Put a program's segment of `size` bytes, zeroes after `data`, at an address, with rights `prot`.

        Where it shares a page with an earlier segment that page gets the rights of both.
        """
        end = address + (len(data) if size is None else size)
        start, stop = address & ~_OFFSET, (end + _OFFSET) & ~_OFFSET
        position = start
        for region in self._regions.overlapping(start, stop):
            part = region.cut(start, stop)
            if position < part.start:
                self.mmap(position, part.start - position, prot, fixed=True)
            self.mprotect(part.start, part.end - part.start, part.prot | prot)
            position = part.end
        if position < stop:
            self.mmap(position, stop - position, prot, fixed=True)
        self.install(address, data)

    def install(self, address: int, data: bytes | memoryview) -> None:
        """Write into committed memory whatever its rights, as a loader does; code may be among it."""
        self._scatter(self._pieces(address, len(data), 0), data)
        for region in self._regions.overlapping(address, address + len(data)):
            part = region.cut(address, address + len(data))
            if part.prot & _EXEC and part.physical is not None:
                self._ram.code_written(part.physical, part.end - part.start)

    def _commit(self, address: int, size: int, prot: int) -> list[Region]:
        """Memory for a range that has none, mapped by the MMU; there is enough."""
        new = []
        for physical, length in self.frames.take(size, address):
            self._mmu.map(address, physical, length, _RIGHTS[prot])
            if prot & _EXEC:
                self._ram.code_written(physical, length)
            new.append(Region(address, address + length, prot, physical))
            address += length
        return new

    def _release(self, committed: list[Region]) -> None:
        """Unmap committed ranges and give back their memory; the books are the caller's."""
        for part in committed:
            if part.physical is not None:
                size = part.end - part.start
                self._forget(part.start, part.end)
                self._mmu.unmap(part.start, size)
                self.frames.give(part.physical, size)

    def _choose(self, wish: int, size: int) -> int:
        """The wish if it is free, else the lowest free range."""
        if self._inside(wish, size) and not self._regions.overlapping(wish, wish + size):
            return wish
        found = self._regions.find_free(size)
        if found is None:
            raise GuestRefusal(_ENOMEM)
        return found

    def _inside(self, address: int, size: int, *, anywhere: bool = False) -> bool:
        return (anywhere or address >= self.low) and address + size <= self.high

    def _whole_pages(self, size: int) -> int:
        if not size:
            raise GuestRefusal(_EINVAL)
        return (size + _OFFSET) & ~_OFFSET

    def _check_count(self) -> None:
        if len(self._regions) >= MAX_REGIONS:
            raise GuestRefusal(_ENOMEM)

    def _check_free(self, needed: int, mapped: int) -> None:
        """Is there memory for `needed` bytes, and for the tables of `mapped` bytes of address space?"""
        tables = sum(mapped // (BLOCK_SIZE << shift) + 2 for shift in (0, 9, 18)) * PAGE_SIZE
        if needed + tables + _TABLE_RESERVE > self.frames.free:
            raise GuestRefusal(_ENOMEM)

    def _check_splits(self) -> None:
        if self.frames.free < _SPLITS:
            raise GuestRefusal(_ENOMEM)
