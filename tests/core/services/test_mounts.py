"""Host folders in the guest: what is seen, what a change does, where they may be."""

# ruff: noqa: PTH115, PTH208
from __future__ import annotations

import os
import stat
from collections.abc import Callable
from errno import EBUSY, ENFILE, EPERM, EROFS, EXDEV
from pathlib import Path
from typing import Any

import pytest
from guesttree import errno, listing, read, write

from fairlead.errors import UsageError
from fairlead.port import Mount
from fairlead.services.flags import AT_REMOVEDIR, O_CREAT, O_RDWR, O_TRUNC, O_WRONLY
from fairlead.services.linux.files import Files
from fairlead.services.resolve import User

Make = Callable[..., Files]
Mounted = Callable[[str], Files]
ALL = ("ro", "rw", "overlay")


@pytest.mark.parametrize("kind", ALL)
def test_what_is_there_is_seen(mounted: Mounted, kind: str) -> None:
    files = mounted(kind)
    assert read(files, b"/mnt/file") == b"hello" and read(files, b"sub/other") == b"other"
    assert listing(files, b".") == [b".", b"..", b"file", b"sub"]
    found = files.names.find(files.cwd, b"file").stat()
    assert found.size == 5 and stat.S_ISREG(found.mode) and found.uid == files.user.uid
    assert files.names.find(files.cwd, b"sub/../..") is files.names.root
    assert files.names.find(files.cwd, b"sub").stat().dev == found.dev != files.fs.dev


def test_read_only_means_it(mounted: Mounted, inside: Path) -> None:
    files = mounted("ro")
    names, cwd = files.names, files.cwd
    before = sorted(os.listdir(inside))
    actions: list[Callable[[], Any]] = [
        lambda: names.open(cwd, b"file", O_WRONLY, 0),
        lambda: names.open(cwd, b"file", O_RDWR, 0),
        lambda: names.open(cwd, b"file", O_TRUNC, 0),
        lambda: names.open(cwd, b"new", O_CREAT | O_WRONLY, 0o644),
        lambda: names.make_directory(cwd, b"new", 0o755),
        lambda: names.make_link(b"file", cwd, b"new"),
        lambda: names.link(names.find(cwd, b"file"), cwd, b"new"),
        lambda: names.remove(cwd, b"file", 0),
        lambda: names.remove(cwd, b"sub/deep", AT_REMOVEDIR),
        lambda: names.rename(cwd, b"file", cwd, b"new"),
        lambda: names.set_mode(names.find(cwd, b"file"), 0o600),
        lambda: names.set_times(names.find(cwd, b"file"), 1, 1, now=False),
        lambda: names.truncate(cwd, b"file", 0),
    ]
    assert [errno(action) for action in actions] == [EROFS] * len(actions)
    assert sorted(os.listdir(inside)) == before and (inside / "file").read_text() == "hello"


def test_the_overlay_takes_every_change_and_the_host_none(mounted: Mounted, inside: Path) -> None:
    files = mounted("overlay")
    names, cwd = files.names, files.cwd
    reader = names.open(cwd, b"file", 0, 0)
    write(files, b"file", b"changed", O_WRONLY)
    assert reader.pread(0, 100) == b"changed"  # as on any file system, not as on Linux's overlayfs
    write(files, b"new", b"new")
    names.remove(cwd, b"sub/other", 0)
    names.rename(cwd, b"sub", cwd, b"moved")
    names.set_mode(names.find(cwd, b"file"), 0o600)
    names.remove(cwd, b"moved/deep", AT_REMOVEDIR)
    assert listing(files, b"moved") == [b".", b".."]
    assert sorted(listing(files, b".")) == [b".", b"..", b"file", b"moved", b"new"]
    assert read(files, b"file") == b"changed"
    assert sorted(os.listdir(inside)) == ["file", "sub"]
    assert sorted(os.listdir(inside / "sub")) == ["deep", "other"]
    assert (inside / "file").read_text() == "hello" and (inside / "file").stat().st_mode & 0o777 != 0o600


def test_the_overlay_copies_a_file_only_when_it_changes(make_files: Make, inside: Path) -> None:
    big = inside / "big"
    with big.open("wb") as stream:
        stream.truncate(3 << 20)
        stream.seek(1 << 20)
        stream.write(b"middle")
    files = make_files(mounts=[Mount(inside, "/mnt", overlay=True)], cwd="/mnt", space=2 << 20)
    used = files.fs.quota.used
    assert read(files, b"big")[1 << 20 :][:6] == b"middle"
    files.names.truncate(files.cwd, b"sub/other", 2)
    assert read(files, b"sub/other") == b"ot" and files.fs.quota.used < used + 1000
    # What does not fit into memory stays as it was.
    assert errno(lambda: files.names.truncate(files.cwd, b"big", 4 << 20)) == 28
    assert read(files, b"big")[1 << 20 :][:6] == b"middle" and files.fs.quota.used < used + 1000


def test_writes_reach_a_read_write_folder(mounted: Mounted, inside: Path) -> None:
    files = mounted("rw")
    names, cwd = files.names, files.cwd
    write(files, b"new", b"data")
    names.make_directory(cwd, b"made", 0o775)
    names.make_link(b"new", cwd, b"link")
    names.link(names.find(cwd, b"new"), cwd, b"hard")
    names.rename(cwd, b"sub/other", cwd, b"made/other")
    names.set_mode(names.find(cwd, b"new"), 0o4751)
    names.set_times(names.find(cwd, b"new"), 5_000_000_001, None, now=False)
    assert (inside / "new").stat().st_atime_ns == 5_000_000_001
    assert (inside / "new").read_text() == "data" and os.readlink(inside / "link") == "new"
    assert (inside / "hard").stat().st_nlink == 2 and (inside / "made" / "other").read_text() == "other"
    assert stat.S_IMODE((inside / "made").stat().st_mode) == 0o755  # the guest's umask, not the host's
    # Nothing that a guest makes runs as somebody else on the host.
    assert stat.S_IMODE((inside / "new").stat().st_mode) == 0o751
    assert errno(lambda: names.make_node(cwd, b"pipe", stat.S_IFIFO | 0o600)) == EPERM


def test_a_file_made_read_only_is_open_for_writing(mounted: Mounted, inside: Path) -> None:
    files = mounted("rw")
    description = files.names.open(files.cwd, b"made", O_CREAT | O_WRONLY, 0o444)
    assert description.write((memoryview(b"once"),)) == 4
    description.release()
    assert (inside / "made").read_text() == "once" and (inside / "made").stat().st_mode & 0o777 == 0o444


def test_mounts_nest_and_cannot_be_removed(make_files: Make, inside: Path, outside: Path) -> None:
    files = make_files(
        mounts=[
            Mount(outside, "/a/b/sub/made/here"),
            Mount(inside, "/a/b"),
            Mount(inside / "file", "/one/file", writable=True),
            Mount(outside, "/tmp/rw", writable=True),
        ],
        user=User(0, 0),
    )
    names, cwd = files.names, files.cwd
    assert read(files, b"/a/b/sub/made/here/secret") == b"secret"
    assert listing(files, b"/a/b/sub") == [b".", b"..", b"deep", b"other", b"made"]
    assert not (inside / "sub" / "made").exists()
    assert names.find(cwd, b"/a/b/sub/made/here/../..").stat().ino == names.find(cwd, b"/a/b/sub").stat().ino
    assert listing(files, b"/one") == [b".", b"..", b"file"]
    write(files, b"/one/file", b"HELLO", O_WRONLY)
    assert (inside / "file").read_text() == "HELLO"
    assert errno(lambda: names.remove(cwd, b"/tmp/rw", AT_REMOVEDIR)) == EBUSY
    assert errno(lambda: names.rename(cwd, b"/tmp/rw", cwd, b"/tmp/other")) == EBUSY
    assert errno(lambda: names.remove(cwd, b"/one/file", 0)) == EBUSY
    names.rename(cwd, b"/tmp", cwd, b"/moved")
    assert read(files, b"/moved/rw/secret") == b"secret"
    assert errno(lambda: names.rename(cwd, b"/moved/rw/secret", cwd, b"/moved/secret")) == EXDEV
    assert errno(lambda: names.link(names.find(cwd, b"/moved/rw/secret"), cwd, b"/x")) == EXDEV


@pytest.mark.parametrize(
    ("host", "guest"),
    [("inside", "relative"), ("inside", "/"), ("inside", "/a/../b"), ("missing", "/mnt"), ("fifo", "/mnt")],
)
def test_mounts_that_cannot_be(make_files: Make, inside: Path, tmp_path: Path, host: str, guest: str) -> None:
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(UsageError, match=host):
        make_files(mounts=[Mount(tmp_path / host, guest)])


def test_two_mounts_at_one_place_are_refused(make_files: Make, inside: Path, outside: Path) -> None:
    with pytest.raises(UsageError, match="mounted"):
        make_files(mounts=[Mount(inside, "/mnt", overlay=True), Mount(outside, "/mnt/")])


def test_a_mount_through_a_link_is_refused(make_files: Make, inside: Path, outside: Path) -> None:
    (inside / "link").symlink_to("sub")
    with pytest.raises(UsageError, match="link"):
        make_files(mounts=[Mount(inside, "/mnt"), Mount(outside, "/mnt/link/x")])


def test_host_descriptors_are_bounded_and_given_back(make_files: Make, inside: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    path = inside
    for _ in range(60):
        path = path / "d"
        path.mkdir()
    files = make_files(mounts=[Mount(inside, "/mnt", writable=True)])
    deep = b"/mnt" + b"/d" * 60
    write(files, deep + b"/x", b"deep")
    assert read(files, deep + b"/x") == b"deep"
    assert len(os.listdir("/proc/self/fd")) < before + 25
    files.close()
    assert len(os.listdir("/proc/self/fd")) == before


def test_open_host_files_end_before_the_hosts_descriptors_do(make_files: Make, inside: Path) -> None:
    files = make_files(mounts=[Mount(inside, "/mnt")])
    budget = files._trees[0].budget
    assert 0 < budget.left < os.sysconf("SC_OPEN_MAX") - 100
    budget.left = 3
    held = [files.names.open(files.cwd, b"/mnt/file", 0, 0) for _ in range(3)]
    assert errno(lambda: files.names.open(files.cwd, b"/mnt/file", 0, 0)) == ENFILE
    for description in held:
        description.release()
    assert read(files, b"/mnt/file") == b"hello"
