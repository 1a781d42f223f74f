"""flock(2): advisory locks between open file descriptions."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fairlead.services.description import Description
    from fairlead.services.vfs import Node
    from fairlead.thread import WaitQueue

__all__ = ["FileLock", "try_lock", "unlock"]


class FileLock:
    """Who holds a file: any number of shared holders, or one exclusive."""

    __slots__ = ("exclusive", "holders", "queue")

    def __init__(self, queue: WaitQueue) -> None:
        self.holders: dict[Description, None] = {}
        self.exclusive = False
        self.queue = queue


def try_lock(lock: FileLock, description: Description, *, exclusive: bool) -> bool:
    """Take or convert a lock; False if another description's lock is in the way.

    A conversion that has to wait loses the lock held before, as flock(2) warns.
    """
    lock.holders.pop(description, None)
    if lock.holders and (exclusive or lock.exclusive):
        lock.queue.wake()
        return False
    lock.holders[description] = None
    lock.exclusive = exclusive
    if not exclusive:
        lock.queue.wake()
    return True


def unlock(node: Node, description: Description) -> None:
    """Give up the description's lock, if it has one."""
    lock = node.fs.locks.get(node.ino)
    if lock is None:
        return
    if lock.holders.pop(description, 0) is None:
        lock.exclusive = False
        lock.queue.wake()
    if not lock.holders and not lock.queue.waiters:
        del node.fs.locks[node.ino]
