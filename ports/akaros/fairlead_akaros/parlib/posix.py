"""Words for calls that parlib serves by Linux' numbers: what the kernel would have said.

Akaros' C library makes such calls of the kernel's own, whose errno and errstr come through. Where the kernel
has no words for an errno, the number stands alone here too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fairlead.errors import GuestFault, GuestRefusal
from fairlead.services.flags import AT_FDCWD
from fairlead.services.linux.structures import i32, u32
from fairlead_akaros.abi import MAX_ERRSTR_LEN, O_CREATE, O_NOFOLLOW, O_READ, O_WRITE, Errno
from fairlead_akaros.kernel.convention import FRAME
from fairlead_akaros.kernel.errors import REFUSALS
from fairlead_akaros.kernel.words import descriptor_words, path_words

if TYPE_CHECKING:
    from fairlead.services.vfs import Directory
    from fairlead_akaros.kernel.kernel import Kernel

__all__ = ["tell", "words"]

_WHY = FRAME.size + 8
"""Where in a frame the address of the room for words is, behind the answer."""
_PATH_MAX = 4096

_CREATING: Mapping[int, str] = {Errno.EACCES: "no permission to create"}
_REMOVING: Mapping[int, str] = {
    Errno.ENOTEMPTY: "directory not empty",
    Errno.EACCES: "no permission to remove",
}
_RENAMING: Mapping[int, str] = {
    Errno.EACCES: "no permission to take from",
    Errno.EISDIR: "file onto a directory",
    Errno.ENOTDIR: "directory onto a file",
    Errno.EINVAL: "directory into itself",
    Errno.EXDEV: "rename across devices",
}
_OPENING: Mapping[int, str] = {Errno.EISDIR: "directory for writing", Errno.EEXIST: "file exists"}
_ATTRIBUTES: Mapping[int, str] = {Errno.EPERM: "mode of another's"}
_WRITING: Mapping[int, str] = {Errno.EPIPE: "connection closed", Errno.EISDIR: "write to a directory"}


@dataclass(frozen=True, slots=True)
class _Paths:
    """Where a call has its paths: pairs of a descriptor's argument (None: there is none) and a path's."""

    pairs: tuple[tuple[int | None, int], ...]
    reasons: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Descriptor:
    """A call on the descriptor that is its first argument, and the access that it needs."""

    access: int = 0
    reasons: Mapping[int, str] = field(default_factory=dict)


_AT = ((0, 1),)
_HERE = ((None, 0),)
_CALLS: Mapping[str, _Paths | _Descriptor] = {
    **dict.fromkeys(
        ("newfstatat", "statx", "faccessat", "faccessat2", "readlinkat", "fchownat"), _Paths(_AT)
    ),
    **dict.fromkeys(("statfs", "chroot", "getxattr", "listxattr"), _Paths(_HERE)),
    **dict.fromkeys(("mkdirat", "mknodat"), _Paths(_AT, _CREATING)),
    **dict.fromkeys(("openat", "openat2"), _Paths(_AT, _OPENING)),
    **dict.fromkeys(("fchmodat", "fchmodat2", "utimensat"), _Paths(_AT, _ATTRIBUTES)),
    **dict.fromkeys(("renameat", "renameat2"), _Paths(((0, 1), (2, 3)), _RENAMING)),
    "unlinkat": _Paths(_AT, _REMOVING),
    "linkat": _Paths(((0, 1), (2, 3)), _CREATING),
    "symlinkat": _Paths(((1, 2),), _CREATING),
    "truncate": _Paths(_HERE),
    **dict.fromkeys(("pread64", "preadv", "readv"), _Descriptor(O_READ)),
    **dict.fromkeys(("pwrite64", "pwritev", "writev"), _Descriptor(O_WRITE, _WRITING)),
    **dict.fromkeys(
        ("dup", "dup2", "dup3", "epoll_ctl", "epoll_pwait", "fallocate", "fchmod", "fchown", "fstatfs"),
        _Descriptor(),
    ),
    **dict.fromkeys(("fcntl", "flock", "ftruncate", "getdents64"), _Descriptor()),
}


def words(kernel: Kernel, name: str, arguments: Sequence[int], errno: int) -> str:
    """Why a call was refused with an errno, "" where the kernel would not say."""
    shape = _CALLS.get(name)
    if shape is None:
        return ""
    if isinstance(shape, _Descriptor):
        return _said(
            errno, descriptor_words(kernel, errno, u32(arguments[0]), shape.access, dict(shape.reasons))
        )
    reasons = dict(shape.reasons)
    for descriptor, path in shape.pairs:
        try:
            where = kernel.memory.read_cstring(arguments[path], _PATH_MAX)
        except (GuestFault, GuestRefusal):
            return ""
        absolute = descriptor is None or where.startswith(b"/")
        base = _base(kernel, AT_FDCWD if absolute else i32(arguments[descriptor or 0]))
        if base is None:
            return REFUSALS["no descriptor"]().errstr if errno == Errno.EBADF else ""
        if name == "openat" and errno in (Errno.EACCES, Errno.ELOOP):
            reasons |= _open_reasons(errno, u32(arguments[2]))
        said = _said(errno, path_words(kernel, errno, where, reasons, base))
        if said:
            return said
        if name == "readlinkat" and errno == Errno.EINVAL:
            return REFUSALS["not a link"](where.decode("utf-8", "replace")).errstr
    return ""


def _said(errno: int, refusal: GuestRefusal) -> str:
    """The words of a refusal that is for the same errno."""
    return refusal.errstr if refusal.errno == errno else ""


def _open_reasons(errno: int, flags: int) -> dict[int, str]:
    if errno == Errno.EACCES:
        return {errno: "no permission to create"} if flags & O_CREATE else {}
    return {errno: "no-follow of a link"} if flags & O_NOFOLLOW else {}


def _base(kernel: Kernel, dirfd: int) -> Directory | None:
    """Where a relative path starts; None if the descriptor is none, or none of a directory."""
    files = kernel.process.files
    try:
        return files.base(dirfd)
    except GuestRefusal:
        return None


def tell(kernel: Kernel, frame: int, said: str) -> None:
    """Put words where a frame wants them, if it does."""
    memory = kernel.memory
    try:
        room = memory.read_u64(frame + _WHY)
        if room:
            memory.write(room, said.encode("utf-8", "replace")[: MAX_ERRSTR_LEN - 1] + b"\0")
    except GuestFault:
        pass
