"""System calls about files (kern/src/syscall.c, kern/src/ns/sysfile.c), over the core's files and names."""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct
from typing import TYPE_CHECKING, Any

from fairlead.errors import GuestFault, GuestRefusal
from fairlead.services import flags as linux
from fairlead.services.description import PathDescription
from fairlead.services.directories import DirectoryDescription
from fairlead.services.linux import positioned, transfers
from fairlead.services.linux.calls import find_handler
from fairlead.services.linux.paths import install_opened
from fairlead.services.linux.structures import i32, u32
from fairlead.services.vfs import Directory
from fairlead.syscall import Pending, Result, Wake
from fairlead_akaros.abi import (
    F_DUPFD,
    F_GETFD,
    F_GETFL,
    F_SETFD,
    F_SETFL,
    F_SYNC,
    O_ACCMODE,
    O_CLOEXEC,
    O_CREATE,
    O_EXCL,
    O_NOFOLLOW,
    O_PATH,
    O_READ,
    O_SYNC,
    O_WRITE,
    ULIM,
    UWLIM,
    Errno,
    Sys,
)
from fairlead_akaros.kernel.errors import REFUSALS
from fairlead_akaros.kernel.paths import path_in
from fairlead_akaros.kernel.words import descriptor_words, path_words
from fairlead_akaros.layouts import KDIRENT

if TYPE_CHECKING:
    from fairlead_akaros.kernel.kernel import Kernel

__all__ = ["HANDLERS"]

_SAME = (
    O_CREATE | O_EXCL | linux.O_TRUNC | linux.O_APPEND | linux.O_NONBLOCK | linux.O_DIRECTORY
    | O_NOFOLLOW | O_CLOEXEC | linux.O_NOCTTY | linux.O_NOATIME | linux.O_DIRECT
)  # fmt: skip
"""Flags with the same number as Linux'."""
_ACCESS = {0: linux.O_RDONLY, O_READ: linux.O_RDONLY, O_WRITE: linux.O_WRONLY, O_READ | O_WRITE: linux.O_RDWR}
_BACK = {linux.O_RDONLY: O_READ, linux.O_WRONLY: O_WRITE, linux.O_RDWR: O_READ | O_WRITE}
_KDIRENT = Struct("<QqHB256s5x")
assert _KDIRENT.size == KDIRENT.size
_READING: dict[int, str] = {Errno.EAGAIN: "queue empty"}
_WRITING: dict[int, str] = {
    Errno.EAGAIN: "queue full",
    Errno.EPIPE: "connection closed",
    Errno.EISDIR: "write to a directory",
}


def _linux_flags(flags: int) -> int:
    if flags & O_PATH:
        return linux.O_PATH | flags & (linux.O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
    access = _ACCESS.get(flags & (O_READ | O_WRITE), linux.O_RDONLY)
    return access | flags & _SAME | (linux.O_SYNC if flags & O_SYNC else 0)


# -- moving bytes ---------------------------------------------------------------------------------------


def _transfer(
    handler: Callable[..., int | Result | Pending], access: int, reasons: dict[int, str]
) -> Callable[..., int | Pending]:
    """read or write: the core's, with the kernel's words where it is refused."""
    limit = UWLIM if access == O_READ else ULIM

    def call(kernel: Kernel, fd: int, address: int, size: int) -> int | Pending:
        if address + size > limit:
            raise REFUSALS["buffer"](address, size)
        return _worded(kernel, fd, lambda: handler(kernel.process, fd, address, size), access, reasons)

    return call


_READ = _transfer(transfers.read, O_READ, _READING)


def read(kernel: Kernel, fd: int, address: int, size: int) -> int | Pending:
    """Bytes, or a directory's next entry as a struct kdirent."""
    try:
        return _READ(kernel, fd, address, size)
    except GuestRefusal as refusal:
        if refusal.errno != Errno.EISDIR:
            raise
    return _read_entry(kernel, fd, address, size)


def _read_entry(kernel: Kernel, fd: int, address: int, size: int) -> int:
    """rread of a directory: one entry a call, without `.` and `..`; 0 after the last."""
    if size < KDIRENT.size:
        raise REFUSALS["short directory read"](KDIRENT.size)
    description = kernel.process.files.description(u32(fd))
    assert isinstance(description, DirectoryDescription)
    if description.node.removed:
        return 0
    for cookie, name, ino, _kind in description.entries():
        if name not in (b".", b".."):
            kernel.memory.write(address, _KDIRENT.pack(ino, 0, len(name), 0, name))
            description.offset = cookie
            return KDIRENT.size
        description.offset = cookie
    return 0


def _worded(
    kernel: Kernel, fd: int, call: Callable[[], int | Result | Pending], access: int, reasons: dict[int, str]
) -> int | Pending:
    """What a call of the core's answers, now or later, its refusals in the kernel's words."""
    try:
        answer = call()
    except GuestRefusal as refusal:
        raise descriptor_words(kernel, refusal.errno, u32(fd), access, reasons) from None
    except OSError as error:
        raise GuestRefusal(error.errno or Errno.EIO) from None
    if isinstance(answer, Result):
        if answer.errno:
            raise descriptor_words(kernel, answer.errno, u32(fd), access, reasons)
        return answer.value
    if isinstance(answer, int):
        return answer
    pending = answer

    def resume(wake: Wake) -> Result | Pending:
        try:
            later = _worded(kernel, fd, lambda: pending.resume(wake), access, reasons)
        except GuestRefusal as refusal:
            return Result(errno=refusal.errno, errstr=refusal.errstr)
        except GuestFault:
            return Result(errno=Errno.EFAULT)
        return Result(later) if isinstance(later, int) else later

    return Pending(pending.queues, resume, pending.deadline, external=pending.external)


def llseek(kernel: Kernel, fd: int, high: int, low: int, result: int, whence: int) -> int:
    offset = (high << 32 | low & 0xFFFF_FFFF) & (1 << 64) - 1
    if u32(whence) > linux.SEEK_END:
        raise REFUSALS["whence"]()
    reasons: dict[int, str] = {Errno.EINVAL: "seek before the start"}
    opened = kernel.process.files.table
    if (offset or whence) and u32(fd) in opened and isinstance(opened.get(u32(fd)), DirectoryDescription):
        raise REFUSALS["seek in a directory"]()
    where = _worded(kernel, fd, lambda: positioned.lseek(kernel.process, fd, offset, whence), 0, reasons)
    assert isinstance(where, int)
    kernel.memory.write_u64(result, where)
    return 0


# -- opening and closing --------------------------------------------------------------------------------

_OPENING: dict[int, str] = {
    Errno.EISDIR: "directory for writing",
    Errno.EEXIST: "file exists",
}


def openat(kernel: Kernel, fromfd: int, address: int, length: int, flags: int, mode: int) -> int | Pending:
    flags = u32(flags)
    if flags & O_PATH and flags & O_ACCMODE:
        raise REFUSALS["path with access"](flags)
    if flags & O_EXCL and not flags & O_CREATE:
        raise REFUSALS["exclusive without create"]()
    path = path_in(kernel, address, length)
    files = kernel.process.files
    base = files.names.root
    if not path.startswith(b"/"):
        base = files.cwd
        if i32(fromfd) != linux.AT_FDCWD:
            try:
                start = files.table.get(i32(fromfd))
            except GuestRefusal:
                raise REFUSALS["no descriptor"]() from None
            if not isinstance(start, PathDescription):
                raise REFUSALS["relative to no path"]()
            base = files.base(i32(fromfd))
    try:
        description = files.names.open(base, path, _linux_flags(flags), mode & 0o7777)
    except GuestRefusal as refusal:
        raise _open_words(kernel, refusal.errno, path, flags, base) from None
    except OSError as error:
        raise GuestRefusal(error.errno or Errno.EIO) from None
    return install_opened(kernel.process, description, cloexec=bool(flags & O_CLOEXEC))


def _open_words(kernel: Kernel, errno: int, path: bytes, flags: int, base: Directory) -> GuestRefusal:
    if errno == Errno.EACCES:
        worded = path_words(kernel, errno, path, {}, base)
        if worded.errstr:
            return worded
        if flags & O_CREATE:
            return REFUSALS["no permission to create"]()
        return REFUSALS["no permission"]("nanwan", 0, flags & O_ACCMODE)
    if errno == Errno.ELOOP and flags & O_NOFOLLOW:
        return REFUSALS["no-follow of a link"]()
    return path_words(kernel, errno, path, _OPENING, base)


def close(kernel: Kernel, fd: int) -> int:
    kernel.taps.remove(u32(fd))
    try:
        kernel.process.files.table.close(u32(fd))
    except GuestRefusal:
        raise REFUSALS["flags of no descriptor"]() from None
    return 0


def _linux(name: str, kernel: Kernel, *arguments: int) -> int:
    """A call that the core serves at once, by its name on Linux."""
    handler = find_handler(name)
    assert handler is not None
    answer = handler(kernel.process, *arguments)
    return answer if isinstance(answer, int) else 0


def fcntl(kernel: Kernel, fd: int, command: int, arg: int) -> int:
    table = kernel.process.files.table
    command, fd = u32(command), u32(fd)
    try:
        if command == F_DUPFD:
            return table.duplicate(fd, lowest=i32(arg))
        if command == F_GETFD:
            return int(table.cloexec(fd))
        if command == F_SETFD:
            if arg & ~1:
                raise REFUSALS["descriptor flags"](arg, 1)
            table.set_cloexec(fd, bool(arg & 1))
            return 0
        description = table.get(fd)
    except GuestRefusal as refusal:
        if refusal.errno == Errno.EBADF:
            known = command in (F_GETFD, F_SETFD)
            raise REFUSALS["flags of no descriptor" if known else "no descriptor"]() from None
        raise
    if command == F_SYNC:
        return _linux("fsync", kernel, fd)
    if command == F_GETFL:
        flags = description.flags
        path = O_PATH if flags & linux.O_PATH else _BACK[flags & linux.O_ACCMODE]
        return path | flags & _SAME & ~O_CLOEXEC | (O_SYNC if flags & linux.O_SYNC == linux.O_SYNC else 0)
    if command == F_SETFL:
        return _linux("fcntl", kernel, fd, F_SETFL, _linux_flags(arg))
    raise REFUSALS["fcntl command"](command)


HANDLERS: dict[int, Callable[..., Any]] = {
    Sys.read: read,
    Sys.write: _transfer(transfers.write, O_WRITE, _WRITING),
    Sys.openat: openat,
    Sys.close: close,
    Sys.fcntl: fcntl,
    Sys.llseek: llseek,
}
