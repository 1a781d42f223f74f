from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fairlead.errors import ToolError
from fairlead.guest.cache import Cache, write_atomically


def test_documents(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "new")
    assert cache.load("kind", "key") is None
    cache.store("kind", "key", b"one\ntwo\n")
    assert cache.load("kind", "key") == b"one\ntwo\n"
    cache.store("kind", "key", b"")
    assert cache.load("kind", "key") == b""


def test_a_damaged_document_is_none(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    cache.store("kind", "key", b"document")
    path = tmp_path / "kind" / "key"
    whole = path.read_bytes()
    for damage in (b"", whole[:-1], whole + b"x", whole.replace(b"doc", b"dog"), b"document"):
        path.write_bytes(damage)
        assert cache.load("kind", "key") is None


def test_folder_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAIRLEAD_CACHE", str(tmp_path / "mine"))
    assert Cache().root == tmp_path / "mine"
    monkeypatch.delenv("FAIRLEAD_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert Cache().root == tmp_path / "xdg" / "fairlead"


def test_a_cache_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    cache = Cache(tmp_path / "file" / "inside")
    with pytest.raises(ToolError, match=str(tmp_path)) as caught:
        cache.store("kind", "key", b"")
    assert "FAIRLEAD_CACHE" in caught.value.hint


def test_a_write_leaves_nothing_behind(tmp_path: Path) -> None:
    write_atomically(tmp_path / "file", b"data", 0o755)
    assert (tmp_path / "file").read_bytes() == b"data"
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o755
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError):
        write_atomically(tmp_path / "folder", b"data")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["file", "folder"]


def test_prune_keeps_what_was_used_last(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    cache.prune("kind", 1)
    for index in range(5):
        cache.store("kind", str(index), b"")
        os.utime(tmp_path / "kind" / str(index), (index, index))
    (tmp_path / "kind" / "folder" / "deep").mkdir(parents=True)
    os.utime(tmp_path / "kind" / "folder", (0, 0))
    (tmp_path / "kind" / ".on-its-way").write_text("")
    cache.prune("kind", 2)
    assert sorted(each.name for each in (tmp_path / "kind").iterdir()) == [".on-its-way", "3", "4"]


HOLDER = """
import sys, time
from pathlib import Path
from fairlead.guest.cache import Cache
with Cache(Path(sys.argv[1])).lock("one"):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_lock_between_processes(tmp_path: Path) -> None:
    import fcntl

    cache = Cache(tmp_path)
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", HOLDER, tmp_path], stdin=pipe, stdout=pipe) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        with (tmp_path / "locks" / "one").open() as file, pytest.raises(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with cache.lock("two"):
            pass
        other.kill()
    with cache.lock("one"):
        pass
