"""A host folder as a file system of the guest's, read-only or read-write."""

from __future__ import annotations

import os
import stat
from bisect import bisect_right
from collections.abc import Callable, Iterator
from errno import EINVAL, EPERM
from pathlib import Path
from weakref import WeakValueDictionary

from fairlead.errors import GuestRefusal
from fairlead.services.description import Description
from fairlead.services.directories import DirectoryDescription
from fairlead.services.hostfolder import HostBudget, HostFolder, HostTree, Key
from fairlead.services.resolve import User
from fairlead.services.vfs import Directory, FileSystem, Node, Space
from fairlead.services.vfs_hostfile import HostAttributes, HostFile, HostLink, HostNode

__all__ = ["HostDirectory", "HostFileSystem"]

_MAGIC = 0x01021997  # uapi/linux/magic.h, V9FS_MAGIC: files of a host
_MOST_NUMBERED = 1 << 20
_UNNUMBERED = 1 << 48


class HostFileSystem(FileSystem):
    """Inodes are numbered as they are met, in the order of names: no host number reaches the guest."""

    def __init__(
        self,
        dev: int,
        realtime: Callable[[], int],
        path: Path,
        user: User,
        budget: HostBudget,
        *,
        read_only: bool,
    ) -> None:
        super().__init__(dev, realtime, read_only=read_only)
        self.user = user
        self.tree = HostTree(path, budget)
        self._numbers: dict[Key, int] = {}
        self.nodes: WeakValueDictionary[Key, HostDirectory] = WeakValueDictionary()
        """The one node of each folder that is looked at."""
        self.pinned: list[HostDirectory] = []
        """Folders in which something else is mounted."""

    def ino(self, key: Key) -> int:
        number = self._numbers.get(key)
        if number is None:
            if len(self._numbers) >= _MOST_NUMBERED:
                return _UNNUMBERED | key[1]
            number = self._numbers[key] = len(self._numbers) + 2
        return number

    def space(self) -> Space:
        found = os.statvfs(self.tree.root.fd())
        scale = found.f_frsize / 4096
        return Space(
            _MAGIC, int(found.f_blocks * scale), int(found.f_bavail * scale), found.f_files, found.f_favail
        )

    def node(self, parent: HostDirectory, name: bytes, found: os.stat_result) -> Node:
        kind = stat.S_IFMT(found.st_mode)
        if kind == stat.S_IFDIR:
            return self.directory(parent, name, found)
        make: type[HostNode] = HostFile if kind == stat.S_IFREG else HostNode
        return (HostLink if kind == stat.S_IFLNK else make)(parent, name, found)

    def directory(self, parent: HostDirectory, name: bytes, found: os.stat_result) -> HostDirectory:
        folder = parent.folder.below(name, found)
        node = self.nodes.get(folder.key)
        if node is None:
            node = self.nodes[folder.key] = HostDirectory(self, folder, found, parent, name)
        else:
            node.take(found)
            if node.folder.parent is not None:
                node.parent, node.name = parent, name
        return node

    def root_directory(self, parent: Directory, name: bytes) -> HostDirectory:
        folder = self.tree.root
        node = HostDirectory(self, folder, os.fstat(folder.fd()), parent, name)
        self.nodes[folder.key] = node
        self.pinned.append(node)
        return node


class HostDirectory(HostAttributes, Directory):
    """A folder."""

    __slots__ = ("_cookies", "_listing", "folder", "mounted", "name", "parent", "removed")

    def __init__(
        self, fs: HostFileSystem, folder: HostFolder, found: os.stat_result, parent: Directory, name: bytes
    ) -> None:
        super().__init__(fs, found)
        self.folder = folder
        self.parent = parent
        self.name = name
        self.mounted: dict[bytes, Node] = {}
        self.removed = False
        self._cookies: dict[bytes, int] = {}
        self._listing: list[tuple[int, bytes, int, int]] | None = None

    def look(self) -> int:
        return os.dup(self.folder.fd())

    def open(self, flags: int) -> Description:
        return DirectoryDescription(flags, self)

    def lookup(self, name: bytes) -> Node | None:
        found = self.folder.lstat(name)
        return None if found is None else self.fs.node(self, name, found)

    def rewind(self) -> None:
        """Look at the folder again; names that were there keep their cookies."""
        device = self.folder.key[0]
        entries = {name: (ino, kind) for name, ino, kind in self.folder.scan()}
        last = max(self._cookies.values(), default=2)
        cookies = {name: cookie for name, cookie in self._cookies.items() if name in entries}
        for name in entries:
            if name not in cookies:
                last += 1
                cookies[name] = last
        self._cookies = cookies
        self._listing = []
        for name, cookie in cookies.items():
            ino, kind = entries[name]
            self._listing.append((cookie, name, self.fs.ino((device, ino)), kind))

    def entries(self, after: int) -> Iterator[tuple[int, bytes, int, int]]:
        if self._listing is None:
            self.rewind()
        listing = self._listing or []
        yield from listing[bisect_right(listing, after, key=lambda entry: entry[0]) :]

    def is_empty(self) -> bool:
        return self.folder.is_empty()

    def create(self, name: bytes, mode: int, uid: int, gid: int, flags: int) -> Description:
        descriptor = self.folder.create_file(name, mode)
        return HostFile(self, name, os.fstat(descriptor)).opened(flags, descriptor)

    def make_directory(self, name: bytes, mode: int, uid: int, gid: int) -> None:
        os.mkdir(name, mode & 0o777, dir_fd=self.folder.fd())
        made = self.lookup(name)
        if isinstance(made, HostDirectory) and made.mode & 0o7777 != mode:
            made.set_mode(mode)  # the host's own umask took something away

    def make_link(self, name: bytes, target: bytes, uid: int, gid: int) -> None:
        os.symlink(target, name, dir_fd=self.folder.fd())

    def make_fifo(self, name: bytes, mode: int, uid: int, gid: int) -> None:
        raise GuestRefusal(EPERM)

    def link(self, name: bytes, node: Node) -> None:
        if not isinstance(node, (HostFile, HostLink)):
            raise GuestRefusal(EPERM)
        folder, old = node.place
        with _Descriptor(folder) as source:
            os.link(old, name, src_dir_fd=source, dst_dir_fd=self.folder.fd(), follow_symlinks=False)

    def unlink(self, name: bytes, node: Node) -> None:
        os.unlink(name, dir_fd=self.folder.fd())

    def remove_directory(self, name: bytes, node: Directory) -> None:
        os.rmdir(name, dir_fd=self.folder.fd())
        if isinstance(node, HostDirectory):
            node.removed = True

    def rename(self, name: bytes, node: Node, into: Directory, as_name: bytes, over: Node | None) -> None:
        if not isinstance(into, HostDirectory):
            raise GuestRefusal(EINVAL)
        if not isinstance(node, (HostFile, HostLink, HostDirectory)):
            raise GuestRefusal(EPERM)
        with _Descriptor(self.folder) as source:
            os.rename(name, as_name, src_dir_fd=source, dst_dir_fd=into.folder.fd())
        if isinstance(over, HostDirectory):
            over.removed = True
        if isinstance(node, HostDirectory):
            node.parent, node.name = into, as_name
            node.folder.parent, node.folder.name = into.folder, as_name


class _Descriptor:
    """A folder's descriptor, held while another folder's is asked for."""

    __slots__ = ("_fd", "_folder")

    def __init__(self, folder: HostFolder) -> None:
        self._folder = folder
        self._fd = -1

    def __enter__(self) -> int:
        self._fd = os.dup(self._folder.fd())
        return self._fd

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)
