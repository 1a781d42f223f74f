"""Changes of the guest's tree of names, checked as the calls' manual pages say."""

from __future__ import annotations

import stat
from errno import (
    EACCES,
    EBUSY,
    EEXIST,
    EINVAL,
    EISDIR,
    ELOOP,
    ENAMETOOLONG,
    ENOENT,
    ENOTDIR,
    ENOTEMPTY,
    EOPNOTSUPP,
    EPERM,
    EROFS,
    EXDEV,
)

from fairlead.errors import GuestRefusal
from fairlead.services.description import Description, PathDescription
from fairlead.services.flags import (
    AT_REMOVEDIR,
    O_ACCMODE,
    O_CREAT,
    O_DIRECTORY,
    O_EXCL,
    O_NOFOLLOW,
    O_PATH,
    O_RDONLY,
    O_TMPFILE,
    O_TRUNC,
    O_WRONLY,
    PATH_MAX,
    RENAME_EXCHANGE,
    RENAME_NOREPLACE,
)
from fairlead.services.resolve import EXEC, READ, WRITE, Found, User, look_up, resolve
from fairlead.services.vfs import Directory, Node, SymbolicLink

__all__ = ["Namespace"]


class Namespace:
    """The tree under `root` as one user sees and changes it; `base` is where a relative path starts."""

    def __init__(self, root: Directory, user: User) -> None:
        self.root = root
        self.user = user
        self.umask = 0o022

    def find(self, base: Directory, path: bytes, *, follow: bool = True) -> Node:
        """The node a path leads to, or ENOENT."""
        found = resolve(self.user, self.root, base, path, follow=follow)
        if found.node is None:
            raise GuestRefusal(ENOENT)
        return found.node

    def open(self, base: Directory, path: bytes, flags: int, mode: int, restrict: int = 0) -> Description:
        """open(2); a FIFO whose other end is missing is for the caller to wait for (`waits_for`)."""
        if flags & O_PATH:
            flags &= O_PATH | O_DIRECTORY | O_NOFOLLOW
        elif flags & O_TMPFILE == O_TMPFILE:
            return self._open_unnamed(base, path, flags, mode, restrict)
        elif flags & O_CREAT and flags & O_DIRECTORY:
            raise GuestRefusal(EINVAL)
        exclusive = flags & (O_CREAT | O_EXCL) == O_CREAT | O_EXCL
        follow = not (flags & O_NOFOLLOW or exclusive)
        create = bool(flags & O_CREAT)
        found = resolve(self.user, self.root, base, path, follow=follow, create=create, restrict=restrict)
        node = found.node
        if node is None:
            if not flags & O_CREAT:
                raise GuestRefusal(ENOENT)
            self._may_change(found.parent)
            return self._placed(self._create(found, mode, flags), found)
        if exclusive:
            raise GuestRefusal(EEXIST)
        if flags & O_DIRECTORY and not isinstance(node, Directory):
            raise GuestRefusal(ENOTDIR)
        if flags & O_PATH:
            return self._placed(PathDescription(flags, node), found)
        if isinstance(node, SymbolicLink):
            raise GuestRefusal(ELOOP)
        self.check_open(node, flags)
        if flags & O_TRUNC and node.kind == stat.S_IFREG:
            node.truncate(0)
        return self._placed(node.open(flags), found)

    def check_open(self, node: Node, flags: int) -> None:
        """Refuse an access mode that the node's type, permissions or file system forbid."""
        access = flags & O_ACCMODE
        want = (READ if access != O_WRONLY else 0) | (WRITE if access != O_RDONLY or flags & O_TRUNC else 0)
        if want & WRITE or flags & O_CREAT:
            if isinstance(node, Directory):
                raise GuestRefusal(EISDIR)
            if want & WRITE and node.fs.read_only and node.kind == stat.S_IFREG:
                raise GuestRefusal(EROFS)
        if not self.user.may(node, want):
            raise GuestRefusal(EACCES)

    @staticmethod
    def _placed(description: Description, found: Found) -> Description:
        if found.name:
            description.place = (found.parent, found.name)
        return description

    def _create(self, found: Found, mode: int, flags: int) -> Description:
        user = self.user
        return found.parent.create(found.name, mode & 0o7777 & ~self.umask, user.uid, user.gid, flags)

    def _open_unnamed(
        self, base: Directory, path: bytes, flags: int, mode: int, restrict: int
    ) -> Description:
        if flags & O_ACCMODE == O_RDONLY:
            raise GuestRefusal(EINVAL)
        found = resolve(self.user, self.root, base, path, restrict=restrict)
        if found.node is None:
            raise GuestRefusal(ENOENT)
        if not isinstance(found.node, Directory):
            raise GuestRefusal(ENOTDIR)
        self._may_change(found.node)
        node = found.node.make_unnamed(mode & 0o7777 & ~self.umask, self.user.uid, self.user.gid)
        return node.open(flags)

    def truncate(self, base: Directory, path: bytes, size: int) -> None:
        node = self.find(base, path)
        if isinstance(node, Directory):
            raise GuestRefusal(EISDIR)
        if node.kind != stat.S_IFREG:
            raise GuestRefusal(EINVAL)
        self.check_open(node, O_WRONLY)
        node.truncate(size)

    def make_directory(self, base: Directory, path: bytes, mode: int) -> None:
        found = self._new(base, path, directory=True)
        user = self.user
        found.parent.make_directory(found.name, mode & 0o1777 & ~self.umask, user.uid, user.gid)

    def make_link(self, target: bytes, base: Directory, path: bytes) -> None:
        """symlink(2)."""
        if not target:
            raise GuestRefusal(ENOENT)
        if len(target) >= PATH_MAX:
            raise GuestRefusal(ENAMETOOLONG)
        found = self._new(base, path)
        found.parent.make_link(found.name, target, self.user.uid, self.user.gid)

    def make_node(self, base: Directory, path: bytes, mode: int) -> None:
        """mknod(2): regular files and FIFOs."""
        kind = stat.S_IFMT(mode)
        if kind in (stat.S_IFCHR, stat.S_IFBLK):
            raise GuestRefusal(EPERM)
        if kind not in (0, stat.S_IFREG, stat.S_IFIFO):
            raise GuestRefusal(EPERM if kind in (stat.S_IFDIR, stat.S_IFSOCK) else EINVAL)
        found = self._new(base, path)
        if kind == stat.S_IFIFO:
            user = self.user
            found.parent.make_fifo(found.name, mode & 0o7777 & ~self.umask, user.uid, user.gid)
        else:
            self._create(found, mode, O_RDONLY).release()

    def link(self, node: Node, base: Directory, path: bytes) -> None:
        """linkat(2), the old name resolved already."""
        found = self._new(base, path)
        if found.parent.fs is not node.fs:
            raise GuestRefusal(EXDEV)
        if isinstance(node, Directory):
            raise GuestRefusal(EPERM)
        found.parent.link(found.name, node)

    def _new(self, base: Directory, path: bytes, *, directory: bool = False) -> Found:
        """A name that is free, in a directory that may be changed."""
        found = resolve(self.user, self.root, base, path, entry=True)
        if found.node is not None or look_up(found.parent, found.name) is not None:
            raise GuestRefusal(EEXIST)
        if found.slash and not directory:
            raise GuestRefusal(ENOENT)
        self._may_change(found.parent)
        return found

    def _may_change(self, directory: Directory) -> None:
        if directory.removed:
            raise GuestRefusal(ENOENT)
        if directory.fs.read_only:
            raise GuestRefusal(EROFS)
        if not self.user.may(directory, WRITE | EXEC):
            raise GuestRefusal(EACCES)

    def remove(self, base: Directory, path: bytes, flags: int) -> None:
        """unlinkat(2)."""
        found = resolve(self.user, self.root, base, path, entry=True)
        name, parent = found.name, found.parent
        if not name:
            self._refuse_special(path, flags)
        node = look_up(parent, name)
        if node is None:
            raise GuestRefusal(ENOENT)
        directory = isinstance(node, Directory)
        if flags & AT_REMOVEDIR and not directory:
            raise GuestRefusal(ENOTDIR)
        self._may_take(parent, name, node)
        if not flags & AT_REMOVEDIR:
            if directory or found.slash:
                raise GuestRefusal(EISDIR if directory else ENOTDIR)
            parent.unlink(name, node)
            return
        assert isinstance(node, Directory)
        if not node.is_empty() or node.mounted:
            raise GuestRefusal(ENOTEMPTY)
        parent.remove_directory(name, node)

    @staticmethod
    def _refuse_special(path: bytes, flags: int) -> None:
        """unlink and rmdir of a path that ends in `.`, `..` or is the root."""
        if not flags & AT_REMOVEDIR:
            raise GuestRefusal(EISDIR)
        last = path.rstrip(b"/").rpartition(b"/")[2]
        raise GuestRefusal({b".": EINVAL, b"..": ENOTEMPTY}.get(last, EBUSY))

    def _may_take(self, parent: Directory, name: bytes, node: Node) -> None:
        """May the entry be removed or moved away?"""
        if parent.fs.read_only:
            raise GuestRefusal(EROFS)
        if not self.user.may(parent, WRITE | EXEC):
            raise GuestRefusal(EACCES)
        if parent.mode & stat.S_ISVTX and not (self.user.owns(node) or self.user.owns(parent)):
            raise GuestRefusal(EPERM)
        if name in parent.mounted:
            raise GuestRefusal(EBUSY)

    def rename(
        self, base: Directory, path: bytes, new_base: Directory, new_path: bytes, flags: int = 0
    ) -> None:
        """renameat2(2)."""
        if flags & ~(RENAME_NOREPLACE | RENAME_EXCHANGE) or flags == RENAME_NOREPLACE | RENAME_EXCHANGE:
            raise GuestRefusal(EINVAL)
        old = resolve(self.user, self.root, base, path, entry=True)
        new = resolve(self.user, self.root, new_base, new_path, entry=True)
        if old.parent.fs is not new.parent.fs:
            raise GuestRefusal(EXDEV)
        if not old.name or not new.name:
            raise GuestRefusal(EEXIST if old.name and flags & RENAME_NOREPLACE else EBUSY)
        if old.parent.fs.read_only:
            raise GuestRefusal(EROFS)
        old.node = look_up(old.parent, old.name)
        if old.node is None:
            raise GuestRefusal(ENOENT)
        new.node = look_up(new.parent, new.name)
        if flags & RENAME_EXCHANGE and new.node is None:
            raise GuestRefusal(ENOENT)
        if flags & RENAME_NOREPLACE and new.node is not None:
            raise GuestRefusal(EEXIST)
        directory = isinstance(old.node, Directory)
        if (old.slash or (new.slash and not flags & RENAME_EXCHANGE)) and not directory:
            raise GuestRefusal(ENOTDIR)
        if directory and _inside(new.parent, old.node):
            raise GuestRefusal(EINVAL)
        if flags & RENAME_EXCHANGE:
            self._exchange(old, new)
            return
        over = new.node
        if isinstance(over, Directory) and _inside(old.parent, over):
            raise GuestRefusal(ENOTEMPTY)
        if over is not None and over.ino == old.node.ino:
            return  # two names of one file: rename(2) does nothing
        self._may_take(old.parent, old.name, old.node)
        if over is None:
            self._may_change(new.parent)
        else:
            self._may_replace(new, over, directory)
        old.parent.rename(old.name, old.node, new.parent, new.name, over)

    def _may_replace(self, new: Found, over: Node, directory: bool) -> None:
        if directory and not isinstance(over, Directory):
            raise GuestRefusal(ENOTDIR)
        if isinstance(over, Directory) and not directory:
            raise GuestRefusal(EISDIR)
        self._may_take(new.parent, new.name, over)
        if isinstance(over, Directory) and (over.mounted or not over.is_empty()):
            raise GuestRefusal(ENOTEMPTY)

    def _exchange(self, old: Found, new: Found) -> None:
        if new.node is None or old.node is None:
            raise GuestRefusal(ENOENT)
        self._may_take(new.parent, new.name, new.node)
        if isinstance(new.node, Directory) and _inside(old.parent, new.node):
            raise GuestRefusal(EINVAL)
        if new.node.ino != old.node.ino:
            old.parent.exchange(old.name, old.node, new.parent, new.name, new.node)

    def read_link(self, node: Node) -> bytes:
        if not isinstance(node, SymbolicLink):
            raise GuestRefusal(EINVAL)
        return node.target()

    def set_mode(self, node: Node, mode: int) -> None:
        """chmod(2)."""
        self._may_alter(node)
        if isinstance(node, SymbolicLink):
            raise GuestRefusal(EOPNOTSUPP)
        if not self.user.owns(node):
            raise GuestRefusal(EPERM)
        node.set_mode(mode & 0o7777)

    def set_owner(self, node: Node, uid: int, gid: int) -> None:
        """chown(2); an id of 2**32 - 1 is left as it is."""
        self._may_alter(node)
        uid = node.uid if uid == 0xFFFFFFFF else uid
        gid = node.gid if gid == 0xFFFFFFFF else gid
        if self.user.uid and (
            uid != node.uid or not self.user.owns(node) or gid not in (node.gid, self.user.gid)
        ):
            raise GuestRefusal(EPERM)
        node.set_owner(uid, gid)

    def set_times(self, node: Node, atime: int | None, mtime: int | None, *, now: bool) -> None:
        """utimensat(2): times in nanoseconds since 1970, None to leave one; `now` if both are the present."""
        self._may_alter(node)
        if not (self.user.owns(node) or (now and self.user.may(node, WRITE))):
            raise GuestRefusal(EACCES if now else EPERM)
        node.set_times(atime, mtime)

    @staticmethod
    def _may_alter(node: Node) -> None:
        if node.fs.read_only:
            raise GuestRefusal(EROFS)

    def access(self, node: Node, want: int) -> None:
        """access(2): want is a sum of READ, WRITE and EXEC."""
        if want & WRITE and node.fs.read_only and node.kind in (stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK):
            raise GuestRefusal(EROFS)
        if not self.user.may(node, want):
            raise GuestRefusal(EACCES)


def _inside(directory: Directory, ancestor: Node) -> bool:
    """Is `directory` the ancestor itself, or below it?"""
    hops = 0
    while directory is not ancestor:
        if directory.parent is directory:
            return False
        directory = directory.parent
        hops += 1
        if hops > 1 << 20:
            raise GuestRefusal(ELOOP)
    return True
