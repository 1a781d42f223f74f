"""System calls about names and attributes (kern/src/syscall.c, kern/src/ns), over the core's names."""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct
from typing import TYPE_CHECKING, Any

from fairlead.errors import GuestRefusal
from fairlead.services.flags import AT_REMOVEDIR
from fairlead.services.linux.structures import i32, u32
from fairlead.services.vfs import Directory, Node, Stat, path_of
from fairlead_akaros.abi import Errno, Sys
from fairlead_akaros.kernel.errors import REFUSALS
from fairlead_akaros.kernel.words import path_words

if TYPE_CHECKING:
    from fairlead_akaros.kernel.kernel import Kernel

__all__ = ["HANDLERS", "KSTAT_FIELDS", "path_in"]

_PATH_MAX = 4096
KSTAT_FIELDS = Struct("<QQI4xQIIQQqqqqqqqq")
"""struct kstat, with times as seconds and nanoseconds."""
_BILLION = 1_000_000_000


def path_in(kernel: Kernel, address: int, length: int) -> bytes:
    """copy_in_path: that many bytes, up to a NUL."""
    if length > _PATH_MAX:
        raise REFUSALS["path too long"]()
    return kernel.memory.read(address, length).partition(b"\0")[0]


# -- attributes -----------------------------------------------------------------------------------------


def _put_stat(kernel: Kernel, address: int, s: Stat) -> int:
    times = (*divmod(s.atime, _BILLION), *divmod(s.mtime, _BILLION), *divmod(s.ctime, _BILLION))
    head = (s.dev, s.ino, s.mode, s.nlink, s.uid, s.gid, s.rdev, s.size, s.blksize, s.blocks)
    kernel.memory.write(address, KSTAT_FIELDS.pack(*head, *times))
    return 0


def fstat(kernel: Kernel, fd: int, buffer: int) -> int:
    try:
        found = kernel.process.files.table.get(u32(fd))
    except GuestRefusal:
        raise REFUSALS["no descriptor"]() from None
    return _put_stat(kernel, buffer, found.stat())


def _find(kernel: Kernel, path: bytes, *, follow: bool) -> Node:
    files = kernel.process.files
    try:
        return files.names.find(files.cwd, path, follow=follow)
    except GuestRefusal as refusal:
        raise path_words(kernel, refusal.errno, path, {}) from None


def stat(kernel: Kernel, address: int, length: int, buffer: int) -> int:
    return _put_stat(kernel, buffer, _find(kernel, path_in(kernel, address, length), follow=True).stat())


def lstat(kernel: Kernel, address: int, length: int, buffer: int) -> int:
    return _put_stat(kernel, buffer, _find(kernel, path_in(kernel, address, length), follow=False).stat())


def access(kernel: Kernel, address: int, length: int, mode: int) -> int:
    path = path_in(kernel, address, length)
    node = _find(kernel, path, follow=True)
    try:
        kernel.process.files.names.access(node, mode & 7)
    except GuestRefusal as refusal:
        raise GuestRefusal(refusal.errno) from None
    return 0


def umask(kernel: Kernel, mask: int) -> int:
    names = kernel.process.files.names
    old, names.umask = names.umask, mask & 0o777
    return old


# -- names ----------------------------------------------------------------------------------------------


def _change(
    kernel: Kernel, path: bytes, reasons: dict[int, str], change: Callable[[], None], other: bytes = b""
) -> int:
    """Make a change of the tree, refused in the kernel's words; `other` is a second path that counts."""
    try:
        change()
    except GuestRefusal as refusal:
        worded = path_words(kernel, refusal.errno, path, reasons)
        if other and not worded.errstr:
            worded = path_words(kernel, refusal.errno, other, reasons)
        raise worded from None
    except OSError as error:
        raise GuestRefusal(error.errno or Errno.EIO) from None
    return 0


_CREATING: dict[int, str] = {Errno.EACCES: "no permission to create"}
_REMOVING: dict[int, str] = {
    Errno.ENOTEMPTY: "directory not empty",
    Errno.EACCES: "no permission to remove",
}
_RENAMING: dict[int, str] = {
    Errno.EACCES: "no permission to take from",
    Errno.EISDIR: "file onto a directory",
    Errno.ENOTDIR: "directory onto a file",
    Errno.EINVAL: "directory into itself",
    Errno.EXDEV: "rename across devices",
}


def mkdir(kernel: Kernel, address: int, length: int, mode: int) -> int:
    path = path_in(kernel, address, length)
    files = kernel.process.files
    return _change(
        kernel, path, _CREATING, lambda: files.names.make_directory(files.cwd, path, mode & 0o7777)
    )


def _remove(kernel: Kernel, address: int, length: int) -> int:
    """sysremove, behind unlink and rmdir alike: a file, or a directory with nothing in it."""
    path = path_in(kernel, address, length)
    names, cwd = kernel.process.files.names, kernel.process.files.cwd

    def remove() -> None:
        try:
            names.remove(cwd, path, 0)
        except GuestRefusal as refusal:
            if refusal.errno != Errno.EISDIR:
                raise
            names.remove(cwd, path, AT_REMOVEDIR)

    return _change(kernel, path, _REMOVING, remove)


def unlink(kernel: Kernel, address: int, length: int) -> int:
    return _remove(kernel, address, length)


def rmdir(kernel: Kernel, address: int, length: int) -> int:
    return _remove(kernel, address, length)


def rename(kernel: Kernel, old_at: int, old_length: int, new_at: int, new_length: int) -> int:
    old, new = path_in(kernel, old_at, old_length), path_in(kernel, new_at, new_length)
    files = kernel.process.files
    return _change(kernel, old, _RENAMING, lambda: files.names.rename(files.cwd, old, files.cwd, new), new)


def link(kernel: Kernel, old_at: int, old_length: int, new_at: int, new_length: int) -> int:
    path_in(kernel, old_at, old_length)
    path_in(kernel, new_at, new_length)
    raise REFUSALS["no hard links"]()


def symlink(kernel: Kernel, old_at: int, old_length: int, new_at: int, new_length: int) -> int:
    target, path = path_in(kernel, old_at, old_length), path_in(kernel, new_at, new_length)
    files = kernel.process.files
    return _change(kernel, path, _CREATING, lambda: files.names.make_link(target, files.cwd, path))


def readlink(kernel: Kernel, address: int, length: int, buffer: int, size: int) -> int:
    """With a NUL at the end, which the answer does not count."""
    path = path_in(kernel, address, length)
    node = _find(kernel, path, follow=False)
    try:
        text = kernel.process.files.names.read_link(node)[: max(0, size - 1)]
    except GuestRefusal:
        raise REFUSALS["not a link"](path.decode("utf-8", "replace")) from None
    kernel.memory.write(buffer, text + b"\0")
    return len(text)


def chdir(kernel: Kernel, pid: int, address: int, length: int) -> int:
    if i32(pid) != kernel.pid:
        raise REFUSALS["no process"](i32(pid))
    return _enter(kernel, _find(kernel, path_in(kernel, address, length), follow=True))


def fchdir(kernel: Kernel, pid: int, fd: int) -> int:
    if i32(pid) != kernel.pid:
        raise REFUSALS["no process"](i32(pid))
    try:
        node = kernel.process.files.table.get(u32(fd)).node
    except GuestRefusal:
        raise REFUSALS["no descriptor"]() from None
    if node is None:
        raise GuestRefusal(Errno.ENOTDIR)
    return _enter(kernel, node)


def _enter(kernel: Kernel, node: Node) -> int:
    files = kernel.process.files
    if not isinstance(node, Directory):
        raise GuestRefusal(Errno.ENOTDIR)
    files.names.access(node, 1)
    files.cwd = node
    return 0


def getcwd(kernel: Kernel, buffer: int, size: int) -> int:
    path = path_of(kernel.process.files.cwd)
    if path is None:
        raise GuestRefusal(Errno.EINVAL, "unable to getcwd")
    if len(path) + 1 > size:
        raise REFUSALS["room for the working directory"](len(path) + 1)
    kernel.memory.write(buffer, path + b"\0")
    return len(path)


HANDLERS: dict[int, Callable[..., Any]] = {
    Sys.fstat: fstat,
    Sys.stat: stat,
    Sys.lstat: lstat,
    Sys.access: access,
    Sys.umask: umask,
    Sys.link: link,
    Sys.unlink: unlink,
    Sys.rmdir: rmdir,
    Sys.symlink: symlink,
    Sys.readlink: readlink,
    Sys.chdir: chdir,
    Sys.fchdir: fchdir,
    Sys.getcwd: getcwd,
    Sys.mkdir: mkdir,
    Sys.rename: rename,
}
