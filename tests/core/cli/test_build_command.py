from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from fairlead.guest.image import load_image

HELLO = 'package main\n\nfunc main() { println("hello") }\n'


@pytest.mark.slow
def test_build(fairlead: Callable[..., CompletedProcess[str]], tmp_path: Path) -> None:
    work = tmp_path / "work"
    (work / "hello.go").write_text(HELLO)
    done = fairlead("build", "--port", "opensbi", "hello.go")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert load_image(work / "hello.opensbi").require_record().port == "opensbi"
    assert fairlead("build", "--port", "opensbi", "-o", "x", "hello.go").returncode == 0
    assert (work / "x").read_bytes() == (work / "hello.opensbi").read_bytes()
    assert os.access(work / "x", os.X_OK)
    assert fairlead("build", "--port", "opensbi", "-o", "/dev/null", "hello.go").returncode == 0
    assert not Path("/dev/null").is_file()
    (work / "go.mod").write_text("module example.com/thing\n")
    assert fairlead("build", "--port", "opensbi", ".").returncode == 0
    assert sorted(each.name for each in work.iterdir()) == [
        "go.mod",
        "hello.go",
        "hello.opensbi",
        "work.opensbi",
        "x",
    ]


@pytest.mark.slow
def test_what_does_not_compile_shows_go_s_own_message(
    fairlead: Callable[..., CompletedProcess[str]], tmp_path: Path
) -> None:
    (tmp_path / "work" / "bad.go").write_text("package main\n\nfunc main() { nothing() }\n")
    done = fairlead("build", "--port", "opensbi", "bad.go")
    assert (done.returncode, done.stdout) == (125, "")
    first, second, last = done.stderr.splitlines()
    assert first == "# command-line-arguments"
    assert second == "./bad.go:3:15: undefined: nothing"
    assert last.startswith("fairlead: go build of bad.go failed")
    assert not (tmp_path / "work" / "bad.opensbi").exists()


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--port", "opensbi", "gone.go"], "gone.go: no such file"),
        (["--port", "opensbi", "--resident", "."], "port opensbi offers no resident images"),
        (["--port", "nosuch", "."], "no port is called 'nosuch'"),
        (["--port", "opensbi", "-o", ".", "."], ". is a folder"),
        (["."], "missing option '--port' (installed: "),
        (["--port", "opensbi"], "missing argument 'PROGRAM'"),
    ],
)
def test_usage(fairlead: Callable[..., CompletedProcess[str]], arguments: list[str], line: str) -> None:
    done = fairlead("build", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"fairlead: {line}")
    assert done.stderr.count("\n") == 1


def test_a_missing_toolchain(
    fairlead: Callable[..., CompletedProcess[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "work" / "hello.go").write_text(HELLO)
    monkeypatch.setenv("FAIRLEAD_GO", "/gone/go")
    done = fairlead("build", "--port", "opensbi", "hello.go")
    assert done.returncode == 125
    assert done.stderr.startswith("fairlead: FAIRLEAD_GO names /gone/go, where no Go toolchain is;")
