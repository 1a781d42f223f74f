"""The memory that goroutines' stacks have left and that nothing else has been put into since."""

from __future__ import annotations

from bisect import bisect_right, insort
from typing import NamedTuple

__all__ = ["Move", "OldStacks"]

_MOST = 1 << 16


class Move(NamedTuple):
    """Memory that goroutine `goid` has left for a stack at `new_lo`…`new_hi`."""

    lo: int
    hi: int
    new_lo: int
    new_hi: int
    goid: int


class OldStacks:
    def __init__(self) -> None:
        self._moves: list[Move] = []
        """Ascending, none overlapping; of more than _MOST the lowest are forgotten."""

    def __bool__(self) -> bool:
        return bool(self._moves)

    def moved(self, lo: int, hi: int, new_lo: int, new_hi: int, goid: int) -> int:
        """A goroutine's stack has moved; 0, for the caller."""
        if lo < hi:
            self.taken(lo, hi)
            if len(self._moves) >= _MOST:
                del self._moves[0]
            insort(self._moves, Move(lo, hi, new_lo, new_hi, goid))
        return 0

    def taken(self, lo: int, hi: int) -> int:
        """Memory is in use again; 0, for the caller."""
        moves = self._moves
        first = bisect_right(moves, lo, key=_start)
        if first and moves[first - 1].hi > lo:
            first -= 1
        last = first
        rest: list[Move] = []
        while last < len(moves) and moves[last].lo < hi:
            move = moves[last]
            if move.lo < lo:
                rest.append(move._replace(hi=lo))
            if move.hi > hi:
                rest.append(move._replace(lo=hi))
            last += 1
        moves[first:last] = rest
        return 0

    def find(self, address: int) -> Move | None:
        """What has left this address, if nothing else is there since."""
        index = bisect_right(self._moves, address, key=_start) - 1
        if index < 0 or address >= self._moves[index].hi:
            return None
        return self._moves[index]


def _start(move: Move) -> int:
    return move.lo
