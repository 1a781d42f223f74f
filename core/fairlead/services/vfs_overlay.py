"""A host folder that is only read, under a layer in memory that takes every change and is thrown away.

A directory is taken over into memory, names only, when it is first looked into; a file's bytes when they are
first changed. So removing and renaming need no marks of what is gone, and a directory looks the same to the
guest however the host changes it later.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from errno import ENOENT
from pathlib import Path
from typing import TYPE_CHECKING

from fairlead.errors import GuestRefusal
from fairlead.services.description import Buffers, Description
from fairlead.services.hostfolder import HostBudget, HostFolder, HostTree
from fairlead.services.resolve import User
from fairlead.services.vfs import Directory, Node
from fairlead.services.vfs_blocks import Quota
from fairlead.services.vfs_hostfile import HostContent, host_owner
from fairlead.services.vfs_memory import (
    MemoryDirectory,
    MemoryFile,
    MemoryFileSystem,
    MemoryLink,
    MemoryNode,
)

if TYPE_CHECKING:
    from fairlead.services.pipes import Pipe

__all__ = ["OverlayDirectory", "OverlayFile", "OverlayFileSystem"]

_CHUNK = 1 << 20


class OverlayFileSystem(MemoryFileSystem):
    """The memory layer's nodes and, of the folder below, what the guest looked at."""

    def __init__(
        self,
        dev: int,
        realtime: Callable[[], int],
        quota: Quota,
        new_pipe: Callable[[], Pipe],
        path: Path,
        user: User,
        budget: HostBudget,
    ) -> None:
        super().__init__(dev, realtime, quota, new_pipe)
        self.user = user
        self.tree = HostTree(path, budget)

    def root_directory(self, parent: Directory, name: bytes) -> OverlayDirectory:
        folder = self.tree.root
        root = OverlayDirectory(self, parent, name, folder)
        _take(root, os.fstat(folder.fd()), self.user)
        return root


def _take(node: MemoryNode, found: os.stat_result, user: User) -> None:
    """Start with the host's attributes."""
    node.mode = stat.S_IFMT(node.mode) | stat.S_IMODE(found.st_mode)
    node.uid, node.gid = host_owner(user, found)
    node.atime, node.mtime = found.st_atime_ns, found.st_mtime_ns
    node.ctime = node.btime = found.st_ctime_ns


class OverlayFile(MemoryFile):
    """A regular file: the host's until it is changed."""

    __slots__ = ("_below", "_content", "_size")

    fs: OverlayFileSystem

    def __init__(self, fs: OverlayFileSystem, folder: HostFolder, name: bytes) -> None:
        super().__init__(fs, 0, 0, 0, cost=0)
        self._below: tuple[HostFolder, bytes] | None = (folder, name)
        self._content: HostContent | None = None
        self._size = 0

    def learn(self, found: os.stat_result) -> None:
        """What the first look at the file below showed."""
        self._size = found.st_size
        _take(self, found, self.fs.user)

    def size(self) -> int:
        if self._below is None:
            return super().size()
        return self._size if self._content is None else self._content.size()

    def allocated(self) -> int:
        return super().allocated() if self._below is None else self.size()

    def _read(self) -> HostContent:
        """The file below, open."""
        if self._content is None:
            if self._below is None:
                raise GuestRefusal(ENOENT)
            folder, name = self._below
            self._content = HostContent(folder.open_file(name, os.O_RDONLY), self.fs.tree.budget)
        return self._content

    def open(self, flags: int) -> Description:
        if self._below is not None:
            self._read()
        return super().open(flags)

    def release(self) -> None:
        super().release()
        if not self.opens:
            self._close()

    def _close(self) -> None:
        if self._content is not None:
            self._content.release()
            self._content = None

    def preadv(self, buffers: Buffers, offset: int) -> int:
        if self._below is None:
            return super().preadv(buffers, offset)
        return self._read().preadv(buffers, offset)

    def _copy_up(self, size: int | None = None) -> None:
        """Make the bytes this file's own: all, or the first `size`."""
        if self._below is None:
            return
        content = self._read()
        left = content.size() if size is None else min(size, content.size())
        at = 0
        buffer = memoryview(bytearray(min(left, _CHUNK)))
        try:
            while at < left:
                count = content.preadv((buffer[: left - at],), at)
                if not count:
                    break
                done = 0
                while done < count:
                    done += self.blocks.write((buffer[done:count],), at + done)
                at += count
        except GuestRefusal:
            self.blocks.free()
            raise
        self._below = None
        self._close()

    def pwritev(self, buffers: Buffers, offset: int) -> int:
        self._copy_up()
        return super().pwritev(buffers, offset)

    def truncate(self, size: int) -> None:
        self._copy_up(size)
        super().truncate(size)

    def allocate(self, mode: int, offset: int, size: int) -> None:
        self._copy_up()
        super().allocate(mode, offset, size)

    def seek(self, offset: int, hole: bool) -> int:
        if self._below is None:
            return super().seek(offset, hole)
        return self._read().seek(offset, hole)

    def free(self) -> None:
        self._close()
        super().free()


class OverlayLink(MemoryLink):
    """A symbolic link of the folder below."""

    __slots__ = ()

    def __init__(self, fs: OverlayFileSystem, target: bytes) -> None:
        super().__init__(fs, target, 0, 0, cost=0)


class OverlayDirectory(MemoryDirectory):
    """A directory; `_below` is the host's, until its names are taken over."""

    __slots__ = ("_below", "_unseen")

    fs: OverlayFileSystem

    def __init__(self, fs: OverlayFileSystem, parent: Directory, name: bytes, folder: HostFolder) -> None:
        super().__init__(fs, 0o755, 0, 0, parent, name, cost=0)
        self._below: HostFolder | None = folder
        self._unseen: dict[bytes, HostFolder] = {}
        """Names taken over whose attributes nobody has asked for."""

    def _load(self) -> None:
        folder = self._below
        if folder is None:
            return
        entries = folder.scan()
        self._below = None
        kept = (self.atime, self.mtime, self.ctime)
        for name, _, kind in entries:
            node: MemoryNode
            if kind == stat.S_IFREG:
                node = OverlayFile(self.fs, folder, name)
            elif kind == stat.S_IFDIR:
                found = folder.lstat(name)
                if found is None or not stat.S_ISDIR(found.st_mode):
                    continue
                node = OverlayDirectory(self.fs, self, name, folder.below(name, found))
                self.nlink += 1
            elif kind == stat.S_IFLNK:
                try:
                    node = OverlayLink(self.fs, folder.readlink(name))
                except OSError:
                    continue
            else:
                continue
            self.add(name, node)
            self._unseen[name] = folder
        self.atime, self.mtime, self.ctime = kept

    def _see(self, name: bytes) -> None:
        """Give an entry the attributes of the host's, at the first look; forget one that is gone there."""
        folder = self._unseen.pop(name, None)
        if folder is None:
            return
        node = super().lookup(name)
        assert isinstance(node, MemoryNode)
        found = folder.lstat(name)
        if found is None or stat.S_IFMT(found.st_mode) != node.kind:
            self.forget(name)
        elif isinstance(node, OverlayFile):
            node.learn(found)
        else:
            _take(node, found, self.fs.user)

    def lookup(self, name: bytes) -> Node | None:
        self._load()
        if name in self._unseen:
            self._see(name)
        return super().lookup(name)

    def entries(self, after: int) -> Iterator[tuple[int, bytes, int, int]]:
        self._load()
        return super().entries(after)

    def is_empty(self) -> bool:
        self._load()
        return super().is_empty()
