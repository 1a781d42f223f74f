"""System calls that put one tree of names onto another: nbind, nmount and back (kern/src/ns/chan.c)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from fairlead.errors import GuestRefusal
from fairlead.services.linux.structures import u32
from fairlead.services.mounts import put
from fairlead.services.resolve import resolve
from fairlead.services.vfs import Directory, Node, SymbolicLink, path_of
from fairlead_akaros.abi import ULIM, Errno, Sys
from fairlead_akaros.kernel.errors import REFUSALS
from fairlead_akaros.kernel.paths import path_in
from fairlead_akaros.kernel.words import path_words

if TYPE_CHECKING:
    from fairlead_akaros.kernel.kernel import Kernel

__all__ = ["HANDLERS"]

_MREPL = 0
"""The only order of a union that there is: the one on top hides what is below (ros/fs.h, MREPL)."""
_MOST = 64
"""Binds that a process may have."""


def _place(kernel: Kernel, path: bytes) -> tuple[Directory, bytes, Node]:
    """The entry that a path leads to: the directory it is in, its name, what is there."""
    files = kernel.process.files
    try:
        found = resolve(files.names.user, files.names.root, files.cwd, path, follow=False)
    except GuestRefusal as refusal:
        raise path_words(kernel, refusal.errno, path, {}) from None
    if found.node is None:
        raise path_words(kernel, Errno.ENOENT, path, {})
    if not found.name:
        raise REFUSALS["bind of another kind"]()
    return found.parent, found.name, found.node


def _bind(kernel: Kernel, source: Node, onto: bytes, flag: int) -> int:
    parent, name, there = _place(kernel, onto)
    if isinstance(source, SymbolicLink) or isinstance(there, SymbolicLink):
        raise REFUSALS["bind of a link"]()
    if flag != _MREPL or isinstance(source, Directory) != isinstance(there, Directory):
        raise REFUSALS["bind of another kind"]()
    below = parent.mounted.get(name)
    if len(kernel.binds) >= _MOST or (below is not None and (parent, name) not in kernel.binds):
        raise GuestRefusal(Errno.EBUSY)
    put(parent, name, source)
    kernel.binds[parent, name] = source
    return 1


def nbind(
    kernel: Kernel, source_at: int, source_length: int, onto_at: int, onto_length: int, flag: int
) -> int:
    """The number of the mount, as the kernel counts them: always 1 here."""
    source, onto = path_in(kernel, source_at, source_length), path_in(kernel, onto_at, onto_length)
    files = kernel.process.files
    try:
        node = files.names.find(files.cwd, source)
    except GuestRefusal as refusal:
        raise path_words(kernel, refusal.errno, source, {}) from None
    return _bind(kernel, node, onto, u32(flag))


def nmount(kernel: Kernel, fd: int, onto_at: int, onto_length: int, flag: int) -> int:
    """What a descriptor leads to, onto a path. Servers of 9P are not spoken to: it must be a directory."""
    onto = path_in(kernel, onto_at, onto_length)
    try:
        node = kernel.process.files.table.get(u32(fd)).node
    except GuestRefusal:
        raise REFUSALS["no descriptor"]() from None
    if not isinstance(node, Directory):
        raise REFUSALS["bind of another kind"]()
    return _bind(kernel, node, onto, u32(flag))


def nunmount(kernel: Kernel, source_at: int, source_length: int, onto_at: int, onto_length: int) -> int:
    parent, name, there = _place(kernel, path_in(kernel, onto_at, onto_length))
    source = path_in(kernel, source_at, source_length) if source_at else b""
    files = kernel.process.files
    if (parent, name) not in kernel.binds:
        raise REFUSALS["nothing mounted"]()
    if source and files.names.find(files.cwd, source) is not there:
        raise REFUSALS["nothing mounted"]()
    del kernel.binds[parent, name]
    del parent.mounted[name]
    return 0


def fd2path(kernel: Kernel, fd: int, buffer: int, size: int) -> int:
    if buffer + size > ULIM:
        raise REFUSALS["buffer"](buffer, size)
    try:
        description = kernel.process.files.table.get(u32(fd))
    except GuestRefusal:
        raise REFUSALS["no descriptor"]() from None
    path: bytes | None = None
    if isinstance(description.node, Directory):
        path = path_of(description.node)
    elif description.place is not None:
        parent, name = description.place
        folder = path_of(parent)
        path = None if folder is None else folder.rstrip(b"/") + b"/" + name
    if path is None:
        raise GuestRefusal(Errno.ENOENT)
    if len(path) >= size:
        raise REFUSALS["room for a path"](0)
    kernel.memory.write(buffer, path + b"\0")
    return 0


HANDLERS: dict[int, Callable[..., Any]] = {
    Sys.nbind: nbind,
    Sys.nmount: nmount,
    Sys.nunmount: nunmount,
    Sys.fd2path: fd2path,
}
