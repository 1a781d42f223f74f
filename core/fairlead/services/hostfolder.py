"""Confined access to a host folder: the only place where names that a guest chose reach the host.

A guest must not get out of the folder. So the host never resolves a path: each component is opened by itself,
below a directory descriptor that was checked, with O_NOFOLLOW; `..` and symbolic links are the guest's affair
(`resolve`). What was opened is looked at before it is used (O_PATH, fstat) and reached again only through its
descriptor, so swapping names meanwhile leads nowhere else. Devices, FIFOs and sockets are never opened, nor
are files of the host kernel's own file systems (/proc, /sys, …) that happen to be mounted below.
"""

from __future__ import annotations

import os
import stat
from collections import OrderedDict
from errno import EACCES, EINVAL, EIO, ENAMETOOLONG, ENFILE, ENOENT
from pathlib import Path
from weakref import WeakValueDictionary

from fairlead.errors import GuestRefusal

__all__ = ["HostBudget", "HostFolder", "HostTree", "Key", "descriptor_path"]

_LOOK = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_ENTER = _LOOK | os.O_DIRECTORY
_KEPT_OPEN = 16
"""Directory descriptors kept by each mount."""
_DEEPEST = 4096
_PLENTY = 1 << 16
_RESERVE = 256
"""Host descriptors left for directories and the host's own use."""
_KERNEL_TYPES = """
    autofs binder binfmt_misc bpf cgroup cgroup2 configfs debugfs devpts devtmpfs efivarfs functionfs fusectl
    mqueue nfsd nsfs proc pstore resctrl rpc_pipefs securityfs selinuxfs smackfs sysfs tracefs
"""

Key = tuple[int, int]
"""Host device and inode number."""


class HostBudget:
    """Host files that all guests' descriptors together may keep open: the host side must never run out."""

    __slots__ = ("left",)

    def __init__(self) -> None:
        allowed = os.sysconf("SC_OPEN_MAX")  # -1: no limit
        self.left = max(16, allowed - _RESERVE) if allowed >= 0 else _PLENTY

    def take(self) -> None:
        if not self.left:
            raise GuestRefusal(ENFILE)
        self.left -= 1

    def give(self) -> None:
        self.left += 1


class HostTree:
    """One mounted folder: its root, and the directory descriptors kept open below it."""

    def __init__(self, path: Path, budget: HostBudget) -> None:
        self.budget = budget
        self._open: OrderedDict[HostFolder, None] = OrderedDict()
        self._folders: WeakValueDictionary[Key, HostFolder] = WeakValueDictionary()
        self._allowed: dict[int, bool] = {}
        descriptor = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        found = os.fstat(descriptor)
        self.root = HostFolder(self, None, b"", (found.st_dev, found.st_ino))
        self.root.descriptor = descriptor
        self._folders[self.root.key] = self.root
        try:
            self.check_device(found.st_dev)
        except GuestRefusal:
            self.close()
            raise

    def check_device(self, device: int) -> None:
        """Refuse what lies on one of the kernel's own file systems."""
        allowed = self._allowed.get(device)
        if allowed is None:
            allowed = self._allowed[device] = device not in _kernel_devices()
        if not allowed:
            raise GuestRefusal(EACCES)

    def folder(self, parent: HostFolder, name: bytes, key: Key) -> HostFolder:
        """The one object for a folder, which is where it was seen last."""
        found = self._folders.get(key)
        if found is None:
            found = self._folders[key] = HostFolder(self, parent, name, key)
        elif found is not self.root:
            found.parent = parent
            found.name = name
        return found

    def keep(self, folder: HostFolder, descriptor: int) -> None:
        folder.descriptor = descriptor
        self._open[folder] = None
        if len(self._open) > _KEPT_OPEN:
            oldest, _ = self._open.popitem(last=False)
            os.close(oldest.descriptor)
            oldest.descriptor = -1

    def touch(self, folder: HostFolder) -> None:
        if folder.parent is not None:
            self._open.move_to_end(folder)

    def close(self) -> None:
        """Close every directory descriptor."""
        for folder in (*self._open, self.root):
            if folder.descriptor >= 0:
                os.close(folder.descriptor)
                folder.descriptor = -1
        self._open.clear()


class HostFolder:
    """A folder in the tree, known by its place and its identity; opened when it is needed."""

    __slots__ = ("__weakref__", "descriptor", "key", "name", "parent", "tree")

    def __init__(self, tree: HostTree, parent: HostFolder | None, name: bytes, key: Key) -> None:
        self.tree = tree
        self.parent = parent
        self.name = name
        self.key = key
        self.descriptor = -1

    def fd(self) -> int:
        """A descriptor of the folder (O_PATH), good until the next call of this kind."""
        if self.descriptor >= 0:
            self.tree.touch(self)
            return self.descriptor
        chain: list[HostFolder] = []
        folder = self
        while folder.descriptor < 0:
            chain.append(folder)
            if folder.parent is None:
                raise GuestRefusal(ENOENT)
            if len(chain) > _DEEPEST:
                raise GuestRefusal(ENAMETOOLONG)
            folder = folder.parent
        self.tree.touch(folder)
        at = folder.descriptor
        for below in reversed(chain):
            at = below._enter(at)
        return at

    def _enter(self, parent: int) -> int:
        try:
            descriptor = os.open(self.name, _ENTER, dir_fd=parent)
        except NotADirectoryError:  # no longer a folder: a file, or a link that is not followed
            raise GuestRefusal(ENOENT) from None
        found = os.fstat(descriptor)
        if (found.st_dev, found.st_ino) != self.key:
            os.close(descriptor)
            raise GuestRefusal(ENOENT)
        self.tree.keep(self, descriptor)
        return descriptor

    def lstat(self, name: bytes) -> os.stat_result | None:
        """Attributes of an entry, links not followed; None if there is none."""
        try:
            found = os.stat(name, dir_fd=self.fd(), follow_symlinks=False)
        except FileNotFoundError:
            return None
        if found.st_dev != self.key[0]:
            self.tree.check_device(found.st_dev)
        return found

    def below(self, name: bytes, found: os.stat_result) -> HostFolder:
        """The folder that `lstat` found."""
        return self.tree.folder(self, name, (found.st_dev, found.st_ino))

    def readlink(self, name: bytes) -> bytes:
        try:
            return os.readlink(name, dir_fd=self.fd())
        except OSError as error:
            # What was a link when it was looked at is none any more.
            raise GuestRefusal(ENOENT if error.errno == EINVAL else error.errno or EIO) from None

    def look(self, name: bytes, key: Key | None = None) -> int:
        """A descriptor (O_PATH) of an entry, whatever it is; ENOENT if it is not what `key` says."""
        descriptor = os.open(name, _LOOK, dir_fd=self.fd())
        found = os.fstat(descriptor)
        try:
            self.tree.check_device(found.st_dev)
            if key is not None and (found.st_dev, found.st_ino) != key:
                raise GuestRefusal(ENOENT)
        except GuestRefusal:
            os.close(descriptor)
            raise
        return descriptor

    def open_file(self, name: bytes, flags: int) -> int:
        """Open a regular file; counted in the budget, as the descriptor of `create_file` is."""
        descriptor = self.look(name)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise GuestRefusal(EACCES)
            self.tree.budget.take()
            try:
                return os.open(descriptor_path(descriptor), flags | os.O_CLOEXEC | os.O_NOCTTY)
            except OSError:
                self.tree.budget.give()
                raise
        finally:
            os.close(descriptor)

    def create_file(self, name: bytes, mode: int) -> int:
        """Make a regular file that was not there, open for reading and writing."""
        self.tree.budget.take()
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            descriptor = os.open(name, flags, 0o600, dir_fd=self.fd())
        except BaseException:
            self.tree.budget.give()
            raise
        os.fchmod(descriptor, mode & 0o777)
        return descriptor

    def scan(self) -> list[tuple[bytes, int, int]]:
        """(name, inode number, S_IF* type) of all entries, by name."""
        descriptor = os.open(b".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=self.fd())
        try:
            with os.scandir(descriptor) as found:
                entries = [(os.fsencode(entry.name), entry.inode(), _kind(entry)) for entry in found]
        finally:
            os.close(descriptor)
        entries.sort()
        return entries

    def is_empty(self) -> bool:
        descriptor = os.open(b".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=self.fd())
        try:
            with os.scandir(descriptor) as found:
                return next(found, None) is None
        finally:
            os.close(descriptor)


def descriptor_path(descriptor: int) -> str:
    """Where the host finds an open file again, by its descriptor and not by any name."""
    return f"/proc/self/fd/{descriptor}"


def _kind(entry: os.DirEntry[str]) -> int:
    if entry.is_symlink():
        return stat.S_IFLNK
    if entry.is_dir(follow_symlinks=False):
        return stat.S_IFDIR
    if entry.is_file(follow_symlinks=False):
        return stat.S_IFREG
    try:
        return stat.S_IFMT(entry.stat(follow_symlinks=False).st_mode)
    except OSError:
        return stat.S_IFREG


def _kernel_devices() -> frozenset[int]:
    """Device numbers of the kernel's own file systems that are mounted now (proc(5), mountinfo)."""
    kernel_types = frozenset(_KERNEL_TYPES.split())
    devices: set[int] = set()
    for line in Path("/proc/self/mountinfo").read_text(errors="replace").splitlines():
        fields, _, tail = line.partition(" - ")
        if tail.split(" ", 1)[0] in kernel_types:
            major, _, minor = fields.split(" ")[2].partition(":")
            devices.add(os.makedev(int(major), int(minor)))
    return frozenset(devices)
