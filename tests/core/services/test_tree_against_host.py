"""The guest's tree against the host kernel's: the same calls, the same answers, the same tree in the end.

One machine of random calls, three file systems: in memory, a host folder mounted read-write, and one under an
overlay (whose host side must stay as it was).
"""

# ruff: noqa: PTH115
from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Callable
from errno import errorcode
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from fairlead.errors import GuestRefusal
from fairlead.port import Mount
from fairlead.scheduler import Scheduler
from fairlead.services.flags import AT_REMOVEDIR
from fairlead.services.linux.files import Files
from fairlead.services.resolve import User
from fairlead.services.vfs_tree import directory_at

names = st.sampled_from(["a", "b", "c"])
parts = st.sampled_from([*"abcabcabcabc", ".", "..", "..", "", "x" * 256])
paths = st.builds(
    lambda middle, last, slash: "/".join([*middle, last]) + slash,
    st.lists(parts, max_size=2),
    parts,
    st.sampled_from(["", "", "", "/"]),
).filter(lambda path: path == "" or not path.startswith("/"))
targets = st.one_of(paths.filter(bool), names.map(lambda name: name + "/"), st.just("../a/b"))
flags = st.lists(
    st.sampled_from([os.O_CREAT, os.O_EXCL, os.O_TRUNC, os.O_DIRECTORY, os.O_NOFOLLOW, os.O_APPEND]),
    unique=True,
)
access = st.sampled_from([os.O_RDONLY, os.O_WRONLY, os.O_RDWR])

# Deep enough that no chain of links gets out at the top, where the two sides differ.
DEEP = "/".join("d" * 16)


def answer(action: Callable[[], Any]) -> Any:
    """A call's value, or the name of its error."""
    try:
        return action()
    except (GuestRefusal, OSError) as error:
        return errorcode[error.errno or 0]


class AgainstHost(RuleBasedStateMachine):
    mount: str | None = None

    @initialize()
    def start(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        top = Path(self.folder.name)
        self.host = top / "host"
        (self.host / DEEP).mkdir(parents=True)
        self.shadow = top / "shadow"
        (self.shadow / DEEP).mkdir(parents=True)
        mounts = []
        if self.mount == "overlay":
            for each in (self.host / DEEP, self.shadow / DEEP):
                (each / "a").mkdir()
                (each / "a" / "b").write_bytes(b"below")
                (each / "c").write_bytes(b"below too")
        self.before = describe(self.shadow)
        if self.mount:
            mounts = [Mount(self.shadow, "/top", writable=True, overlay=self.mount == "overlay")]
        wire: Any = _wire()
        self.guest = Files(wire, mounts=mounts, streams=(None, None, None), user=User(0, 0))
        base = directory_at(self.guest.fs.root, b"/top/" + DEEP.encode()) if not self.mount else None
        self.guest.cwd = base or self.guest.names.find(self.guest.cwd, b"/top/" + DEEP.encode())
        self.root = os.open(self.host / DEEP, os.O_RDONLY)

    def teardown(self) -> None:
        if hasattr(self, "guest"):
            try:
                self.same_tree()
            finally:
                self.guest.close()
                os.close(self.root)
                self.folder.cleanup()

    def same(self, host: Callable[[], Any], guest: Callable[[], Any]) -> None:
        old = os.umask(0o022)
        try:
            expected = answer(host)
        finally:
            os.umask(old)
        found = answer(guest)
        assert found == expected, f"{found} where the host says {expected}"

    @rule(path=paths)
    def mkdir(self, path: str) -> None:
        self.same(
            lambda: os.mkdir(path, 0o777, dir_fd=self.root),
            lambda: self.guest.names.make_directory(self.guest.cwd, path.encode(), 0o777),
        )

    @rule(text=targets, path=paths)
    def symlink(self, text: str, path: str) -> None:
        self.same(
            lambda: os.symlink(text, path, dir_fd=self.root),
            lambda: self.guest.names.make_link(text.encode(), self.guest.cwd, path.encode()),
        )

    @rule(old=paths, new=paths)
    def link(self, old: str, new: str) -> None:
        def guest() -> None:
            names = self.guest.names
            node = names.find(self.guest.cwd, old.encode(), follow=False)
            names.link(node, self.guest.cwd, new.encode())

        self.same(
            lambda: os.link(old, new, src_dir_fd=self.root, dst_dir_fd=self.root, follow_symlinks=False),
            guest,
        )

    @rule(old=paths, new=paths)
    def rename(self, old: str, new: str) -> None:
        def guest() -> None:
            self.guest.names.rename(self.guest.cwd, old.encode(), self.guest.cwd, new.encode())

        self.same(lambda: os.rename(old, new, src_dir_fd=self.root, dst_dir_fd=self.root), guest)

    @rule(path=paths)
    def unlink(self, path: str) -> None:
        self.same(
            lambda: os.unlink(path, dir_fd=self.root),
            lambda: self.guest.names.remove(self.guest.cwd, path.encode(), 0),
        )

    @rule(path=paths)
    def rmdir(self, path: str) -> None:
        self.same(
            lambda: os.rmdir(path, dir_fd=self.root),
            lambda: self.guest.names.remove(self.guest.cwd, path.encode(), AT_REMOVEDIR),
        )

    @rule(path=paths, how=flags, mode=access, data=st.binary(max_size=5))
    def write(self, path: str, how: list[int], mode: int, data: bytes) -> None:
        given = sum(how) | mode

        def host() -> Any:
            fd = os.open(path, given, 0o666, dir_fd=self.root)
            try:
                if mode != os.O_RDONLY:
                    os.write(fd, data)
                return os.fstat(fd).st_size if stat.S_ISREG(os.fstat(fd).st_mode) else None
            finally:
                os.close(fd)

        def guest() -> Any:
            description = self.guest.names.open(self.guest.cwd, path.encode(), given, 0o666)
            try:
                if mode != os.O_RDONLY:
                    description.write((memoryview(data),))
                found = description.stat()
                return found.size if stat.S_ISREG(found.mode) else None
            finally:
                description.release()

        self.same(host, guest)

    @rule(path=paths, size=st.integers(0, 9))
    def truncate(self, path: str, size: int) -> None:
        self.same(
            lambda: os.truncate(f"/proc/self/fd/{self.root}/{path}" if path else "", size),
            lambda: self.guest.names.truncate(self.guest.cwd, path.encode(), size),
        )

    @rule(path=paths, mode=st.sampled_from([0o600, 0o755, 0o1777]))
    def chmod(self, path: str, mode: int) -> None:
        def guest() -> None:
            names = self.guest.names
            names.set_mode(names.find(self.guest.cwd, path.encode()), mode)

        self.same(lambda: os.chmod(path, mode, dir_fd=self.root), guest)

    @rule(path=paths, follow=st.booleans())
    def look(self, path: str, follow: bool) -> None:
        def host() -> Any:
            found = os.stat(path, dir_fd=self.root, follow_symlinks=follow)
            return shown(found.st_mode, found.st_nlink, found.st_size)

        def guest() -> Any:
            found = self.guest.names.find(self.guest.cwd, path.encode(), follow=follow).stat()
            return shown(found.mode, found.nlink, found.size)

        self.same(host, guest)

    @rule(path=paths)
    def read_link(self, path: str) -> None:
        def guest() -> str:
            names = self.guest.names
            return names.read_link(names.find(self.guest.cwd, path.encode(), follow=False)).decode()

        self.same(lambda: os.readlink(path, dir_fd=self.root), guest)

    def same_tree(self) -> None:
        assert self.listing(b"/top") == describe(self.host)
        if self.mount == "overlay":
            assert describe(self.shadow) == self.before

    def listing(self, top: bytes) -> dict[str, Any]:
        found: dict[str, Any] = {}
        names = self.guest.names
        pending = [(top, "")]
        while pending:
            path, shown_as = pending.pop()
            description = names.open(self.guest.cwd, path, 0, 0)
            for _, name, ino, kind in description.entries():
                if name in (b".", b".."):
                    continue
                below = path + b"/" + name
                node = names.find(self.guest.cwd, below, follow=False)
                assert (node.ino, node.kind) == (ino, kind)
                key = f"{shown_as}/{name.decode()}"
                if kind == stat.S_IFDIR:
                    found[key] = "directory"
                    pending.append((below, key))
                elif kind == stat.S_IFLNK:
                    found[key] = names.read_link(node)
                else:
                    found[key] = names.open(self.guest.cwd, below, 0, 0).pread(0, 1000)
            description.release()
        return found


def shown(mode: int, nlink: int, size: int) -> tuple[int, ...]:
    """What every file system shows alike: links to directories and their sizes are each one's own."""
    return (mode,) if stat.S_ISDIR(mode) else (mode, nlink, size)


def describe(top: Path) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for path in top.rglob("*"):
        key = "/" + str(path.relative_to(top))
        if path.is_symlink():
            found[key] = os.readlink(os.fsencode(path))
        else:
            found[key] = "directory" if path.is_dir() else path.read_bytes()
    return found


def _wire() -> Any:
    from types import SimpleNamespace

    times = iter(range(1, 1 << 40))
    clock = SimpleNamespace(epoch=10**18, kind="blocks", now=lambda: next(times))
    return SimpleNamespace(
        machine=SimpleNamespace(clock=clock),
        seed=1,
        wait_queue=Scheduler().wait_queue,
        stop_requested=lambda: False,
    )


class ReadWrite(AgainstHost):
    mount = "rw"


class Overlay(AgainstHost):
    mount = "overlay"


for machine in (AgainstHost, ReadWrite, Overlay):
    machine.TestCase.settings = settings(
        max_examples=25, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
    )

TestMemory = AgainstHost.TestCase
TestReadWrite = ReadWrite.TestCase
TestOverlay = Overlay.TestCase
