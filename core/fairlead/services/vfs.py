"""What every file system is made of: nodes, directories, and the attributes stat(2) shows.

Names and paths are bytes: a guest may use any. Refusals are `GuestRefusal`; a host file system's own come as
`OSError`, whose numbers are the same.
"""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from errno import EINVAL, ENOTSUP, ENXIO, EPERM
from typing import TYPE_CHECKING

from fairlead.errors import GuestRefusal

if TYPE_CHECKING:
    from fairlead.services.description import Description
    from fairlead.services.locks import FileLock

__all__ = ["Directory", "FileSystem", "Node", "Space", "Stat", "SymbolicLink", "path_of"]


@dataclass(slots=True)
class Stat:
    """Attributes of a file: struct stat with times in nanoseconds since 1970 and `blocks` of 512 bytes."""

    dev: int
    ino: int
    mode: int
    nlink: int
    uid: int
    gid: int
    rdev: int = 0
    size: int = 0
    blksize: int = 4096
    blocks: int = 0
    atime: int = 0
    mtime: int = 0
    ctime: int = 0
    btime: int = 0


@dataclass(slots=True)
class Space:
    """What statfs(2) tells of a file system; blocks of 4096 bytes."""

    magic: int
    blocks: int
    free: int
    files: int
    files_free: int


class FileSystem:
    """What the nodes of one file system share: device number, clock, and whether it may be changed."""

    def __init__(self, dev: int, realtime: Callable[[], int], *, read_only: bool = False) -> None:
        self.dev = dev
        self.realtime = realtime
        """Guest real time in nanoseconds since 1970."""
        self.read_only = read_only
        self.locks: dict[int, FileLock] = {}
        """flock(2) locks that are held or waited for, by inode number."""

    def space(self) -> Space:
        raise GuestRefusal(ENOTSUP)


class Node:
    """An inode: its type and permissions (`mode`), owner, and the operations all types have."""

    __slots__ = ("__weakref__", "fs", "gid", "ino", "mode", "uid")

    def __init__(self, fs: FileSystem, ino: int, mode: int, uid: int, gid: int) -> None:
        self.fs = fs
        self.ino = ino
        self.mode = mode
        self.uid = uid
        self.gid = gid

    @property
    def kind(self) -> int:
        """The S_IF* type."""
        return stat.S_IFMT(self.mode)

    def stat(self) -> Stat:
        raise NotImplementedError

    def set_mode(self, mode: int) -> None:
        """Change the permission bits (07777)."""
        raise GuestRefusal(EPERM)

    def set_owner(self, uid: int, gid: int) -> None:
        raise GuestRefusal(EPERM)

    def set_times(self, atime: int | None, mtime: int | None) -> None:
        """Set times in nanoseconds since 1970; None leaves one as it is."""
        raise GuestRefusal(EPERM)

    def truncate(self, size: int) -> None:
        raise GuestRefusal(EINVAL)

    def open(self, flags: int) -> Description:
        """A new open file description; permissions and flags that concern the path are checked already."""
        raise GuestRefusal(ENXIO)


class SymbolicLink(Node):
    """A symbolic link; a magic one (/proc/self/fd/N) leads to `jump`'s node whatever its text says."""

    __slots__ = ()

    def target(self) -> bytes:
        raise NotImplementedError

    def jump(self) -> Node | None:
        return None


class Directory(Node):
    """A directory: what is asked of one; concrete classes give the slots.

    Callers check names, permissions and what is generic (existence, types, loops); an implementation only
    makes the change.
    """

    __slots__ = ()

    parent: Directory
    """The root is its own parent; a mounted directory's is the directory it is mounted in."""
    name: bytes
    mounted: dict[bytes, Node]
    """Nodes of other file systems that stand in this directory, hiding entries of the same name."""
    removed: bool

    def lookup(self, name: bytes) -> Node | None:
        raise NotImplementedError

    def entries(self, after: int) -> Iterator[tuple[int, bytes, int, int]]:
        """(cookie, name, inode number, S_IF* type) of entries with cookies above `after`, ascending.

        A cookie is above 2 and stays an entry's own until it is removed.
        """
        raise NotImplementedError

    def rewind(self) -> None:
        """A reader starts at the front: what changed behind our back is looked at again."""

    def is_empty(self) -> bool:
        raise NotImplementedError

    def create(self, name: bytes, mode: int, uid: int, gid: int, flags: int) -> Description:
        """Make a regular file and open it, whatever `mode` allows later."""
        raise NotImplementedError

    def make_directory(self, name: bytes, mode: int, uid: int, gid: int) -> None:
        raise NotImplementedError

    def make_link(self, name: bytes, target: bytes, uid: int, gid: int) -> None:
        """Make a symbolic link."""
        raise NotImplementedError

    def make_fifo(self, name: bytes, mode: int, uid: int, gid: int) -> None:
        raise NotImplementedError

    def make_unnamed(self, mode: int, uid: int, gid: int) -> Node:
        """A regular file without a name (O_TMPFILE)."""
        raise GuestRefusal(ENOTSUP)

    def link(self, name: bytes, node: Node) -> None:
        """A further name for `node` of the same file system."""
        raise NotImplementedError

    def unlink(self, name: bytes, node: Node) -> None:
        raise NotImplementedError

    def remove_directory(self, name: bytes, node: Directory) -> None:
        raise NotImplementedError

    def rename(self, name: bytes, node: Node, into: Directory, as_name: bytes, over: Node | None) -> None:
        """Move an entry; `over` is what the new name led to, of a type that may be replaced."""
        raise NotImplementedError

    def exchange(
        self, name: bytes, node: Node, other: Directory, other_name: bytes, other_node: Node
    ) -> None:
        raise GuestRefusal(EINVAL)


def path_of(node: Directory) -> bytes | None:
    """The absolute path of a directory; None if it was removed or has none within reason."""
    names: list[bytes] = []
    length = 0
    while node.parent is not node:
        if node.removed:
            return None
        names.append(node.name)
        length += len(node.name) + 1
        if length > 1 << 20:
            return None
        node = node.parent
    return b"/" + b"/".join(reversed(names))
