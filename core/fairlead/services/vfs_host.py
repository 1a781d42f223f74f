"""A host folder as a file system of the guest's, read-only or read-write."""

from __future__ import annotations

import os
import stat
from bisect import bisect_right
from collections.abc import Callable, Iterator
from errno import EACCES, EINVAL, EOPNOTSUPP, EPERM, EROFS
from pathlib import Path
from weakref import WeakValueDictionary

from fairlead.errors import GuestRefusal
from fairlead.services.description import Buffers, Description, DirectoryDescription, FileDescription
from fairlead.services.flags import O_ACCMODE, O_RDONLY
from fairlead.services.hostfolder import HostBudget, HostFolder, HostTree, Key, descriptor_path
from fairlead.services.resolve import User
from fairlead.services.vfs import Directory, FileSystem, Node, Space, Stat, SymbolicLink

__all__ = ["HostContent", "HostDirectory", "HostFileSystem", "host_owner"]

_MAGIC = 0x01021997  # uapi/linux/magic.h, V9FS_MAGIC: files of a host
_NOBODY = 65534
_MOST_NUMBERED = 1 << 20
_UNNUMBERED = 1 << 48


def host_owner(user: User, found: os.stat_result) -> tuple[int, int]:
    """Owner and group as the guest sees them: ours is the guest's, root is root, any other is nobody."""
    uid = user.uid if found.st_uid == os.geteuid() else 0 if found.st_uid == 0 else _NOBODY
    gid = user.gid if found.st_gid == os.getegid() else 0 if found.st_gid == 0 else _NOBODY
    return uid, gid


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


class _Attributes(Node):
    """What files and directories share: attributes that are the host's, as of the last look."""

    __slots__ = ("found",)

    fs: HostFileSystem

    def __init__(self, fs: HostFileSystem, found: os.stat_result) -> None:
        super().__init__(fs, fs.ino((found.st_dev, found.st_ino)), 0, 0, 0)
        self.take(found)

    def take(self, found: os.stat_result) -> None:
        self.found = found
        self.mode = found.st_mode
        self.uid, self.gid = host_owner(self.fs.user, found)

    def look(self) -> int:
        """A descriptor of the file itself, to be closed."""
        raise NotImplementedError

    def refresh(self) -> None:
        """Look again; a file that lost its name shows what it was."""
        try:
            descriptor = self.look()
        except (OSError, GuestRefusal):
            return
        try:
            self.take(os.fstat(descriptor))
        finally:
            os.close(descriptor)

    def stat(self) -> Stat:
        self.refresh()
        found = self.found
        return Stat(
            self.fs.dev,
            self.ino,
            found.st_mode,
            found.st_nlink,
            self.uid,
            self.gid,
            size=4096 if stat.S_ISDIR(found.st_mode) else found.st_size,
            blocks=found.st_blocks,
            atime=found.st_atime_ns,
            mtime=found.st_mtime_ns,
            ctime=found.st_ctime_ns,
            btime=found.st_ctime_ns,
        )

    def set_mode(self, mode: int) -> None:
        # No set-user-ID files for others of the host to run.
        descriptor = self.look()
        try:
            os.chmod(descriptor_path(descriptor), mode & 0o1777)  # noqa: PTH101
            self.take(os.fstat(descriptor))
        finally:
            os.close(descriptor)

    def set_owner(self, uid: int, gid: int) -> None:
        if (uid, gid) != (self.uid, self.gid):
            raise GuestRefusal(EPERM)

    def set_times(self, atime: int | None, mtime: int | None) -> None:
        descriptor = self.look()
        try:
            old = os.fstat(descriptor)
            times = (old.st_atime_ns if atime is None else atime, old.st_mtime_ns if mtime is None else mtime)
            os.utime(descriptor_path(descriptor), ns=times)
        except OverflowError:
            raise GuestRefusal(EINVAL) from None
        finally:
            os.close(descriptor)


class HostNode(_Attributes):
    """Anything that is no directory; by itself, a special file, which is shown but never opened."""

    __slots__ = ("_directory", "_key", "_name")

    def __init__(self, directory: HostDirectory, name: bytes, found: os.stat_result) -> None:
        super().__init__(directory.fs, found)
        self._directory = directory
        self._name = name
        self._key = (found.st_dev, found.st_ino)

    @property
    def place(self) -> tuple[HostFolder, bytes]:
        return self._directory.folder, self._name

    def look(self) -> int:
        return self._directory.folder.look(self._name, self._key)

    def open(self, flags: int) -> Description:
        raise GuestRefusal(EACCES)


class HostLink(HostNode, SymbolicLink):
    """A symbolic link; its text means what it means in the guest's tree."""

    __slots__ = ()

    def target(self) -> bytes:
        return self._directory.folder.readlink(self._name)

    def set_mode(self, mode: int) -> None:
        raise GuestRefusal(EOPNOTSUPP)

    def set_times(self, atime: int | None, mtime: int | None) -> None:
        times = (
            self.found.st_atime_ns if atime is None else atime,
            self.found.st_mtime_ns if mtime is None else mtime,
        )
        os.utime(self._name, ns=times, dir_fd=self._directory.folder.fd(), follow_symlinks=False)


class HostFile(HostNode):
    """A regular file; an open one is reached by its descriptor, whatever becomes of its name."""

    __slots__ = ("_content",)

    def __init__(
        self,
        directory: HostDirectory,
        name: bytes,
        found: os.stat_result,
        content: HostContent | None = None,
    ) -> None:
        super().__init__(directory, name, found)
        self._content = content

    def look(self) -> int:
        if self._content is not None and self._content.fd >= 0:
            return os.dup(self._content.fd)
        return super().look()

    def _open(self, flags: int) -> int:
        if flags != os.O_RDONLY and self.fs.read_only:
            raise GuestRefusal(EROFS)
        return self._directory.folder.open_file(self._name, flags)

    def open(self, flags: int) -> Description:
        return self.opened(flags, self._open(_ACCESS[flags & O_ACCMODE]))

    def opened(self, flags: int, descriptor: int) -> Description:
        """A description of the file behind a descriptor that it takes over."""
        found = os.fstat(descriptor)
        content = HostContent(descriptor, self.fs.tree.budget)
        return FileDescription(flags, HostFile(self._directory, self._name, found, content), content)

    def truncate(self, size: int) -> None:
        content = HostContent(self._open(os.O_WRONLY), self.fs.tree.budget)
        try:
            content.truncate(size)
        finally:
            content.release()


_ACCESS = {O_RDONLY: os.O_RDONLY, 1: os.O_WRONLY, 2: os.O_RDWR}


class HostContent:
    """An open file of the host's."""

    __slots__ = ("_budget", "fd")

    def __init__(self, fd: int, budget: HostBudget) -> None:
        self.fd = fd
        self._budget = budget

    def size(self) -> int:
        return os.fstat(self.fd).st_size

    def preadv(self, buffers: Buffers, offset: int) -> int:
        return os.preadv(self.fd, buffers, offset)

    def pwritev(self, buffers: Buffers, offset: int) -> int:
        return os.pwritev(self.fd, buffers, offset)

    def append(self, buffers: Buffers) -> tuple[int, int]:
        return os.pwritev(self.fd, buffers, 0, os.RWF_APPEND), self.size()

    def truncate(self, size: int) -> None:
        os.ftruncate(self.fd, size)

    def allocate(self, mode: int, offset: int, size: int) -> None:
        # The host's own fallocate may write a disk full of zeroes: growing is all that is done here.
        if mode:
            raise GuestRefusal(EOPNOTSUPP)
        if offset + size > self.size():
            os.ftruncate(self.fd, offset + size)

    def seek(self, offset: int, hole: bool) -> int:
        return os.lseek(self.fd, offset, os.SEEK_HOLE if hole else os.SEEK_DATA)

    def sync(self) -> None:
        os.fsync(self.fd)

    def release(self) -> None:
        os.close(self.fd)
        self.fd = -1
        self._budget.give()


class HostDirectory(_Attributes, Directory):
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
