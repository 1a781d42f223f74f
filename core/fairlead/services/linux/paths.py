"""Calls that take paths and change the tree (open(2), mkdir(2), rename(2), link(2), …)."""

from __future__ import annotations

from errno import E2BIG, EINVAL, ENAMETOOLONG, ENOENT, ENOTDIR, EPERM, ERANGE
from typing import TYPE_CHECKING

from fairlead.errors import GuestRefusal
from fairlead.services.flags import (
    AT_EMPTY_PATH,
    AT_FDCWD,
    AT_REMOVEDIR,
    AT_SYMLINK_FOLLOW,
    O_ACCMODE,
    O_CLOEXEC,
    O_CREAT,
    O_DIRECTORY,
    O_NOFOLLOW,
    O_PATH,
    O_TMPFILE,
    O_TRUNC,
    O_WRONLY,
    PATH_MAX,
)
from fairlead.services.linux.filestructures import OPEN_HOW
from fairlead.services.linux.handler import Handlers
from fairlead.services.linux.structures import i32, u32
from fairlead.services.linux.waiting import INTERRUPTED
from fairlead.services.pipes import FifoDescription
from fairlead.services.resolve import (
    EXEC,
    RESOLVE_BENEATH,
    RESOLVE_CACHED,
    RESOLVE_IN_ROOT,
    RESOLVE_NO_MAGICLINKS,
    RESOLVE_NO_SYMLINKS,
    RESOLVE_NO_XDEV,
    resolve,
)
from fairlead.services.vfs import Directory, Node, path_of
from fairlead.syscall import Pending, Result, Wake

if TYPE_CHECKING:
    from fairlead.services.description import Description
    from fairlead.services.linux.files import Files
    from fairlead.services.linux.process import Process

__all__ = ["HANDLERS", "install_opened", "node_at", "path_at"]

_HERE = AT_FDCWD & 0xFFFF_FFFF
_MFD_CLOEXEC = 1
_KNOWN_OPEN_FLAGS = 0o37777703
_RESOLVE = RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH | RESOLVE_IN_ROOT


def path_at(process: Process, address: int, *, empty: bool = False) -> bytes:
    """The path at an address (NUL-terminated, below PATH_MAX); none at all is ENOENT unless `empty`."""
    path = process.memory.read_cstring(address, PATH_MAX)
    if not path and not empty:
        raise GuestRefusal(ENOENT)
    return path


def node_at(process: Process, dirfd: int, address: int, *, follow: bool, empty: bool = False) -> Node:
    """What an *at call's descriptor and path lead to; `empty` lets "" mean the descriptor itself."""
    files = process.files
    path = path_at(process, address, empty=empty)
    if not path:
        return _node_of(files, i32(dirfd))
    base = files.base_for(i32(dirfd), path)
    return files.names.find(base, path, follow=follow)


def _node_of(files: Files, dirfd: int) -> Node:
    if dirfd == AT_FDCWD:
        return files.cwd
    node = files.table.get(dirfd).node
    if node is None:
        raise GuestRefusal(EINVAL)
    return node


# -- opening --------------------------------------------------------------------------------------------


def openat(process: Process, dirfd: int, path: int, flags: int, mode: int) -> int | Pending:
    flags = u32(flags) & _KNOWN_OPEN_FLAGS
    mode = mode & 0o7777 if flags & (O_CREAT | O_TMPFILE & ~O_DIRECTORY) else 0
    return _open(process, i32(dirfd), path_at(process, path), flags, mode, 0)


def openat2(process: Process, dirfd: int, path: int, how: int, size: int) -> int | Pending:
    if size < OPEN_HOW.size:
        raise GuestRefusal(EINVAL)
    if size > 4096 or any(process.memory.read(how + OPEN_HOW.size, size - OPEN_HOW.size)):
        raise GuestRefusal(E2BIG)
    flags, mode, restrict = process.memory.unpack(OPEN_HOW, how)
    if flags & ~_KNOWN_OPEN_FLAGS or restrict & ~(_RESOLVE | RESOLVE_CACHED) or mode & ~0o7777:
        raise GuestRefusal(EINVAL)
    if mode and not flags & (O_CREAT | O_TMPFILE & ~O_DIRECTORY):
        raise GuestRefusal(EINVAL)
    if flags & O_PATH and flags & ~(O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC):
        raise GuestRefusal(EINVAL)
    if restrict & RESOLVE_BENEATH and restrict & RESOLVE_IN_ROOT:
        raise GuestRefusal(EINVAL)
    return _open(process, i32(dirfd), path_at(process, path), flags, mode, restrict & _RESOLVE)


def _open(process: Process, dirfd: int, path: bytes, flags: int, mode: int, restrict: int) -> int | Pending:
    if flags & O_ACCMODE == O_ACCMODE:
        raise GuestRefusal(EINVAL)
    files = process.files
    # A restricted walk of an absolute path starts at (or is refused because of) the descriptor.
    base = files.base(dirfd) if restrict else files.base_for(dirfd, path)
    description = files.names.open(base, path, flags, mode, restrict)
    return install_opened(process, description, cloexec=bool(flags & O_CLOEXEC))


def install_opened(process: Process, description: Description, *, cloexec: bool) -> int | Pending:
    """A descriptor for what was opened; a FIFO waits for its other end first."""
    if isinstance(description, FifoDescription):
        return _open_fifo(process, description, cloexec)
    return process.files.install(description, cloexec=cloexec)


def _open_fifo(process: Process, description: FifoDescription, cloexec: bool) -> int | Pending:
    missing = description.waits_for()
    if missing is None:
        return process.files.install(description, cloexec=cloexec)
    met = description.meetings()

    def resume(wake: Wake) -> Result | Pending:
        if description.waits_for() is None or description.meetings() != met:
            return Result(process.files.install(description, cloexec=cloexec))
        if wake is Wake.SIGNAL:
            description.release()
            return INTERRUPTED
        return Pending((missing.queue,), resume)

    return Pending((missing.queue,), resume)


def open(process: Process, path: int, flags: int, mode: int) -> int | Pending:
    return openat(process, _HERE, path, flags, mode)


def creat(process: Process, path: int, mode: int) -> int | Pending:
    return openat(process, _HERE, path, O_CREAT | O_WRONLY | O_TRUNC, mode)


def memfd_create(process: Process, name: int, flags: int) -> int:
    if u32(flags) & ~0x1F or len(process.memory.read_cstring(name, 250)) > 249:
        raise GuestRefusal(EINVAL)
    return process.files.install(process.files.make_memory_file(), cloexec=bool(flags & _MFD_CLOEXEC))


# -- the tree -------------------------------------------------------------------------------------------


def mkdirat(process: Process, dirfd: int, path: int, mode: int) -> int:
    where = path_at(process, path)
    files = process.files
    files.names.make_directory(files.base_for(i32(dirfd), where), where, u32(mode))
    return 0


def mkdir(process: Process, path: int, mode: int) -> int:
    return mkdirat(process, _HERE, path, mode)


def mknodat(process: Process, dirfd: int, path: int, mode: int, device: int) -> int:
    where = path_at(process, path)
    files = process.files
    files.names.make_node(files.base_for(i32(dirfd), where), where, u32(mode))
    return 0


def mknod(process: Process, path: int, mode: int, device: int) -> int:
    return mknodat(process, _HERE, path, mode, device)


def unlinkat(process: Process, dirfd: int, path: int, flags: int) -> int:
    flags = u32(flags)
    if flags & ~AT_REMOVEDIR:
        raise GuestRefusal(EINVAL)
    where = path_at(process, path)
    files = process.files
    files.names.remove(files.base_for(i32(dirfd), where), where, flags)
    return 0


def unlink(process: Process, path: int) -> int:
    return unlinkat(process, _HERE, path, 0)


def rmdir(process: Process, path: int) -> int:
    return unlinkat(process, _HERE, path, AT_REMOVEDIR)


def renameat2(process: Process, dirfd: int, path: int, new_dirfd: int, new_path: int, flags: int) -> int:
    old, new = path_at(process, path), path_at(process, new_path)
    files = process.files
    files.names.rename(
        files.base_for(i32(dirfd), old), old, files.base_for(i32(new_dirfd), new), new, u32(flags)
    )
    return 0


def renameat(process: Process, dirfd: int, path: int, new_dirfd: int, new_path: int) -> int:
    return renameat2(process, dirfd, path, new_dirfd, new_path, 0)


def rename(process: Process, path: int, new_path: int) -> int:
    return renameat2(process, _HERE, path, _HERE, new_path, 0)


def linkat(process: Process, dirfd: int, path: int, new_dirfd: int, new_path: int, flags: int) -> int:
    flags = u32(flags)
    if flags & ~(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH):
        raise GuestRefusal(EINVAL)
    follow, empty = bool(flags & AT_SYMLINK_FOLLOW), bool(flags & AT_EMPTY_PATH)
    node = node_at(process, dirfd, path, follow=follow, empty=empty)
    new = path_at(process, new_path)
    files = process.files
    files.names.link(node, files.base_for(i32(new_dirfd), new), new)
    return 0


def link(process: Process, path: int, new_path: int) -> int:
    return linkat(process, _HERE, path, _HERE, new_path, 0)


def symlinkat(process: Process, target: int, dirfd: int, path: int) -> int:
    text, where = path_at(process, target), path_at(process, path)
    files = process.files
    files.names.make_link(text, files.base_for(i32(dirfd), where), where)
    return 0


def symlink(process: Process, target: int, path: int) -> int:
    return symlinkat(process, target, _HERE, path)


def readlinkat(process: Process, dirfd: int, path: int, buffer: int, size: int) -> int:
    size = i32(size)
    if size <= 0:
        raise GuestRefusal(EINVAL)
    node = node_at(process, dirfd, path, follow=False, empty=True)
    text = process.files.names.read_link(node)[:size]
    process.memory.write(buffer, text)
    return len(text)


def readlink(process: Process, path: int, buffer: int, size: int) -> int:
    return readlinkat(process, _HERE, path, buffer, size)


# -- the working directory ------------------------------------------------------------------------------


def getcwd(process: Process, buffer: int, size: int) -> int:
    path = path_of(process.files.cwd)
    if path is None:
        raise GuestRefusal(ENOENT)
    if len(path) >= PATH_MAX:
        raise GuestRefusal(ENAMETOOLONG)
    if size < len(path) + 1:
        raise GuestRefusal(ERANGE)
    process.memory.write(buffer, path + b"\0")
    return len(path) + 1


def chdir(process: Process, path: int) -> int:
    return _enter(process, process.files.names.find(process.files.cwd, path_at(process, path)))


def fchdir(process: Process, fd: int) -> int:
    node = process.files.table.get(u32(fd)).node
    if node is None:
        raise GuestRefusal(ENOTDIR)
    return _enter(process, node)


def _enter(process: Process, node: Node) -> int:
    files = process.files
    if not isinstance(node, Directory):
        raise GuestRefusal(ENOTDIR)
    files.names.access(node, EXEC)
    files.cwd = node
    return 0


def chroot(process: Process, path: int) -> int:
    files = process.files
    resolve(files.user, files.names.root, files.cwd, path_at(process, path))
    raise GuestRefusal(EPERM)


def mount(process: Process) -> int:
    raise GuestRefusal(EPERM)


def umount2(process: Process) -> int:
    raise GuestRefusal(EPERM)


def umask(process: Process, mask: int) -> int:
    names = process.files.names
    old, names.umask = names.umask, mask & 0o777
    return old


HANDLERS: Handlers = {
    each.__name__: each
    for each in (
        chdir,
        chroot,
        creat,
        fchdir,
        getcwd,
        link,
        linkat,
        memfd_create,
        mkdir,
        mkdirat,
        mknod,
        mknodat,
        mount,
        open,
        openat,
        openat2,
        readlink,
        readlinkat,
        rename,
        renameat,
        renameat2,
        rmdir,
        symlink,
        symlinkat,
        umask,
        umount2,
        unlink,
        unlinkat,
    )
}
