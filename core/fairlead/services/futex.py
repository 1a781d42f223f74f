"""Futexes: threads that wait until a word of guest memory changes (futex(2))."""

from __future__ import annotations

from collections.abc import Callable
from errno import EAGAIN, EINTR, EINVAL, ETIMEDOUT

from fairlead.errors import GuestRefusal
from fairlead.services.guestmemory import GuestMemory
from fairlead.syscall import Pending, Result, Wake
from fairlead.thread import WaitQueue

__all__ = ["MATCH_ANY", "FutexTable"]

MATCH_ANY = 0xFFFF_FFFF
"""FUTEX_BITSET_MATCH_ANY."""

_WOKEN = Result()


class _Waiter:
    """One waiting call: a queue of its own lets it be woken, or moved to another word, by itself."""

    __slots__ = ("address", "bitset", "queue")

    def __init__(self, address: int, bitset: int, queue: WaitQueue) -> None:
        self.address = address
        self.bitset = bitset
        self.queue = queue


class FutexTable:
    """The waiters of each word, first come first served."""

    def __init__(self, memory: GuestMemory, wait_queue: Callable[[], WaitQueue]) -> None:
        self._memory = memory
        self._wait_queue = wait_queue
        self._waiters: dict[int, dict[_Waiter, None]] = {}

    def wait(
        self,
        address: int,
        expected: int,
        deadline: int | None = None,
        bitset: int = MATCH_ANY,
        *,
        restart: bool = False,
    ) -> Result | Pending:
        """Wait for a wake if the 32-bit word at `address` has the value expected, else EAGAIN.

        `deadline` is in guest nanoseconds; `restart` lets a wait that a signal ended be made again.
        """
        _check(address)
        if not bitset:
            raise GuestRefusal(EINVAL)
        if self._memory.read_u32(address) != expected:
            return Result(errno=EAGAIN)
        waiter = _Waiter(address, bitset, self._wait_queue())
        self._waiters.setdefault(address, {})[waiter] = None

        def resume(wake: Wake) -> Result:
            if wake is Wake.EVENT:
                return _WOKEN
            self._remove(waiter)
            if wake is Wake.TIMEOUT:
                return Result(errno=ETIMEDOUT)
            return Result(errno=EINTR, restart=restart)

        return Pending((waiter.queue,), resume, deadline)

    def wake(self, address: int, count: int, bitset: int = MATCH_ANY) -> int:
        """Wake at most `count` waiters whose bitset meets `bitset`; how many there were."""
        _check(address)
        if not bitset:
            raise GuestRefusal(EINVAL)
        waiters = self._waiters.get(address)
        if waiters is None:
            return 0
        woken = 0
        for waiter in tuple(waiters):
            if woken >= count:
                break
            if waiter.bitset & bitset:
                self._remove(waiter)
                woken += waiter.queue.wake(1)
        return woken

    def requeue(
        self, address: int, count: int, target: int, limit: int, expected: int | None = None
    ) -> tuple[int, int]:
        """Wake at most `count` waiters and move at most `limit` others to `target`: (woken, moved).

        Where the word must have the value `expected` and has not, EAGAIN.
        """
        _check(address)
        _check(target)
        if expected is not None and self._memory.read_u32(address) != expected:
            raise GuestRefusal(EAGAIN)
        woken = self.wake(address, count)
        moved = 0
        for waiter in tuple(self._waiters.get(address, ())):
            if moved >= limit:
                break
            self._remove(waiter)
            if waiter.queue.waiters:
                waiter.address = target
                self._waiters.setdefault(target, {})[waiter] = None
                moved += 1
        return woken, moved

    def _remove(self, waiter: _Waiter) -> None:
        waiters = self._waiters.get(waiter.address)
        if waiters is not None:
            waiters.pop(waiter, None)
            if not waiters:
                del self._waiters[waiter.address]


def _check(address: int) -> None:
    """futex(2): the word is aligned."""
    if address & 3:
        raise GuestRefusal(EINVAL)
