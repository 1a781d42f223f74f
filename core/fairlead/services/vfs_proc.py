"""The little of /proc that programs look at: /proc/self and what hangs off it (proc(5))."""

from __future__ import annotations

import stat
from bisect import bisect_right
from collections.abc import Callable, Iterator
from errno import EPERM
from typing import TYPE_CHECKING

from fairlead.errors import GuestRefusal
from fairlead.services.buffers import scatter
from fairlead.services.description import Buffers, Description, FileDescription
from fairlead.services.vfs import Directory, Node, Stat, SymbolicLink
from fairlead.services.vfs_memory import MemoryDirectory, MemoryFileSystem, MemoryNode

if TYPE_CHECKING:
    from fairlead.services.filetable import FileTable

__all__ = ["DescriptorDirectory", "JumpLink", "OpenedNode", "StaticFile"]


class StaticFile(MemoryNode):
    """A file that guests only read: bytes kept by somebody else, or made anew when it is opened."""

    __slots__ = ("_data",)

    def __init__(self, fs: MemoryFileSystem, data: bytes | Callable[[], bytes], mode: int = 0o444) -> None:
        super().__init__(fs, stat.S_IFREG | mode, 0, 0)
        self._data = data

    def stat(self) -> Stat:
        found = super().stat()
        if isinstance(self._data, bytes):
            found.size = len(self._data)
            found.blocks = -(-found.size // 512)
        return found

    def open(self, flags: int) -> Description:
        data = self._data if isinstance(self._data, bytes) else self._data()
        return FileDescription(flags, self, _Bytes(data))

    def truncate(self, size: int) -> None:
        raise GuestRefusal(EPERM)


class _Bytes:
    """Content that nobody changes."""

    __slots__ = ("_view",)

    def __init__(self, data: bytes) -> None:
        self._view = memoryview(data)

    def size(self) -> int:
        return len(self._view)

    def preadv(self, buffers: Buffers, offset: int) -> int:
        return scatter(buffers, self._view[offset:])

    def pwritev(self, buffers: Buffers, offset: int) -> int:
        raise GuestRefusal(EPERM)

    def append(self, buffers: Buffers) -> tuple[int, int]:
        raise GuestRefusal(EPERM)

    def truncate(self, size: int) -> None:
        raise GuestRefusal(EPERM)

    def allocate(self, mode: int, offset: int, size: int) -> None:
        raise GuestRefusal(EPERM)

    def seek(self, offset: int, hole: bool) -> int:
        return self.size() if hole else offset

    def sync(self) -> None:
        """Nothing is kept back."""

    def release(self) -> None:
        """Nothing is held."""


class JumpLink(MemoryNode, SymbolicLink):
    """A magic link: it leads to a node, not to a path."""

    __slots__ = ("_node", "_text")

    def __init__(
        self, fs: MemoryFileSystem, text: Callable[[], bytes], node: Callable[[], Node | None]
    ) -> None:
        super().__init__(fs, stat.S_IFLNK | 0o777, 0, 0)
        self._text = text
        self._node = node

    def target(self) -> bytes:
        return self._text()

    def jump(self) -> Node | None:
        return self._node()


class OpenedNode(Node):
    """What an open description without a file looks like from /proc/self/fd."""

    __slots__ = ("_description",)

    def __init__(self, fs: MemoryFileSystem, description: Description, uid: int, gid: int) -> None:
        found = description.stat()
        super().__init__(fs, found.ino, stat.S_IFMT(found.mode) | 0o600, uid, gid)
        self._description = description

    def stat(self) -> Stat:
        return self._description.stat()

    def open(self, flags: int) -> Description:
        return self._description.reopen(flags)


class DescriptorDirectory(MemoryDirectory):
    """/proc/self/fd: a magic link for each open descriptor.

    What is open without being a file counts as one of the file system `beside`, which can be written to.
    """

    __slots__ = ("_beside", "_table")

    def __init__(
        self,
        fs: MemoryFileSystem,
        table: FileTable,
        uid: int,
        gid: int,
        parent: Directory,
        name: bytes,
        beside: MemoryFileSystem,
    ) -> None:
        super().__init__(fs, 0o500, uid, gid, parent, name)
        self._table = table
        self._beside = beside

    def lookup(self, name: bytes) -> Node | None:
        if not name.isdigit() or len(name) > 9 or (name[0] == 0x30 and name != b"0"):
            return None
        number = int(name)
        if number not in self._table:
            return None
        description = self._table.get(number)

        def jump() -> Node:
            node = description.node
            return OpenedNode(self._beside, description, self.uid, self.gid) if node is None else node

        return _LooseLink(self.fs, number, description.path, jump)

    def entries(self, after: int) -> Iterator[tuple[int, bytes, int, int]]:
        numbers = list(self._table)
        for number in numbers[bisect_right(numbers, after - 3) :]:
            yield number + 3, b"%d" % number, _ino(number), stat.S_IFLNK

    def is_empty(self) -> bool:
        return False


class _LooseLink(SymbolicLink):
    """A magic link that lives only while it is looked at."""

    __slots__ = ("_jump", "_text")

    def __init__(
        self, fs: MemoryFileSystem, number: int, text: Callable[[], bytes], jump: Callable[[], Node]
    ) -> None:
        super().__init__(fs, _ino(number), stat.S_IFLNK | 0o700, fs.root.uid, fs.root.gid)
        self._text = text
        self._jump = jump

    def stat(self) -> Stat:
        return Stat(self.fs.dev, self.ino, self.mode, 1, self.uid, self.gid, size=64)

    def target(self) -> bytes:
        return self._text()

    def jump(self) -> Node:
        return self._jump()


def _ino(number: int) -> int:
    return (1 << 32) + number
