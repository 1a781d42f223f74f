from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from fairlead.cli.test import _absolute, _split
from fairlead.errors import UsageError

Fairlead = Callable[..., "CompletedProcess[str]"]

TESTS = """package m

import (
	"os"
	"testing"
)

func TestGood(t *testing.T) { t.Log("quiet") }
func TestSkipped(t *testing.T) { t.Skip() }
func TestBad(t *testing.T) { if os.Getenv("BAD") != "" { t.Error("this is bad") } }
func TestFile(t *testing.T) {
	if data, err := os.ReadFile("testdata/file"); err != nil || string(data) != "here" { t.Error(err) }
	if name := os.Getenv("SHARED"); name != "" {
		if err := os.WriteFile(name, []byte("written"), 0o644); err != nil { t.Error(err) }
	}
}
"""


@pytest.fixture
def module(fairlead: Fairlead, tmp_path: Path) -> Path:
    work = tmp_path / "work"
    (work / "testdata").mkdir()
    (work / "testdata" / "file").write_text("here")
    (work / "go.mod").write_text("module m\n\ngo 1.24\n")
    (work / "m_test.go").write_text(TESTS)
    return work


@pytest.mark.slow
def test_passing(fairlead: Fairlead, module: Path) -> None:
    done = fairlead("test", "--port", "opensbi")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("ok  \tm\t")
    assert done.stdout.count("\n") == 1
    assert [line.split() for line in done.stderr.splitlines() if line.strip()][-1][:5] == [
        "m",
        "pass",
        "3",
        "0",
        "1",
    ]


@pytest.mark.slow
def test_failing_and_options(fairlead: Fairlead, module: Path, tmp_path: Path) -> None:
    (module / "shared").mkdir()
    done = fairlead(
        "test", "--port", "opensbi", "--env", "BAD=1", "--env", "SHARED=/shared/file",
        "--mount", "shared:/shared:rw", "--json", ".", "errors", "--", "-run", "Bad|File",
    )  # fmt: skip
    assert done.returncode == 1
    document = json.loads(done.stdout)
    assert (document["schema"], document["version"], document["ok"]) == ("fairlead/test", 1, False)
    errors, own = document["packages"]
    assert (errors["package"], errors["status"], errors["failed"]) == ("errors", "pass", 0)
    assert (own["status"], own["passed"], own["failed"], own["failures"]) == ("fail", 1, 1, ["TestBad"])
    assert "this is bad" in done.stderr
    assert (module / "shared" / "file").read_text() == "written"
    assert sorted(each.name for each in module.iterdir()) == ["go.mod", "m_test.go", "shared", "testdata"]


@pytest.mark.slow
def test_never_from_the_cache(fairlead: Fairlead, module: Path) -> None:
    for _ in range(2):
        assert "(cached)" not in fairlead("test", "--port", "opensbi", ".", "--", "-run=Good").stdout


@pytest.mark.slow
def test_what_does_not_compile(fairlead: Fairlead, module: Path) -> None:
    (module / "bad.go").write_text("package m\n\nfunc f() { missing() }\n")
    done = fairlead("test", "--port", "opensbi")
    assert done.returncode == 1
    assert "./bad.go:3:12: undefined: missing" in done.stdout
    assert "FAIL\tm [build failed]" in done.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ["--port", "nosuch"],
        ["--port", "opensbi", "errors", "-v"],
        ["--port", "opensbi", "--memory", "much"],
        ["--port", "opensbi", "--mount", "gone:/x"],
        ["--port", "opensbi", "--", "-exec", "true"],
        ["--port", "opensbi", "--", "-overlay=x"],
        [],
    ],
)
def test_usage(fairlead: Fairlead, arguments: list[str]) -> None:
    done = fairlead("test", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("fairlead: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "packages", "flags"),
    [
        ("", [], []),
        ("a b", ["a", "b"], []),
        ("a -- -v -run X", ["a"], ["-v", "-run", "X"]),
        ("-v -run X", [], ["-v", "-run", "X"]),  # click has taken the -- away
        ("a -- -args -- x", ["a"], ["-args", "--", "x"]),
    ],
)
def test_words(words: str, packages: list[str], flags: list[str]) -> None:
    assert _split(words.split()) == (packages, flags)


def test_flags_in_the_wrong_place() -> None:
    with pytest.raises(UsageError, match="-v stands after a package"):
        _split(["a", "-v", "--", "-x"])


def test_host_files_are_named_from_the_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    values = {
        "strace": "file",
        "result": None,
        "timeline": None,
        "mount": ("a:/b:rw", "/c:/d"),
        "trace": ("all", "traps,sched=out"),
        "seed": 5,
    }
    assert _absolute(values) == {
        "strace": f"{tmp_path}/file",
        "result": None,
        "timeline": None,
        "mount": (f"{tmp_path}/a:/b:rw", "/c:/d"),
        "trace": ("all", f"traps,sched={tmp_path}/out"),
        "seed": 5,
    }
    assert _absolute({**values, "strace": ""})["strace"] == ""
