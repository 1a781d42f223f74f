"""What a trial with a Go version finds: in edits, in packages, and in the lists of known sources."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from fairlead.errors import PortError
from fairlead.guest.cache import Cache
from fairlead.guest.edits import Known, read_edits
from fairlead.guest.known import Pair, add_known
from fairlead.guest.toolchain import Toolchain
from fairlead.guest.upgrade import PASSES, Trial, try_version
from fairlead.port import Port

EDITS = """# A comment that stays.
[[file]]
path = "src/a.go"
# and one more
known = [
  { go = "1.0", sha256 = "00" },
]
[[file.edit]]
name = "e"
why = "because"
anchor = "the old clock\\n"
replacement = "]"
[[file.edit]]
name = "f"
why = "because"
anchor = "call"
replacement = "]"
matches = 3

[[file]]
path = "src/b.go"
known = []
delete = true
"""
A = "package a\n\nthe new clock\ncall call\n"

MakePort = Callable[..., Port]


@pytest.fixture
def overlay(tmp_path: Path) -> Path:
    folder = tmp_path / "overlay"
    folder.mkdir()
    (folder / "edits.toml").write_text(EDITS)
    return folder


@pytest.fixture
def other_go(tmp_path: Path, toolchain: Toolchain) -> Toolchain:
    """The toolchain at hand under another number, with two files more."""
    goroot = tmp_path / "goroot"
    goroot.mkdir()
    for each in toolchain.goroot.iterdir():
        if each.name not in ("src", "VERSION"):
            (goroot / each.name).symlink_to(each)
    (goroot / "src").mkdir()
    for each in (toolchain.goroot / "src").iterdir():
        (goroot / "src" / each.name).symlink_to(each)
    (goroot / "src" / "a.go").write_text(A)
    (goroot / "src" / "b.go").write_text("package b\n")
    return Toolchain(goroot, "1.99.1")


def pairs(listed: bool) -> list[Pair]:
    return [Pair("src/a.go", "1.99", "00", listed), Pair("src/b.go", "1.99", "11", listed)]


def test_known_sources_are_added_once_and_the_rest_stays(overlay: Path) -> None:
    path = overlay / "edits.toml"
    assert add_known(path, pairs(False)) == ["src/a.go", "src/b.go"]
    a, b = read_edits(path)
    assert a.known == (Known("1.0", "00"), Known("1.99", "00"))
    assert b.known == (Known("1.99", "11"),)
    added = [line for line in path.read_text().splitlines() if line not in EDITS.splitlines()]
    assert len(added) == 2
    before = path.read_text()
    assert add_known(path, pairs(True)) == []
    assert path.read_text() == before


def test_a_file_without_a_list_is_named(overlay: Path) -> None:
    path = overlay / "edits.toml"
    path.write_text(EDITS.replace("known = []\n", ""))
    with pytest.raises(PortError, match=r"src/b\.go has no"):
        add_known(path, pairs(False))
    assert "1.99" not in path.read_text()


def statuses(trial: Trial) -> list[str]:
    return [each.status for each in trial.passes]


def test_every_anchor_that_does_not_match_is_said(
    overlay: Path, make_port: MakePort, other_go: Toolchain
) -> None:
    trial = try_version(make_port(overlay), other_go, Cache())
    assert statuses(trial) == ["failed", "not reached", "not reached", "not reached"]
    assert [each.name for each in trial.passes] == list(PASSES)
    assert (trial.ok, trial.breaks, trial.pairs) == (False, "edits apply", [])
    first, second = trial.passes[0].problems
    assert first.what == "src/a.go: the anchor of edit 'e' is there 0 times, 1 expected"
    assert (first.anchor, first.nearest) == ("the old clock\n", "3: the new clock")
    assert (second.edit, second.found, second.expected, second.nearest) == ("f", 2, 3, "")


def test_a_file_that_this_go_has_no_more(overlay: Path, make_port: MakePort, other_go: Toolchain) -> None:
    (other_go.goroot / "src" / "b.go").unlink()
    problems = try_version(make_port(overlay), other_go, Cache()).passes[0].problems
    assert [each.what for each in problems if each.file == "src/b.go"] == [
        "src/b.go: this Go has no such file"
    ]


def test_pairs_of_edits_that_apply(
    overlay: Path, make_port: MakePort, other_go: Toolchain, tmp_path: Path
) -> None:
    (other_go.goroot / "src" / "a.go").write_text("the old clock\ncallcallcall")
    sha256 = hashlib.sha256(b"package b\n").hexdigest()
    (overlay / "edits.toml").write_text(
        EDITS.replace("known = []", f'known = [{{ go = "1.99.1", sha256 = "{sha256}" }}]')
    )
    (other_go.goroot / "bin").unlink()  # no go command: what comes after the edits fails at once
    trial = try_version(make_port(overlay), other_go, Cache(tmp_path / "cache"))
    assert statuses(trial) == ["ok", "failed", "not reached", "not reached"]
    assert [(each.path, each.listed) for each in trial.pairs] == [("src/a.go", False), ("src/b.go", True)]
    assert "cannot be run" in trial.passes[1].problems[0].what
    assert trial.pairs[1].sha256 == sha256


@pytest.mark.slow
def test_what_does_not_build_is_in_go_s_words(
    make_port: MakePort, other_go: Toolchain, tmp_path: Path
) -> None:
    """A file of the runtime's that this "version" has changed so that nothing compiles."""
    sort = other_go.goroot / "src" / "sort"
    real = sort.resolve()
    sort.unlink()
    shutil.copytree(real, sort)
    with (sort / "sort_test.go").open("a") as file:
        file.write("\nvar _ = undefinedHere\n")
    port = make_port(None)
    trial = try_version(port, other_go, Cache(tmp_path / "cache"), packages=["sort"])
    assert statuses(trial) == ["ok", "ok", "failed", "not reached"]
    assert trial.passes[0].note == "none needed"
    assert "undefined: undefinedHere" in trial.passes[2].problems[0].output
    with (sort / "sort.go").open("a") as file:
        file.write("\nvar _ = undefinedThere\n")
    trial = try_version(port, other_go, Cache(tmp_path / "cache"), packages=["sort"])
    assert statuses(trial) == ["ok", "failed", "not reached", "not reached"]
    assert "undefined: undefinedThere" in trial.passes[1].problems[0].output
    assert trial.breaks == "programs build"
