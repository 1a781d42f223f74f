"""Open directories."""

from __future__ import annotations

import stat
from bisect import bisect_right
from collections.abc import Iterator
from errno import EINVAL, EISDIR, ENOTDIR
from typing import TYPE_CHECKING

from fairlead.errors import GuestRefusal
from fairlead.services.flags import (
    SEEK_CUR,
    SEEK_SET,
)
from fairlead.services.locks import unlock
from fairlead.services.vfs import Directory, path_of

if TYPE_CHECKING:
    from fairlead.services.vfs import Stat
from fairlead.services.description import MAX_OFFSET, Buffers, Description

__all__ = ["DirectoryDescription", "directory_of"]


class DirectoryDescription(Description):
    """An open directory; its position is the cookie of the last entry given out."""

    __slots__ = ("_node",)

    stream = False

    def __init__(self, flags: int, node: Directory) -> None:
        super().__init__(flags)
        self._node = node

    @property
    def node(self) -> Directory:
        return self._node

    def stat(self) -> Stat:
        return self._node.stat()

    def path(self) -> bytes:
        return path_of(self._node) or b"(unreachable)"

    def read(self, buffers: Buffers) -> int | None:
        raise GuestRefusal(EISDIR)

    def preadv(self, buffers: Buffers, offset: int) -> int:
        raise GuestRefusal(EISDIR)

    def seek(self, offset: int, whence: int) -> int:
        if whence == SEEK_CUR:
            offset += self.offset
        elif whence != SEEK_SET:
            raise GuestRefusal(EINVAL)
        if not 0 <= offset <= MAX_OFFSET:
            raise GuestRefusal(EINVAL)
        self.offset = offset
        return offset

    def sync(self) -> None:
        """Nothing is kept back."""

    def entries(self) -> Iterator[tuple[int, bytes, int, int]]:
        """Entries from the position on: (cookie, name, inode number, S_IF* type), `.` and `..` first."""
        node = self._node
        at = self.offset
        if at == 0:
            node.rewind()
            yield 1, b".", node.ino, stat.S_IFDIR
        if at <= 1:
            yield 2, b"..", node.parent.ino, stat.S_IFDIR
        mounted = node.mounted
        if not mounted:
            yield from node.entries(max(at, 2))
            return
        # A mounted name has no cookie of its own kind: they come last, numbered from the top.
        for entry in node.entries(max(at, 2)):
            if entry[1] not in mounted:
                yield entry
        names = sorted(mounted)
        first = MAX_OFFSET - len(names)
        cookies = range(first, MAX_OFFSET)
        for index in range(bisect_right(cookies, at), len(names)):
            child = mounted[names[index]]
            yield cookies[index], names[index], child.ino, child.kind

    def reopen(self, flags: int) -> Description:
        return DirectoryDescription(flags, self._node)

    def release(self) -> None:
        unlock(self._node, self)


def directory_of(description: Description) -> Directory:
    """The directory a description leads to."""
    node = description.node
    if not isinstance(node, Directory):
        raise GuestRefusal(ENOTDIR)
    return node
