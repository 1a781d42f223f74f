"""What a guest may make in memory is paid for, and given back."""

from __future__ import annotations

import stat
from collections.abc import Callable
from errno import EMLINK, ENOSPC, ENOTEMPTY

import pytest
from guesttree import errno, read, write

from fairlead.errors import GuestRefusal
from fairlead.services.flags import (
    AT_REMOVEDIR,
    O_CREAT,
    O_RDWR,
    O_WRONLY,
    RENAME_EXCHANGE,
    RENAME_NOREPLACE,
)
from fairlead.services.linux.files import Files

Make = Callable[..., Files]


@pytest.fixture
def files(make_files: Make) -> Files:
    return make_files(cwd="/tmp", space=1 << 20)


def fill(files: Files, make: Callable[[int], None]) -> int:
    """Make things until there is no room: how many there were."""
    for number in range(5000):
        try:
            make(number)
        except GuestRefusal as refusal:
            assert refusal.errno == ENOSPC
            assert files.fs.quota.used <= files.fs.quota.limit
            return number
    raise AssertionError("nothing bounds this")


@pytest.mark.parametrize("what", ["files", "directories", "links", "names", "pipes", "bytes"])
def test_everything_is_paid_for_and_given_back(files: Files, what: str) -> None:
    names, cwd = files.names, files.cwd
    write(files, b"first", b"")
    used, nodes = files.fs.quota.used, files.fs.nodes
    first = names.find(cwd, b"first")
    makers: dict[str, Callable[[int], None]] = {
        "files": lambda n: names.open(cwd, b"%d" % n, O_CREAT | O_WRONLY, 0o600).release(),
        "directories": lambda n: names.make_directory(cwd, b"%d" % n, 0o700),
        "links": lambda n: names.make_link(b"x" * 1000, cwd, b"%d" % n),
        "names": lambda n: names.link(first, cwd, b"%d" % n),
        "pipes": lambda n: names.make_node(cwd, b"%d" % n, stat.S_IFIFO | 0o600),
        "bytes": lambda n: write(files, b"%d" % n, b"x" * 10_000),
    }
    made = fill(files, makers[what])
    assert 50 < made < 2500
    for number in range(made + 1):
        try:
            names.remove(cwd, b"%d" % number, AT_REMOVEDIR if what == "directories" else 0)
        except GuestRefusal:
            assert number == made
    assert (files.fs.quota.used, files.fs.nodes) == (used, nodes)


def test_an_open_file_lives_without_a_name(files: Files) -> None:
    used = files.fs.quota.used
    description = files.names.open(files.cwd, b"file", O_CREAT | O_RDWR, 0o600)
    description.write((memoryview(b"still here"),))
    files.names.remove(files.cwd, b"file", 0)
    assert description.pread(0, 100) == b"still here" and description.stat().nlink == 0
    description.release()
    assert files.fs.quota.used == used


def test_a_file_replaced_while_open_is_given_back_when_closed(files: Files) -> None:
    write(files, b"new", b"new")
    used = files.fs.quota.used
    description = files.names.open(files.cwd, b"old", O_CREAT | O_RDWR, 0o600)
    description.write((memoryview(b"old" * 1000),))
    files.names.rename(files.cwd, b"new", files.cwd, b"old")
    assert read(files, b"old") == b"new" and description.pread(0, 3) == b"old"
    description.release()
    assert files.fs.quota.used == used


def test_one_file_has_so_many_names(files: Files) -> None:
    write(files, b"file", b"")
    node = files.names.find(files.cwd, b"file")
    node.nlink = 65_000
    assert errno(lambda: files.names.link(node, files.cwd, b"more")) == EMLINK


def test_a_deep_tree_is_taken_down(make_files: Make) -> None:
    files = make_files(cwd="/tmp", space=64 << 20)
    top = files.cwd
    for _ in range(30_000):
        files.names.make_directory(files.cwd, b"d", 0o700)
        files.cwd = files.names.find(files.cwd, b"d")
    files.cwd = top
    files.names.rename(top, b"d", top, b"e")
    node = top.lookup(b"e")
    assert errno(lambda: files.names.remove(top, b"e", AT_REMOVEDIR)) == ENOTEMPTY
    top.forget(b"e")
    del node  # the host's own stack does not grow with it


def test_names_change_places(files: Files) -> None:
    names, cwd = files.names, files.cwd
    write(files, b"a", b"A")
    names.make_directory(cwd, b"d", 0o755)
    names.make_directory(cwd, b"d/sub", 0o755)
    names.rename(cwd, b"a", cwd, b"d/sub", RENAME_EXCHANGE)
    assert read(files, b"d/sub") == b"A" and names.find(cwd, b"a/..") is cwd
    assert names.find(cwd, b"d").stat().nlink == 2
    for new, flags, expected in (
        (b"d", RENAME_NOREPLACE, 17),
        (b"none", RENAME_EXCHANGE, 2),
        (b"x", RENAME_NOREPLACE | RENAME_EXCHANGE, 22),
        (b"x", 4, 22),
        (b"a/below", 0, 22),
    ):
        assert errno(lambda new=new, flags=flags: names.rename(cwd, b"a", cwd, new, flags)) == expected
