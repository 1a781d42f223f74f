"""Physical memory handed out in frames of 4 KiB, kept together in blocks of 2 MiB so that large pages fit."""

from __future__ import annotations

from functools import cache

from sortedcontainers import SortedDict

from fairlead.errors import GuestRefusal, MachineError
from fairlead.machine import PAGE_SIZE, Ram

__all__ = ["BLOCK_SIZE", "Extent", "Frames"]

BLOCK_SIZE = 2 << 20
"""Bytes of a large page on both architectures, and the unit in which RAM is kept together."""

Extent = tuple[int, int]
"""A physically contiguous piece: (physical address, size in bytes)."""

_PAGES = BLOCK_SIZE // PAGE_SIZE
_FULL = (1 << _PAGES) - 1
_ENOMEM = 12
_NEAR = 8  # partly used blocks searched for a contiguous run before taking what comes


class Frames:
    """First-fit allocator of physical frames; what it hands out is zeroed, freed memory only when used again.

    A block is free, wholly used, or partly used with a bitmap of its free pages. `_dirty` has the pages that
    were used before: RAM never handed out is zero already and stays untouched on the host.
    """

    def __init__(self, ram: Ram, start: int | None = None, end: int | None = None) -> None:
        """Hand out [start, end) of the RAM, all of it by default; both are physical page addresses."""
        self._ram = ram
        self._runs: SortedDict[int, int] = SortedDict()  # first block of a run of free blocks -> its length
        self._partial: SortedDict[int, int] = SortedDict()  # block -> bitmap of free pages
        self._dirty: dict[int, int] = {}  # block -> bitmap of free pages that were used before
        self._free = 0
        self._give(ram.base if start is None else start, ram.base + ram.size if end is None else end)

    @property
    def free(self) -> int:
        """Bytes not handed out."""
        return self._free * PAGE_SIZE

    def take(self, size: int, virtual: int = 0) -> list[Extent]:
        """Zeroed memory in few pieces, in virtual order, 2 MiB-aligned wherever `virtual` is; or ENOMEM."""
        pages = size // PAGE_SIZE
        if pages > self._free:
            raise GuestRefusal(_ENOMEM)
        self._free -= pages
        head = -virtual % BLOCK_SIZE // PAGE_SIZE
        blocks = (pages - head) // _PAGES
        out: list[Extent] = []
        if blocks <= 0:
            self._take_pages(pages, out)
            return out
        self._take_pages(head, out)
        missing = self._take_blocks(blocks, out)
        self._take_pages(missing * _PAGES, out)
        self._take_pages(pages - head - blocks * _PAGES, out)
        return out

    def take_aligned(self, size: int) -> int:
        """Zeroed memory, size-aligned, for a power of two up to 2 MiB: what page tables are made of."""
        pages = size // PAGE_SIZE
        block, fits = self._find_aligned(pages)
        self._free -= pages
        return self._take_run(block, (fits & -fits).bit_length() - 1, pages)

    def _find_aligned(self, pages: int) -> tuple[int, int]:
        """A block, and a bit for each place in it where so many pages are free and aligned."""
        for block, bitmap in self._partial.items():
            fits = _runs_of(bitmap, pages) & _aligned(pages)
            if fits:
                return block, fits
        fresh = self._break_block()
        if fresh is None:
            raise MachineError(
                "no guest memory left for page tables", hint="give the machine more with --memory"
            )
        return fresh, 1

    def give(self, physical: int, size: int) -> None:
        """Take memory back; it is zeroed when it is next handed out."""
        for block, mask in _blocks(physical, physical + size):
            self._dirty[block] = self._dirty.get(block, 0) | mask
        self._give(physical, physical + size)

    def _give(self, start: int, end: int) -> None:
        for block, mask in _blocks(start, end):
            bitmap = self._partial.pop(block, 0) | mask
            if bitmap == _FULL:
                self._free_block(block)
            else:
                self._partial[block] = bitmap
        self._free += (end - start) // PAGE_SIZE

    def _free_block(self, block: int) -> None:
        """Put a block among the free runs, joined with its neighbours."""
        runs = self._runs
        length = 1 + (runs.pop(block + 1, None) or 0)
        index = runs.bisect_left(block) - 1
        if index >= 0:
            before, count = runs.peekitem(index)
            if before + count == block:
                runs[before] = count + length
                return
        runs[block] = length

    def _break_block(self) -> int | None:
        """Make the lowest free block a partly used one with all its pages free."""
        if not self._runs:
            return None
        block, length = self._runs.popitem(0)
        if length > 1:
            self._runs[block + 1] = length - 1
        self._partial[block] = _FULL
        return int(block)

    def _take_blocks(self, count: int, out: list[Extent]) -> int:
        """Whole blocks, from the first run that holds them all or else the lowest; how many are missing."""
        while count:
            run = next((block for block, length in self._runs.items() if length >= count), None)
            if run is None:
                if not self._runs:
                    return count
                run = self._runs.peekitem(0)[0]
            length = self._runs.pop(run)
            used = min(length, count)
            if used < length:
                self._runs[run + used] = length - used
            self._clean_blocks(run, used)
            _append(out, run * BLOCK_SIZE, used * BLOCK_SIZE)
            count -= used
        return 0

    def _clean_blocks(self, first: int, count: int) -> None:
        """Zero those of a run of blocks that were used before."""
        dirty = self._dirty
        if not dirty:
            return
        block, end = first, first + count
        while block < end:
            start = block
            while block < end and dirty.pop(block, 0):
                block += 1
            if block > start:
                self._ram.zero(start * BLOCK_SIZE, (block - start) * BLOCK_SIZE)
            else:
                block += 1

    def _take_pages(self, pages: int, out: list[Extent]) -> None:
        """Single pages, together if that is easy; there are enough."""
        while pages:
            wanted = min(pages, _PAGES)
            block, first, length = self._find_pages(wanted)
            _append(out, self._take_run(block, first, length), length * PAGE_SIZE)
            pages -= length

    def _find_pages(self, wanted: int) -> tuple[int, int, int]:
        """A run of free pages of one block: (block, first page, length at most `wanted`)."""
        for block in self._partial.islice(0, _NEAR):
            fits = _runs_of(self._partial[block], wanted)
            if fits:
                return block, (fits & -fits).bit_length() - 1, wanted
        fresh = self._break_block()
        if fresh is not None:
            return fresh, 0, wanted
        block, bitmap = self._partial.peekitem(0)
        low = bitmap & -bitmap
        first = low.bit_length() - 1
        gap = ~(bitmap >> first)
        return block, first, min(wanted, (gap & -gap).bit_length() - 1)

    def _take_run(self, block: int, first: int, length: int) -> int:
        """Take pages of a partly used block; their physical address."""
        mask = ((1 << length) - 1) << first
        rest = self._partial[block] & ~mask
        if rest:
            self._partial[block] = rest
        else:
            del self._partial[block]
        physical = block * BLOCK_SIZE + first * PAGE_SIZE
        dirty = self._dirty.get(block, 0)
        if dirty & mask:
            self._ram.zero(physical, length * PAGE_SIZE)
            if dirty & ~mask:
                self._dirty[block] = dirty & ~mask
            else:
                del self._dirty[block]
        return physical


def _blocks(start: int, end: int) -> list[tuple[int, int]]:
    """The blocks of a physical range, each with the bitmap of its pages in the range."""
    found = []
    while start < end:
        block = start // BLOCK_SIZE
        stop = min(end, (block + 1) * BLOCK_SIZE)
        length = (stop - start) // PAGE_SIZE
        found.append((block, ((1 << length) - 1) << (start % BLOCK_SIZE // PAGE_SIZE)))
        start = stop
    return found


def _runs_of(bitmap: int, length: int) -> int:
    """A bit for each position in the bitmap at which `length` set bits begin."""
    done = 1
    while done < length and bitmap:
        step = min(done, length - done)
        bitmap &= bitmap >> step
        done += step
    return bitmap


@cache
def _aligned(pages: int) -> int:
    """A bit for each page of a block that is a multiple of `pages`."""
    return sum(1 << first for first in range(0, _PAGES, pages))


def _append(out: list[Extent], physical: int, size: int) -> None:
    if out and out[-1][0] + out[-1][1] == physical:
        out[-1] = (out[-1][0], out[-1][1] + size)
    else:
        out.append((physical, size))
