"""Host folders and files in the guest's tree (`--mount`)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fairlead.errors import GuestRefusal, UsageError
from fairlead.services.hostfolder import HostBudget, HostTree
from fairlead.services.vfs import Directory, Node, SymbolicLink
from fairlead.services.vfs_host import HostDirectory, HostFileSystem
from fairlead.services.vfs_memory import MemoryDirectory, MemoryFileSystem
from fairlead.services.vfs_overlay import OverlayFileSystem

if TYPE_CHECKING:
    from fairlead.port import Mount
    from fairlead.services.namespace import Namespace

__all__ = ["mount_all", "put"]


def mount_all(names: Namespace, mounts: Sequence[Mount], fs: MemoryFileSystem, dev: int) -> list[HostTree]:
    """Put every mount into the tree, outer ones first; device numbers count up from `dev`.

    The trees returned hold host descriptors and are the caller's to close.
    """
    trees: list[HostTree] = []
    budget = HostBudget()
    places = sorted((_parts(mount), number, mount) for number, mount in enumerate(mounts))
    taken: set[tuple[bytes, ...]] = set()
    try:
        for parts, number, mount in places:
            if parts in taken:
                raise UsageError(f"mount {mount.host}: something is mounted at {mount.guest} already")
            taken.add(parts)
            trees.append(_mount(names, parts, mount, fs, dev + number, budget))
    except BaseException:
        for tree in trees:
            tree.close()
        raise
    return trees


def _parts(mount: Mount) -> tuple[bytes, ...]:
    """The guest path's components."""
    parts = tuple(part for part in os.fsencode(mount.guest).split(b"/") if part and part != b".")
    if not mount.guest.startswith("/") or b".." in parts or "\0" in mount.guest or not parts:
        raise UsageError(
            f"mount {mount.host}: {mount.guest!r} is no place in the guest", hint="give a path below /"
        )
    return parts


def _mount(
    names: Namespace,
    parts: tuple[bytes, ...],
    mount: Mount,
    fs: MemoryFileSystem,
    dev: int,
    budget: HostBudget,
) -> HostTree:
    directory = _parent(names.root, parts[:-1], mount, fs)
    name = parts[-1]
    try:
        host = Path(os.path.realpath(mount.host, strict=True))
        folder = host if host.is_dir() else host.parent
        if not host.is_dir() and not host.is_file():
            raise UsageError(f"mount {mount.host}: neither a folder nor a regular file")
        system: HostFileSystem | OverlayFileSystem
        if mount.overlay:
            system = OverlayFileSystem(dev, fs.realtime, fs.quota, fs.new_pipe, folder, names.user, budget)
        else:
            system = HostFileSystem(
                dev, fs.realtime, folder, names.user, budget, read_only=not mount.writable
            )
    except OSError as error:
        raise UsageError(f"mount {mount.host}: {error.strerror}") from None
    except GuestRefusal:
        raise UsageError(f"mount {mount.host}: a file system of the kernel's own") from None
    root: Directory = system.root_directory(directory, name)
    node: Node | None = root
    if host is not folder:
        node = root.lookup(os.fsencode(host.name))
    if node is None:
        system.tree.close()
        raise UsageError(f"mount {mount.host}: it is gone")
    put(directory, name, node)
    return system.tree


def put(directory: Directory, name: bytes, node: Node) -> None:
    """Let a node stand in a directory under a name, whatever is there."""
    directory.mounted[name] = node
    if isinstance(directory, HostDirectory):
        directory.fs.pinned.append(directory)


def _parent(root: Directory, parts: tuple[bytes, ...], mount: Mount, fs: MemoryFileSystem) -> Directory:
    """The directory to mount in; what is missing on the way is made in memory."""
    node = root
    for name in parts:
        child = node.mounted.get(name) or node.lookup(name)
        if isinstance(child, SymbolicLink):
            raise UsageError(
                f"mount {mount.host}: {mount.guest} goes through a symbolic link",
                hint="name the folder it leads to",
            )
        if child is None:
            child = MemoryDirectory(fs, 0o755, 0, 0, node, name)
            if isinstance(node, MemoryDirectory) and node.fs is fs:
                node.add(name, child)
                node.nlink += 1
            else:
                put(node, name, child)
        if not isinstance(child, Directory):
            raise UsageError(f"mount {mount.host}: {mount.guest} goes through a file")
        node = child
    return node
