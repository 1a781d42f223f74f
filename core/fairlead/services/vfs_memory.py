"""A file system in memory: regular files, directories, symbolic links, FIFOs."""

from __future__ import annotations

import stat
from bisect import bisect_right
from collections.abc import Callable, Iterator
from errno import EMLINK, EPERM
from typing import TYPE_CHECKING

from fairlead.errors import GuestRefusal
from fairlead.services.description import Buffers, Description, FileDescription
from fairlead.services.directories import DirectoryDescription
from fairlead.services.vfs import Directory, FileSystem, Node, Space, Stat, SymbolicLink
from fairlead.services.vfs_blocks import Blocks, Quota

if TYPE_CHECKING:
    from fairlead.services.pipes import Pipe

__all__ = ["Fifo", "MemoryDirectory", "MemoryFile", "MemoryFileSystem", "MemoryLink", "MemoryNode"]

_TMPFS_MAGIC = 0x01021994  # uapi/linux/magic.h
_NODE_COST = 1024
"""Host bytes a node and its first name take, about and rather more."""
_NAME_COST = 512
"""And every further name."""
_MOST_NAMES = 65_000


class MemoryFileSystem(FileSystem):
    """Inodes are numbered in the order they are made; everything kept is paid for from one quota."""

    def __init__(
        self,
        dev: int,
        realtime: Callable[[], int],
        quota: Quota,
        new_pipe: Callable[[], Pipe],
        *,
        uid: int = 0,
        gid: int = 0,
    ) -> None:
        super().__init__(dev, realtime)
        self.quota = quota
        self.new_pipe = new_pipe
        self.nodes = 0
        self._last = 0
        self.root = MemoryDirectory(self, 0o755, uid, gid)

    def next_ino(self) -> int:
        self._last += 1
        return self._last

    def space(self) -> Space:
        left = self.quota.left
        more = left // _NODE_COST
        return Space(_TMPFS_MAGIC, self.quota.limit >> 12, left >> 12, self.nodes + more, more)


class MemoryNode(Node):
    """A node whose attributes are kept here; `opens` counts descriptions that keep it alive unnamed."""

    __slots__ = ("_cost", "atime", "btime", "ctime", "mtime", "nlink", "opens")

    fs: MemoryFileSystem

    def __init__(self, fs: MemoryFileSystem, mode: int, uid: int, gid: int, cost: int = _NODE_COST) -> None:
        """`cost` is what the quota is charged for the node."""
        fs.quota.charge(cost)
        self._cost = cost
        fs.nodes += 1
        super().__init__(fs, fs.next_ino(), mode, uid, gid)
        self.nlink = 1
        self.opens = 0
        self.atime = self.btime = self.ctime = self.mtime = fs.realtime()

    def stat(self) -> Stat:
        return Stat(
            self.fs.dev,
            self.ino,
            self.mode,
            self.nlink,
            self.uid,
            self.gid,
            atime=self.atime,
            mtime=self.mtime,
            ctime=self.ctime,
            btime=self.btime,
        )

    def set_mode(self, mode: int) -> None:
        self.mode = stat.S_IFMT(self.mode) | mode
        self.ctime = self.fs.realtime()

    def set_owner(self, uid: int, gid: int) -> None:
        self.uid = uid
        self.gid = gid
        self.ctime = self.fs.realtime()

    def set_times(self, atime: int | None, mtime: int | None) -> None:
        if atime is not None:
            self.atime = atime
        if mtime is not None:
            self.mtime = mtime
        self.ctime = self.fs.realtime()

    def changed(self) -> None:
        """The content was changed now."""
        self.mtime = self.ctime = self.fs.realtime()

    def drop_name(self) -> None:
        """A name of the node is gone; without names and descriptions it is freed."""
        self.nlink -= 1
        self.ctime = self.fs.realtime()
        if self.nlink:
            self.fs.quota.release(_NAME_COST)
        self.drop_if_unused()

    def drop_if_unused(self) -> None:
        if self.nlink <= 0 and self.opens == 0:
            self.free()

    def free(self) -> None:
        self.fs.nodes -= 1
        self.fs.quota.release(self._cost)


class MemoryFile(MemoryNode):
    """A regular file; it is its descriptions' content itself."""

    __slots__ = ("blocks",)

    def __init__(self, fs: MemoryFileSystem, mode: int, uid: int, gid: int, cost: int = _NODE_COST) -> None:
        super().__init__(fs, stat.S_IFREG | mode, uid, gid, cost)
        self.blocks = Blocks(fs.quota)

    def stat(self) -> Stat:
        found = super().stat()
        found.size = self.size()
        found.blocks = -(-self.allocated() // 512)
        return found

    def allocated(self) -> int:
        """Bytes that are really kept."""
        return self.blocks.allocated

    def open(self, flags: int) -> Description:
        self.opens += 1
        return FileDescription(flags, self, self)

    def size(self) -> int:
        return self.blocks.size

    def preadv(self, buffers: Buffers, offset: int) -> int:
        return self.blocks.read(buffers, offset)

    def pwritev(self, buffers: Buffers, offset: int) -> int:
        count = self.blocks.write(buffers, offset)
        if count:
            self.changed()
        return count

    def append(self, buffers: Buffers) -> tuple[int, int]:
        count = self.pwritev(buffers, self.size())
        return count, self.size()

    def truncate(self, size: int) -> None:
        self.blocks.truncate(size)
        self.changed()

    def allocate(self, mode: int, offset: int, size: int) -> None:
        self.blocks.allocate(mode, offset, size)
        self.changed()

    def seek(self, offset: int, hole: bool) -> int:
        return self.blocks.seek(offset, hole)

    def sync(self) -> None:
        """Memory is all there is."""

    def release(self) -> None:
        self.opens -= 1
        self.drop_if_unused()

    def free(self) -> None:
        self.blocks.free()
        super().free()


class MemoryLink(MemoryNode, SymbolicLink):
    """A symbolic link."""

    __slots__ = ("_target",)

    def __init__(
        self, fs: MemoryFileSystem, target: bytes, uid: int, gid: int, cost: int = _NODE_COST
    ) -> None:
        super().__init__(fs, stat.S_IFLNK | 0o777, uid, gid, cost and cost + len(target))
        self._target = target

    def stat(self) -> Stat:
        found = super().stat()
        found.size = len(self._target)
        return found

    def target(self) -> bytes:
        return self._target


class Fifo(MemoryNode):
    """A named pipe: the pipe exists while somebody has it open."""

    __slots__ = ("pipe",)

    def __init__(self, fs: MemoryFileSystem, mode: int, uid: int, gid: int) -> None:
        super().__init__(fs, stat.S_IFIFO | mode, uid, gid)
        self.pipe: Pipe | None = None

    def open(self, flags: int) -> Description:
        from fairlead.services.pipes import FifoDescription

        if self.pipe is None:
            self.pipe = self.fs.new_pipe()
        self.opens += 1
        return FifoDescription(flags, self, self.pipe)

    def release(self) -> None:
        self.opens -= 1
        if self.opens == 0 and self.pipe is not None:
            self.pipe.close()
            self.pipe = None
        self.drop_if_unused()


class MemoryDirectory(MemoryNode, Directory):
    """A directory: names in the order they were made, each with its cookie."""

    __slots__ = ("_cookie", "_listing", "_names", "mounted", "name", "parent", "removed")

    def __init__(
        self,
        fs: MemoryFileSystem,
        mode: int,
        uid: int,
        gid: int,
        parent: Directory | None = None,
        name: bytes = b"",
        cost: int = _NODE_COST,
    ) -> None:
        super().__init__(fs, stat.S_IFDIR | mode, uid, gid, cost)
        self.parent = parent if parent is not None else self
        self.name = name
        self.nlink = 2
        self.mounted: dict[bytes, Node] = {}
        self.removed = False
        self._names: dict[bytes, tuple[int, MemoryNode]] = {}
        self._cookie = 2
        self._listing: tuple[list[int], list[bytes]] | None = None

    def open(self, flags: int) -> Description:
        return DirectoryDescription(flags, self)

    def lookup(self, name: bytes) -> Node | None:
        found = self._names.get(name)
        return None if found is None else found[1]

    def entries(self, after: int) -> Iterator[tuple[int, bytes, int, int]]:
        if self._listing is None:
            # Names stay in the order of their cookies: one that is made anew goes to the end.
            self._listing = ([cookie for cookie, _ in self._names.values()], list(self._names))
        cookies, names = self._listing
        for index in range(bisect_right(cookies, after), len(names)):
            node = self._names.get(names[index])
            if node is not None and node[0] == cookies[index]:
                yield cookies[index], names[index], node[1].ino, node[1].kind

    def is_empty(self) -> bool:
        return not self._names

    def add(self, name: bytes, node: MemoryNode) -> None:
        """Enter a node under a name that is free."""
        self._cookie += 1
        self._names[name] = (self._cookie, node)
        self._listing = None
        self.changed()

    def forget(self, name: bytes) -> None:
        """Drop an entry whatever it leads to."""
        del self._names[name]
        self._listing = None

    def _take(self, name: bytes) -> None:
        self.forget(name)
        self.changed()

    def create(self, name: bytes, mode: int, uid: int, gid: int, flags: int) -> Description:
        node = MemoryFile(self.fs, mode, uid, gid)
        self.add(name, node)
        return node.open(flags)

    def make_directory(self, name: bytes, mode: int, uid: int, gid: int) -> None:
        self.add(name, MemoryDirectory(self.fs, mode, uid, gid, self, name))
        self.nlink += 1

    def make_link(self, name: bytes, target: bytes, uid: int, gid: int) -> None:
        self.add(name, MemoryLink(self.fs, target, uid, gid))

    def make_fifo(self, name: bytes, mode: int, uid: int, gid: int) -> None:
        self.add(name, Fifo(self.fs, mode, uid, gid))

    def make_unnamed(self, mode: int, uid: int, gid: int) -> MemoryFile:
        node = MemoryFile(self.fs, mode, uid, gid)
        node.nlink = 0
        return node

    def link(self, name: bytes, node: Node) -> None:
        if not isinstance(node, MemoryNode):
            raise GuestRefusal(EPERM)
        if node.nlink >= _MOST_NAMES:
            raise GuestRefusal(EMLINK)
        if node.nlink:
            self.fs.quota.charge(_NAME_COST)
        self.add(name, node)
        node.nlink += 1
        node.ctime = self.fs.realtime()

    def unlink(self, name: bytes, node: Node) -> None:
        assert isinstance(node, MemoryNode)
        self._take(name)
        node.drop_name()

    def remove_directory(self, name: bytes, node: Directory) -> None:
        assert isinstance(node, MemoryDirectory)
        self._take(name)
        self.nlink -= 1
        node.removed = True
        node.nlink = 0
        node.drop_if_unused()

    def rename(self, name: bytes, node: Node, into: Directory, as_name: bytes, over: Node | None) -> None:
        assert isinstance(node, MemoryNode) and isinstance(into, MemoryDirectory)
        if isinstance(over, MemoryDirectory):
            into.remove_directory(as_name, over)
        elif over is not None:
            into.unlink(as_name, over)
        self._take(name)
        into.add(as_name, node)
        self._moved(node, into, as_name)

    def exchange(
        self, name: bytes, node: Node, other: Directory, other_name: bytes, other_node: Node
    ) -> None:
        assert isinstance(node, MemoryNode) and isinstance(other_node, MemoryNode)
        assert isinstance(other, MemoryDirectory)
        self._take(name)
        other._take(other_name)
        self.add(name, other_node)
        other.add(other_name, node)
        self._moved(node, other, other_name)
        other._moved(other_node, self, name)

    def _moved(self, node: MemoryNode, into: MemoryDirectory, as_name: bytes) -> None:
        node.ctime = self.fs.realtime()
        if isinstance(node, MemoryDirectory):
            self.nlink -= 1
            into.nlink += 1
            node.parent = into
            node.name = as_name
