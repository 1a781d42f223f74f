"""The tree a guest finds: /tmp, /dev, /etc, /proc/self and a home (hier(7), as far as programs look)."""

from __future__ import annotations

import stat
from collections.abc import Callable, Mapping
from errno import ENOENT
from typing import TYPE_CHECKING

from fairlead.services.pipes import LARGEST
from fairlead.services.vfs import Directory, Node, path_of
from fairlead.services.vfs_devices import DEVICES, CharacterDevice, random_source
from fairlead.services.vfs_memory import MemoryDirectory, MemoryFile, MemoryFileSystem, MemoryLink
from fairlead.services.vfs_proc import DescriptorDirectory, JumpLink, StaticFile

if TYPE_CHECKING:
    from fairlead.services.filetable import FileTable
    from fairlead.services.resolve import User

__all__ = ["add_proc", "add_program", "directory_at", "standard_tree"]

_LINKS = {b"fd": b"/proc/self/fd", b"stdin": b"fd/0", b"stdout": b"fd/1", b"stderr": b"fd/2"}


def standard_tree(fs: MemoryFileSystem, user: User, seed: int, environment: Mapping[str, str]) -> None:
    """Fill an empty file system; HOME and TMPDIR of the environment are made, and are the user's."""
    root = fs.root
    devices = directory_at(root, b"/dev")
    for name, (major, minor, fill, sink) in DEVICES.items():
        devices.add(name, CharacterDevice(fs, major, minor, fill, sink=sink))
    chance = random_source(seed)
    devices.add(b"random", CharacterDevice(fs, 1, 8, chance))
    devices.add(b"urandom", CharacterDevice(fs, 1, 9, chance))
    for name, target in _LINKS.items():
        devices.add(name, MemoryLink(fs, target, 0, 0))
    for path in (b"/tmp", b"/var/tmp", b"/dev/shm"):
        directory_at(root, path).mode = stat.S_IFDIR | 0o1777
    home = environment.get("HOME", "")
    home_path = home.encode("utf-8", "surrogateescape") if _is_plain(home) else b"/home/user"
    own = [home_path]
    if _is_plain(environment.get("TMPDIR", "")):
        own.append(environment["TMPDIR"].encode("utf-8", "surrogateescape"))
    for path in own:
        directory = directory_at(root, path)
        if directory is not root and directory.mode & 0o1777 != 0o1777:
            directory.uid, directory.gid = user.uid, user.gid
    directory_at(root, b"/usr/bin")
    etc = directory_at(root, b"/etc")
    people = b"root:x:0:0:root:/root:/sbin/nologin\n"
    groups = b"root:x:0:\n"
    if user.uid:
        people += b"user:x:%d:%d::%s:/sbin/nologin\n" % (user.uid, user.gid, home_path)
        groups += b"user:x:%d:\n" % user.gid
    _text(etc, b"passwd", people)
    _text(etc, b"group", groups)
    _text(etc, b"hosts", b"127.0.0.1\tlocalhost\n::1\tlocalhost\n")
    _text(etc, b"nsswitch.conf", b"hosts: files\n")


def _is_plain(path: str) -> bool:
    """An absolute path without surprises, fit for a field of /etc/passwd."""
    return path.startswith("/") and not set(path) & {":", "\n", "\0"} and "/../" not in path + "/"


def _text(directory: MemoryDirectory, name: bytes, text: bytes) -> None:
    node = MemoryFile(directory.fs, 0o644, 0, 0)
    node.blocks.write((memoryview(text),), 0)
    directory.add(name, node)


def add_proc(
    fs: MemoryFileSystem,
    into: MemoryDirectory,
    table: FileTable,
    user: User,
    pid: int,
    program: bytes,
    cwd: Callable[[], Directory],
) -> MemoryDirectory:
    """Fill `fs` with /proc/PID and its link self, and mount it; the directory /proc/PID."""
    root = fs.root
    root.parent, root.name = into, b"proc"
    into.mounted[b"proc"] = root
    me = directory_at(root, b"%d" % pid)
    root.mode = me.mode = stat.S_IFDIR | 0o555
    root.add(b"self", MemoryLink(fs, b"%d" % pid, 0, 0))
    limits = directory_at(root, b"/sys/fs")
    limits.add(b"pipe-max-size", StaticFile(fs, b"%d\n" % LARGEST, 0o444))
    me.add(b"exe", MemoryLink(fs, program, user.uid, user.gid))
    me.add(b"cwd", JumpLink(fs, lambda: path_of(cwd()) or b"(unreachable)", cwd))
    me.add(b"root", MemoryLink(fs, b"/", user.uid, user.gid))
    me.add(b"fd", DescriptorDirectory(fs, table, user.uid, user.gid, me, b"fd", into.fs))
    fs.read_only = True
    return me


def add_program(fs: MemoryFileSystem, path: bytes, data: bytes) -> None:
    """Let the program's own file be found where argv[0] or /proc/self/exe says."""
    directory, _, name = path.rpartition(b"/")
    parent = directory_at(fs.root, directory)
    if parent.lookup(name) is None:
        parent.add(name, StaticFile(fs, data, 0o755))


def directory_at(root: MemoryDirectory, path: bytes) -> MemoryDirectory:
    """The directory at an absolute path, made with those above it where it is missing."""
    node = root
    for name in path.split(b"/"):
        if not name or name == b".":
            continue
        child: Node | None = node.lookup(name)
        if child is None:
            node.make_directory(name, 0o755, 0, 0)
            child = node.lookup(name)
        if not isinstance(child, MemoryDirectory):
            raise NotADirectoryError(ENOENT, "not a directory", path)
        node = child
    return node
