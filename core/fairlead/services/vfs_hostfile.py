"""Files of a host folder as the guest sees them: their attributes, links, and content."""

from __future__ import annotations

import os
import stat
from errno import EACCES, EINVAL, EOPNOTSUPP, EPERM, EROFS
from typing import TYPE_CHECKING

from fairlead.errors import GuestRefusal
from fairlead.services.description import Buffers, Description, FileDescription
from fairlead.services.flags import O_ACCMODE, O_RDONLY
from fairlead.services.hostfolder import HostBudget, HostFolder, descriptor_path
from fairlead.services.resolve import User
from fairlead.services.vfs import Node, Stat, SymbolicLink

if TYPE_CHECKING:
    from fairlead.services.vfs_host import HostDirectory, HostFileSystem

__all__ = ["HostAttributes", "HostContent", "HostFile", "HostLink", "HostNode", "host_owner"]


_NOBODY = 65534


def host_owner(user: User, found: os.stat_result) -> tuple[int, int]:
    """Owner and group as the guest sees them: ours is the guest's, root is root, any other is nobody."""
    uid = user.uid if found.st_uid == os.geteuid() else 0 if found.st_uid == 0 else _NOBODY
    gid = user.gid if found.st_gid == os.getegid() else 0 if found.st_gid == 0 else _NOBODY
    return uid, gid


class HostAttributes(Node):
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


class HostNode(HostAttributes):
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
