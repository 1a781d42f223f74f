"""Path resolution (path_resolution(7)): every component is looked up here, never by the host."""

from __future__ import annotations

from dataclasses import dataclass
from errno import EACCES, EINVAL, EISDIR, ELOOP, ENAMETOOLONG, ENOENT, ENOTDIR, EXDEV
from typing import NamedTuple

from fairlead.errors import GuestRefusal
from fairlead.services.flags import MAX_LINKS, NAME_MAX, PATH_MAX
from fairlead.services.vfs import Directory, Node, SymbolicLink

__all__ = [
    "EXEC",
    "READ",
    "RESOLVE_BENEATH",
    "RESOLVE_CACHED",
    "RESOLVE_IN_ROOT",
    "RESOLVE_NO_MAGICLINKS",
    "RESOLVE_NO_SYMLINKS",
    "RESOLVE_NO_XDEV",
    "WRITE",
    "Found",
    "User",
    "look_up",
    "resolve",
]

# uapi/linux/openat2.h
RESOLVE_NO_XDEV = 0x01
RESOLVE_NO_MAGICLINKS = 0x02
RESOLVE_NO_SYMLINKS = 0x04
RESOLVE_BENEATH = 0x08
RESOLVE_IN_ROOT = 0x10
RESOLVE_CACHED = 0x20

READ = 4
WRITE = 2
EXEC = 1


class User(NamedTuple):
    """Who the guest is; uid 0 may do everything."""

    uid: int
    gid: int

    def may(self, node: Node, want: int) -> bool:
        """Do the permission bits let this user READ, WRITE, EXEC (or any sum of them)?"""
        if self.uid == 0:
            return not want & EXEC or isinstance(node, Directory) or bool(node.mode & 0o111)
        if node.uid == self.uid:
            granted = node.mode >> 6
        elif node.gid == self.gid:
            granted = node.mode >> 3
        else:
            granted = node.mode
        return not want & ~granted

    def owns(self, node: Node) -> bool:
        return self.uid in (0, node.uid)


@dataclass(slots=True)
class Found:
    """Where a path leads: the entry `name` of `parent`, and its node if there is one.

    `name` is empty where the path ends in `.`, `..` or `/` alone, or went through a magic link.
    """

    parent: Directory
    name: bytes
    node: Node | None
    slash: bool
    """The path ends in a slash: a directory is asked for."""


def resolve(
    user: User,
    root: Directory,
    base: Directory,
    path: bytes,
    *,
    follow: bool = True,
    entry: bool = False,
    create: bool = False,
    restrict: int = 0,
) -> Found:
    """Walk a path from `base`; `follow` says whether a symbolic link at the end is followed.

    With `entry` the last component is an entry to be made or removed: it is not looked up, its node is None.
    With `create` it is a file to be made if it is missing, so it cannot end in a slash.
    `restrict` has RESOLVE_* bits of openat2(2).
    """
    if not path:
        raise GuestRefusal(ENOENT)
    if 0 in path:
        raise GuestRefusal(EINVAL)
    if len(path) >= PATH_MAX:
        raise GuestRefusal(ENAMETOOLONG)
    if restrict & RESOLVE_IN_ROOT:
        root = base
    node = base
    if path[0] == 0x2F:
        if restrict & RESOLVE_BENEATH:
            raise GuestRefusal(EXDEV)
        node = root
    floor = base if restrict & (RESOLVE_BENEATH | RESOLVE_IN_ROOT) else root
    rest, slash, dot = _components(path)
    links = 0
    fs = node.fs
    while rest:
        name = rest.pop()
        if not user.may(node, EXEC):
            raise GuestRefusal(EACCES)
        if name == b"..":
            if node is floor:
                if restrict & RESOLVE_BENEATH:
                    raise GuestRefusal(EXDEV)
            else:
                node = node.parent
            if restrict & RESOLVE_NO_XDEV and node.fs is not fs:
                raise GuestRefusal(EXDEV)
            continue
        if entry and not rest and not dot:
            return Found(node, name, None, slash)
        if create and slash and not rest and not dot:
            raise GuestRefusal(EISDIR)
        child = look_up(node, name)
        if child is None:
            if rest or dot:
                raise GuestRefusal(ENOENT)
            return Found(node, name, None, slash)
        if restrict & RESOLVE_NO_XDEV and child.fs is not fs:
            raise GuestRefusal(EXDEV)
        if isinstance(child, SymbolicLink) and (rest or dot or follow or slash):
            links += 1
            if links > MAX_LINKS or restrict & RESOLVE_NO_SYMLINKS:
                raise GuestRefusal(ELOOP)
            target = child.jump()
            if target is not None:
                if restrict & RESOLVE_NO_MAGICLINKS:
                    raise GuestRefusal(ELOOP)
                if restrict & (RESOLVE_BENEATH | RESOLVE_IN_ROOT):
                    raise GuestRefusal(EXDEV)
                if not rest:
                    return _ended(node, b"", target, slash, slash or dot)
                child = target
            else:
                text = child.target()
                if not text:
                    raise GuestRefusal(ENOENT)
                names, text_slash, text_dot = _components(text)
                if not rest:
                    slash, dot = slash or text_slash, dot or text_dot
                if text[0] == 0x2F:
                    if restrict & RESOLVE_BENEATH:
                        raise GuestRefusal(EXDEV)
                    node = root
                    if restrict & RESOLVE_NO_XDEV and node.fs is not fs:
                        raise GuestRefusal(EXDEV)
                rest += names
                continue
        if not rest:
            return _ended(node, b"" if dot else name, child, slash, dot or slash)
        if not isinstance(child, Directory):
            raise GuestRefusal(ENOTDIR)
        node = child
    return Found(node.parent, b"", node, True)


def look_up(directory: Directory, name: bytes) -> Node | None:
    """An entry of a directory; what is mounted hides what is there."""
    if len(name) > NAME_MAX:
        raise GuestRefusal(ENAMETOOLONG)
    if directory.mounted and name in directory.mounted:
        return directory.mounted[name]
    return directory.lookup(name)


def _components(path: bytes) -> tuple[list[bytes], bool, bool]:
    """The names of a path, last first, without `.`; does it end in a slash, and is its last name `.`?"""
    names = [name for name in path.split(b"/") if name]
    names.reverse()
    dot = bool(names) and names[0] == b"."
    return [name for name in names if name != b"."], path.endswith(b"/"), dot


def _ended(parent: Directory, name: bytes, node: Node, slash: bool, directory: bool) -> Found:
    if directory and not isinstance(node, Directory):
        raise GuestRefusal(ENOTDIR)
    return Found(parent, name, node, slash)
