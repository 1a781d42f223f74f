"""`fairlead new`: names that will not do, and folders that cannot be had; nothing is left behind."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.errors import UsageError
from fairlead.plugins import find_board
from fairlead.scaffold.writer import NewPort, new_port, render, write

Fairlead = Callable[..., CompletedProcess[str]]


@pytest.mark.parametrize(
    ("name", "board", "said"),
    [
        ("Tug", "virt", "'Tug' is no name for a port: "),
        ("my_port", "virt", "'my_port' is no name for a port: "),
        ("tug-", "virt", "'tug-' is no name for a port: "),
        ("a--b", "virt", "'a--b' is no name for a port: "),
        ("../tug", "virt", "'../tug' is no name for a port: "),
        ("7up", "virt", "'7up' is no name for a port: "),
        ("", "virt", "'' is no name for a port: "),
        ("a" * 17, "virt", f"{'a' * 17!r} is no name for a port: at most 16 "),
        ("akaros", "pc", "a port is called 'akaros' already, in fairlead "),
        ("virt", "virt", "a board is called 'virt' already, in fairlead "),
        ("machines", "virt", "there is a Python package fairlead_machines already; "),
        ("tug", "virtt", "no board is called 'virtt'; installed: pc, virt"),
    ],
)
def test_what_will_not_do(fairlead: Fairlead, tmp_path: Path, name: str, board: str, said: str) -> None:
    done = fairlead("new", f"--board={board}", "--", name)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"fairlead: {said}")
    assert done.stderr.count("\n") == 1
    assert [*(tmp_path / "work").iterdir()] == []


def test_a_better_name_is_told(fairlead: Fairlead) -> None:
    for name, better in (("My_Port", "my-port"), ("9front", "front"), ("???", "skiff")):
        assert fairlead("new", name, "--board=pc").stderr.endswith(f"; {better!r} would do\n")


def test_nothing_is_overwritten(fairlead: Fairlead, tmp_path: Path) -> None:
    folder = tmp_path / "work" / "fairlead-tug"
    folder.mkdir()
    done = fairlead("new", "tug", "--board=virt")
    assert done.returncode == 2
    assert done.stderr.startswith("fairlead: fairlead-tug is there already, and nothing is overwritten; ")
    assert [*folder.iterdir()] == []
    folder.rmdir()
    folder.symlink_to(tmp_path / "gone")
    assert fairlead("new", "tug", "--board=virt").returncode == 2
    assert not (tmp_path / "gone").exists()


def test_a_folder_that_cannot_be_written(fairlead: Fairlead) -> None:
    done = fairlead("new", "tug", "--board=virt", cwd=Path("/proc"))  # where not even root makes folders
    assert done.returncode == 2
    assert done.stderr.startswith("fairlead: fairlead-tug cannot be written: ")
    assert done.stderr.count("\n") == 1


def test_what_breaks_off_leaves_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "fairlead-tug"
    with pytest.raises(UsageError, match="cannot be written"):
        write(folder, {"a": "", "a/b": "", "c": ""})  # `a` is no folder
    assert not folder.exists()


_WORD = st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=1, max_size=16)


def port(name: str) -> NewPort | None:
    try:
        return new_port(name, find_board("virt"))
    except UsageError:
        return None


@given(st.lists(_WORD, min_size=1, max_size=4).map("-".join) | st.text(max_size=20))
def test_every_name_that_will_do_makes_good_files(name: str) -> None:
    made = port(name)
    if made is None:
        return
    files = render(made)
    assert made.package.isidentifier()
    project = tomllib.loads(files["pyproject.toml"])
    assert project["project"]["entry-points"]["fairlead"] == {name: f"{made.package}.plugin"}
    for path, text in files.items():
        if path.endswith(".py"):
            compile(text, path, "exec")
            assert max(map(len, text.split("\n"))) <= 110
        assert "{{" not in text and text == text.rstrip("\n") + ("\n" if text else "")
    assembly = files[f"{made.package}/overlay/files/src/runtime/fairlead_linux_riscv64.s"]
    words = re.findall(r'Record\+(?:24|32)\(SB\)/8, \$"(.*)"', assembly)
    assert "".join(words).replace(r"\x00", "\0") == name.ljust(16, "\0")
