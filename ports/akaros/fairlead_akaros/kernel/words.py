"""Which of the kernel's words belong to a call about files that the core's services refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairlead.errors import GuestRefusal
from fairlead.services.resolve import resolve
from fairlead.services.vfs import Directory, Node, SymbolicLink
from fairlead_akaros.abi import Errno
from fairlead_akaros.kernel.errors import REFUSALS

if TYPE_CHECKING:
    from fairlead_akaros.kernel.kernel import Kernel

__all__ = ["descriptor_words", "path_words"]


def path_words(
    kernel: Kernel, errno: int, path: bytes, reasons: dict[int, str], base: Directory | None = None
) -> GuestRefusal:
    """The refusal for a call that failed on a path; `reasons` are the call's own, by errno."""
    base = kernel.process.files.cwd if base is None else base
    if not path:
        return REFUSALS["empty name"]()
    if errno in (Errno.ENOENT, Errno.ENOTDIR, Errno.EACCES):
        walked = _walk_words(kernel, errno, path, base)
        if walked is not None:
            return walked
    reason = reasons.get(errno) or _COMMON.get(errno)
    return GuestRefusal(errno) if reason is None else REFUSALS[reason]()


_COMMON: dict[int, str] = {
    Errno.EEXIST: "file exists",
    Errno.ELOOP: "too many links",
    Errno.ENAMETOOLONG: "name too long",
}


def _walk_words(kernel: Kernel, errno: int, path: bytes, base: Directory) -> GuestRefusal | None:
    """Why the walk along a path stopped: the kernel walks from one mount point to the next in one go, and its
    words depend on whether a go got anywhere."""
    names = kernel.process.files.names
    parts = [part for part in path.split(b"/") if part and part != b"."]
    node: Node = names.root if path.startswith(b"/") else base
    walked = 0
    for part in parts:
        if not isinstance(node, Directory):
            return REFUSALS["not a directory on the way" if walked else "walk from a file"]()
        try:
            found = resolve(names.user, names.root, node, part).node
        except GuestRefusal as refusal:
            if refusal.errno == Errno.EACCES:
                return REFUSALS["no permission to look"]()
            return None
        if found is None and errno != Errno.ENOENT:
            return None  # the walk was not why
        if found is None:
            return REFUSALS["no file on the way" if walked else "no file"]()
        walked = 0 if found.fs is not node.fs or isinstance(found, SymbolicLink) else walked + 1
        node = found
    if errno == Errno.ENOTDIR and path.endswith(b"/"):
        return REFUSALS["directory due"]()
    return None


def descriptor_words(
    kernel: Kernel, errno: int, fd: int, wanted: int, reasons: dict[int, str]
) -> GuestRefusal:
    """The refusal for a call that failed on a descriptor; `wanted` is the access it needs."""
    if errno == Errno.EBADF:
        table = kernel.process.files.table
        if fd in table and wanted:
            description = table.get(fd)
            mode = int(description.readable) | int(description.writable) << 1
            return REFUSALS["descriptor for other access"](mode, wanted)
        return REFUSALS["no descriptor"]()
    reason = reasons.get(errno)
    return GuestRefusal(errno) if reason is None else REFUSALS[reason]()
