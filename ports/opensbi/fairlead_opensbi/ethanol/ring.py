"""Which M runs next: the ring of `allm`, read from the guest, and the lives that each M has.

A timer interrupt takes a life; an M with none left gets them back and the next in the ring runs. Ms that
wait are passed over, and an M that has left the ring (it is about to end) goes first.
"""

from __future__ import annotations

from collections.abc import Sequence

from fairlead.errors import GuestFault
from fairlead.guest.record import Record
from fairlead.scheduler import MAX_THREADS
from fairlead.services.addressspace import AddressSpace
from fairlead.thread import Thread

__all__ = ["Ring"]


class Ring:
    def __init__(self, memory: AddressSpace, record: Record, lives: int) -> None:
        self._memory = memory
        self._allm = record.field("allm")
        self._alllink = record.field("m_alllink")
        self._full = lives
        self._lives: dict[int, int] = {}
        self._order: dict[int, int] = {}
        self._head = 0

    def changed(self) -> None:
        """An M came or went: read the ring again when it is next needed."""
        self._head = 0

    def take_life(self, thread: Thread) -> bool:
        """Take one life; True if it was the last, and the thread has all of them back."""
        left = self._lives.get(thread.id, self._full) - 1
        self._lives[thread.id] = left or self._full
        return not left

    def forget(self, thread: Thread) -> None:
        self._lives.pop(thread.id, None)
        self.changed()

    def pick(self, current: Thread | None, ready: Sequence[Thread]) -> Thread:
        """The first ready thread after `current`, the way allm links them."""
        if len(ready) == 1:
            return ready[0]
        order = self._read()
        size = len(order)
        start = order.get(current.id, -1) if current is not None else -1

        def distance(thread: Thread) -> int:
            place = order.get(thread.id)
            return -1 if place is None else (place - start - 1) % size

        return min(ready, key=distance)

    def _read(self) -> dict[int, int]:
        """Address of each M to its place in the ring; what cannot be read ends it."""
        try:
            head = self._memory.read_u64(self._allm)
            if head != self._head or not head:
                self._order = {}
                place, address = 0, head
                while address and address not in self._order and place < MAX_THREADS:
                    self._order[address] = place
                    place += 1
                    address = self._memory.read_u64(address + self._alllink)
                self._head = head
        except GuestFault:
            self._head = 0
        return self._order
