"""The books of an address space: what is mapped, with what rights, and backed by which memory."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["Region", "RegionMap"]


@dataclass(slots=True)
class Region:
    """A mapped virtual range, in one physical piece; `physical` is None while it is only reserved.

    `prot` has the bits of `Prot`, as a plain int: it is looked at often.
    """

    start: int
    end: int
    prot: int
    physical: int | None = None

    def cut(self, start: int, end: int) -> Region:
        """The part of it that lies in [start, end), which it must meet."""
        low, high = max(start, self.start), min(end, self.end)
        physical = None if self.physical is None else self.physical + (low - self.start)
        return Region(low, high, self.prot, physical)


class RegionMap:
    """Regions in order of address, never overlapping, neighbours that can be one always joined."""

    def __init__(self, low: int, high: int, base: int) -> None:
        """Ranges lie in [low, high); free ones are looked for from `base` up, then from `low`."""
        self._low = low
        self._high = high
        self._base = base
        self._starts: list[int] = []
        self._regions: list[Region] = []
        self._hint = base  # no free range of _hint_size bytes lies in [base, _hint)
        self._hint_size = 0

    def __len__(self) -> int:
        return len(self._regions)

    def __iter__(self) -> Iterator[Region]:
        return iter(self._regions)

    def at(self, address: int) -> Region | None:
        """The region that holds an address."""
        index = bisect_right(self._starts, address) - 1
        if index < 0:
            return None
        region = self._regions[index]
        return region if address < region.end else None

    def overlapping(self, start: int, end: int) -> list[Region]:
        """Regions that meet [start, end), whole, in order."""
        first, last = self._span(start, end)
        return self._regions[first:last]

    def covered(self, start: int, end: int) -> bool:
        """Is every byte of [start, end) mapped?"""
        position = start
        for region in self.overlapping(start, end):
            if region.start > position:
                return False
            position = region.end
        return position >= end

    def replace(self, start: int, end: int, new: list[Region]) -> list[Region]:
        """Put `new` in place of everything in [start, end); the pieces that were there."""
        first, last = self._span(start, end)
        old = self._regions[first:last]
        put: list[Region] = []
        if old and old[0].start < start:
            put.append(old[0].cut(old[0].start, start))
        put.extend(new)
        if old and old[-1].end > end:
            put.append(old[-1].cut(end, old[-1].end))
        if first:
            first -= 1
            put.insert(0, self._regions[first])
        if last < len(self._regions):
            put.append(self._regions[last])
            last += 1
        put = _joined(put)
        self._regions[first:last] = put
        self._starts[first:last] = [region.start for region in put]
        if start < self._hint and not new:
            self._forget_hint(start)
        return [region.cut(start, end) for region in old]

    def find_free(self, size: int) -> int | None:
        """The lowest free range of a size, from the base up, then below it."""
        start = self._hint if size >= self._hint_size else self._base
        found = self._first_fit(start, self._high, size)
        if found is None:
            return self._first_fit(self._low, self._high, size)
        self._hint, self._hint_size = found, size
        return found

    def _first_fit(self, start: int, end: int, size: int) -> int | None:
        index = bisect_right(self._starts, start) - 1
        if index >= 0:
            start = max(start, self._regions[index].end)
        regions = self._regions
        for position in range(index + 1, len(regions)):
            region = regions[position]
            if region.start - start >= size:
                return start
            start = region.end
        return start if end - start >= size else None

    def _forget_hint(self, freed: int) -> None:
        """A range was freed below the hint: free space may begin where its lower neighbour ends."""
        index = bisect_right(self._starts, freed) - 1
        begin = self._regions[index].end if index >= 0 else self._low
        self._hint = max(self._base, min(self._hint, begin))

    def _span(self, start: int, end: int) -> tuple[int, int]:
        """Indices [first, last) of the regions that meet [start, end)."""
        first = bisect_right(self._starts, start) - 1
        if first < 0 or self._regions[first].end <= start:
            first += 1
        last = first
        if end > start:
            last = bisect_right(self._starts, end - 1, first)
        return first, last


def _joined(regions: list[Region]) -> list[Region]:
    """The same regions with neighbours made one where address, rights and memory allow."""
    out: list[Region] = []
    for region in regions:
        before = out[-1] if out else None
        if before is not None and before.end == region.start and before.prot == region.prot:
            if before.physical is None and region.physical is None:
                out[-1] = Region(before.start, region.end, before.prot)
                continue
            if before.physical is not None and region.physical == before.physical + before.end - before.start:
                out[-1] = Region(before.start, region.end, before.prot, before.physical)
                continue
        out.append(region)
    return out
