"""The ways out of a mounted folder, none of which may work."""

# ruff: noqa: PTH104, PTH208
from __future__ import annotations

import os
import socket
import stat
import threading
from collections.abc import Callable
from errno import EACCES, EEXIST, ELOOP, ENOENT, ENOTDIR, EROFS, EXDEV
from pathlib import Path
from typing import Any

import pytest
from guesttree import errno, read, write

from fairlead.errors import GuestRefusal, UsageError
from fairlead.port import Mount
from fairlead.services.flags import O_CREAT, O_NOFOLLOW, O_RDWR, O_TRUNC, O_WRONLY
from fairlead.services.hostfolder import HostBudget, HostTree
from fairlead.services.linux.files import Files
from fairlead.services.resolve import RESOLVE_BENEATH, RESOLVE_NO_SYMLINKS, RESOLVE_NO_XDEV

Make = Callable[..., Files]
Mounted = Callable[[str], Files]
ALL = ("ro", "rw", "overlay")


@pytest.mark.parametrize("kind", ALL)
def test_dots_end_at_the_guests_root(mounted: Mounted, kind: str, outside: Path) -> None:
    files = mounted(kind)
    for path in (b"../outside/secret", b"sub/../../outside/secret", b"/mnt/../../../" + os.fsencode(outside)):
        assert errno(lambda path=path: read(files, path)) == ENOENT


@pytest.mark.parametrize("kind", ALL)
def test_links_mean_what_they_say_in_the_guest(
    mounted: Mounted, inside: Path, outside: Path, kind: str
) -> None:
    secret = outside / "secret"
    (inside / "absolute").symlink_to(secret)
    (inside / "relative").symlink_to("../outside/secret")
    (inside / "folder").symlink_to(outside)
    (inside / "sub" / "up").symlink_to("../..")
    (inside / "passwd").symlink_to("/etc/passwd")
    (inside / "proc").symlink_to("/proc/self/root")
    (inside / "cwd").symlink_to("/proc/self/cwd/../outside")
    (inside / "good").symlink_to("/mnt/sub/other")
    files = mounted(kind)
    lost = [b"absolute", b"relative", b"folder/secret", b"sub/up/outside/secret", b"cwd/secret"]
    lost.append(b"proc/" + os.fsencode(secret))
    for path in lost:
        assert errno(lambda path=path: read(files, path)) == ENOENT
        for flags in (O_CREAT | O_WRONLY, O_TRUNC | O_WRONLY, O_CREAT | O_RDWR):
            errno(lambda path=path, flags=flags: files.names.open(files.cwd, path, flags, 0o666))
    assert read(files, b"good") == b"other"
    assert b"user:x:1000" in read(files, b"passwd")  # the guest's
    assert secret.read_text() == "secret" and os.listdir(outside) == ["secret"]


def test_links_that_a_guest_makes_lead_nowhere_either(mounted: Mounted, inside: Path, outside: Path) -> None:
    files = mounted("rw")
    names, cwd = files.names, files.cwd
    for target in (os.fsencode(outside), b"../outside", b"/proc/self/root", b"/../../.."):
        names.make_link(target, cwd, b"out")
        errno(lambda: read(files, b"out/secret"))
        errno(lambda: names.rename(cwd, b"file", cwd, b"out/stolen"))
        errno(lambda: names.link(names.find(cwd, b"out/secret"), cwd, b"stolen"))
        errno(lambda: names.make_directory(cwd, b"out/made", 0o777))
        names.remove(cwd, b"out", 0)
    # Operations on the link itself do not touch what it names.
    names.make_link(os.fsencode(outside / "secret"), cwd, b"out")
    names.link(names.find(cwd, b"out", follow=False), cwd, b"again")
    assert (inside / "again").is_symlink()
    names.set_times(names.find(cwd, b"out", follow=False), 1, 1, now=False)
    errno(lambda: names.set_mode(names.find(cwd, b"out", follow=False), 0o777))
    names.remove(cwd, b"out", 0)
    assert os.listdir(outside) == ["secret"] and (outside / "secret").stat().st_mtime > 1000


@pytest.mark.parametrize("kind", ALL)
def test_special_files_of_the_host_are_never_opened(mounted: Mounted, inside: Path, kind: str) -> None:
    os.mkfifo(inside / "fifo")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.fspath(inside / "socket"))
        names = ["fifo", "socket"]
        if os.geteuid() == 0:
            os.mknod(inside / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
            names.append("null")
        files = mounted(kind)
        for name in names:
            for flags in (0, O_WRONLY, O_RDWR, O_CREAT | O_WRONLY, O_TRUNC | O_WRONLY):
                expected = {"ro": (EACCES, EROFS), "rw": (EACCES,), "overlay": (ENOENT,)}[kind]
                if kind == "overlay" and flags & O_CREAT:
                    continue
                path = name.encode()
                assert (
                    errno(lambda path=path, flags=flags: files.names.open(files.cwd, path, flags, 0))
                    in expected
                )


def test_kernel_file_systems_are_no_mounts_and_no_part_of_one(make_files: Make) -> None:
    for host in ("/proc", "/proc/self", "/sys", "/proc/self/environ"):
        with pytest.raises(UsageError, match="kernel"):
            make_files(mounts=[Mount(Path(host), "/mnt")])
    files = make_files(mounts=[Mount(Path("/"), "/mnt")])
    for path in (
        b"/mnt/proc/self/environ",
        b"/mnt/proc",
        b"/mnt/sys/kernel",
        b"/mnt/proc/self/root/etc/passwd",
    ):
        assert errno(lambda path=path: read(files, path)) == EACCES


def test_a_folder_swapped_for_a_link_is_noticed(inside: Path, outside: Path) -> None:
    tree = HostTree(inside, HostBudget())
    try:
        found = tree.root.lstat(b"sub")
        assert found is not None
        folder = tree.root.below(b"sub", found)
        (inside / "sub").rename(inside / "was")
        (inside / "sub").symlink_to(outside)
        assert errno(lambda: folder.lstat(b"secret")) == ENOENT
        (inside / "sub").unlink()
        (outside / "sub").mkdir()
        (outside / "sub").rename(inside / "sub")
        assert errno(lambda: folder.lstat(b"secret")) == ENOENT  # another folder of the same name
    finally:
        tree.close()


def test_a_file_swapped_for_a_link_or_a_fifo_is_noticed(inside: Path, outside: Path) -> None:
    tree = HostTree(inside, HostBudget())
    try:
        (inside / "file").unlink()
        (inside / "file").symlink_to(outside / "secret")
        assert errno(lambda: tree.root.open_file(b"file", os.O_RDONLY)) in (EACCES, ELOOP)
        assert errno(lambda: tree.root.create_file(b"file", 0o644)) == EEXIST
        (inside / "file").unlink()
        os.mkfifo(inside / "file")
        assert errno(lambda: tree.root.open_file(b"file", os.O_WRONLY)) == EACCES
    finally:
        tree.close()


@pytest.mark.parametrize("kind", ALL)
def test_a_race_of_swaps_never_shows_the_outside(
    mounted: Mounted, inside: Path, outside: Path, kind: str
) -> None:
    """A host-side helper swaps a folder, a link to the outside and a file as fast as it can."""
    (outside / "other").write_text("secret")
    (inside / "link").symlink_to(outside)
    (inside / "flink").symlink_to(outside / "secret")
    files = mounted(kind)
    stop = threading.Event()

    def swap() -> None:
        while not stop.is_set():
            for name, link in (("sub", "link"), ("file", "flink")):
                os.rename(inside / name, inside / "tmp")
                os.rename(inside / link, inside / name)
                os.rename(inside / name, inside / link)
                os.rename(inside / "tmp", inside / name)

    helper = threading.Thread(target=swap)
    helper.start()
    seen: set[bytes] = set()
    try:
        for turn in range(400):
            for path in (b"/mnt/sub/other", b"/mnt/file", b"/mnt/sub/secret"):
                try:
                    seen.add(read(files, path))
                except (GuestRefusal, OSError) as error:
                    assert error.errno in (ENOENT, ENOTDIR, EACCES, ELOOP)
                if kind == "rw":
                    for action in (
                        lambda turn=turn: write(files, b"/mnt/sub/made%d" % turn, b"x"),
                        lambda: write(files, b"/mnt/sub/other", b"other", O_WRONLY),
                        lambda: files.names.set_mode(files.names.find(files.cwd, b"/mnt/sub/other"), 0o644),
                    ):
                        try:
                            action()
                        except (GuestRefusal, OSError):
                            pass
    finally:
        stop.set()
        helper.join()
    assert b"secret" not in seen
    assert sorted(os.listdir(outside)) == ["other", "secret"]
    assert (outside / "other").read_text() == "secret" == (outside / "secret").read_text()


def test_a_folder_moved_out_of_the_mount_takes_nobody_along(
    mounted: Mounted, inside: Path, outside: Path
) -> None:
    files = mounted("rw")
    deep = files.names.find(files.cwd, b"sub/deep")
    files.cwd = deep
    os.rename(inside / "sub" / "deep", outside / "deep")
    assert files.names.find(files.cwd, b"../..").stat().dev == deep.stat().dev
    assert errno(lambda: read(files, b"../secret")) == ENOENT
    assert read(files, b"../other") == b"other"


def test_beneath_holds_for_descriptors(mounted: Mounted, inside: Path) -> None:
    (inside / "sub" / "up").symlink_to("../file")
    (inside / "sub" / "abs").symlink_to("/mnt/file")
    files = mounted("ro")
    names = files.names
    base: Any = names.find(files.cwd, b"sub")
    names.open(base, b"other", 0, 0, RESOLVE_BENEATH).release()
    for path in (b"../file", b"up", b"abs", b"/mnt/file"):
        assert errno(lambda path=path: names.open(base, path, 0, 0, RESOLVE_BENEATH)) == EXDEV
    assert errno(lambda: names.open(base, b"up", 0, 0, RESOLVE_NO_SYMLINKS)) == ELOOP
    assert errno(lambda: names.open(names.root, b"mnt/file", 0, 0, RESOLVE_NO_XDEV)) == EXDEV
    assert errno(lambda: names.open(base, b"up", O_NOFOLLOW, 0)) == ELOOP
