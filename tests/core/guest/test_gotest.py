from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.guest.gotest import TestRun
from fairlead.guest.toolchain import Toolchain

TESTS = {
    "go.mod": "module m\n\ngo 1.24\n",
    "good/x_test.go": """package good

import ("fmt"; "testing")

func BenchmarkOne(b *testing.B) { b.Log("measured") ; for b.Loop() {} }
func TestQuiet(t *testing.T) { fmt.Println("printed by a test that passes"); t.Log("logged") }
func TestSkipped(t *testing.T) { t.Skip("not here") }
func TestMany(t *testing.T) { for i := range 3 { t.Run(fmt.Sprint(i), func(t *testing.T) {}) } }
func ExampleHello() { fmt.Println("hello") ; // Output: hello
}
""",
    "bad/x_test.go": """package bad

import "testing"

func TestFine(t *testing.T) { t.Log("logged") }
func TestWrong(t *testing.T) { t.Log("before"); t.Error("this is wrong") }
func TestSub(t *testing.T) {
	t.Run("one", func(t *testing.T) {})
	t.Run("two", func(t *testing.T) { t.Fatal("two is wrong") })
}
""",
    "crash/x_test.go": """package crash

import "testing"

func TestFirst(t *testing.T) {}
func TestCrash(t *testing.T) { panic("gone") }
""",
    "broken/x_test.go": "package broken\n\nfunc nothing() { missing() }\n",
    "none/x.go": "package none\n",
}


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, text in TESTS.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def go(toolchain: Toolchain, module: Path, *words: str) -> str:
    environment = {**os.environ, "GOTOOLCHAIN": "local", "CGO_ENABLED": "0"}
    command = [toolchain.go, "test", "-count=1", "-vet=off", *words]
    return subprocess.run(
        command,
        cwd=module,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    ).stdout


def shape(text: str) -> list[str]:
    """Output without what differs from run to run; -json tells of a test's log before its result, and
    indents it less."""
    text = re.sub(r"\d+\.\d+s|0x[0-9a-f]+|\+0x[0-9a-f]+|goroutine \d+", "#", text)
    return sorted(line.strip() for line in text.splitlines())


@pytest.mark.slow
@pytest.mark.parametrize("flags", [[], ["-v"]])
def test_text_is_that_of_go_test(toolchain: Toolchain, module: Path, flags: list[str]) -> None:
    pieces: list[str] = []
    run = TestRun(pieces.append, verbose="-v" in flags)
    for line in go(toolchain, module, "-json", *flags, "./...").splitlines(keepends=True):
        run.take(line.encode())
    results = {each.package: each for each in run.finish()}
    expected = go(toolchain, module, *flags, "./...")
    # go test ends with one more FAIL of its own.
    assert shape("".join(pieces) + "FAIL\n") == shape(expected)

    counts = {name: (each.passed, each.failed, each.skipped) for name, each in results.items()}
    assert counts == {
        "m/good": (3, 0, 1),
        "m/bad": (1, 2, 0),
        "m/crash": (1, 1, 0),
        "m/broken": (0, 0, 0),
        "m/none": (0, 0, 0),
    }
    assert {name: each.status for name, each in results.items()} == {
        "m/good": "pass",
        "m/bad": "fail",
        "m/crash": "fail",
        "m/broken": "build-fail",
        "m/none": "skip",
    }
    assert results["m/bad"].failures == ["TestWrong", "TestSub/two", "TestSub"]


@pytest.mark.slow
def test_benchmarks_are_shown(toolchain: Toolchain, module: Path) -> None:
    pieces: list[str] = []
    run = TestRun(pieces.append, benchmarks=True)
    for line in go(toolchain, module, "-json", "-bench=.", "./good").splitlines(keepends=True):
        run.take(line.encode())
    text = "".join(pieces)
    assert re.search(r"^BenchmarkOne\S*\s+\d+\s+\S+ ns/op$", text, re.MULTILINE)
    assert "goos: " in text
    assert text.splitlines()[-1].startswith("ok  \tm/good\t")
    for unwanted in ("=== RUN", "BenchmarkOne\n", "printed by a test that passes", "--- PASS"):
        assert unwanted not in text


def test_a_package_without_an_end_is_shown() -> None:
    pieces: list[str] = []
    run = TestRun(pieces.append)
    for event in (
        {"Action": "start", "Package": "p"},
        {"Action": "output", "Package": "p", "Test": "T", "Output": "half\n"},
    ):
        run.take(json.dumps(event).encode())
    (package,) = run.finish()
    assert package.status == "running"
    assert pieces == ["half\n"]


def events(*told: tuple[str, str]) -> list[bytes]:
    return [json.dumps({"Action": action, "Package": "p", "Test": test}).encode() for action, test in told]


def test_what_broke_a_package_off_has_failed() -> None:
    ended: list[tuple[str, list[str]]] = []
    run = TestRun(
        lambda text: None,
        ended=lambda package: ended.append((package.status, [*package.failures])),
        keep=True,
    )
    for line in events(("run", "A"), ("pass", "A"), ("run", "B"), ("run", "B/x"), ("fail", "")):
        run.take(line)
    (package,) = run.finish()
    assert ended == [("fail", ["B", "B/x"])]
    assert (package.passed, package.failed) == (1, 1)
    assert {name: test.outcome for name, test in package.tests.items()} == {
        "A": "pass",
        "B": "running",
        "B/x": "running",
    }


def test_output_is_kept_for_what_does_not_pass() -> None:
    run = TestRun(lambda text: None, keep=True)
    for test, end in (("A", "pass"), ("B", "fail")):
        for text in ("x" * 20_000, "the end"):
            event = {"Action": "output", "Package": "p", "Test": test, "Output": text}
            run.take(json.dumps(event).encode())
        for line in events((end, test)):
            run.take(line)
    kept = run.packages["p"].tests
    assert kept["A"].output == ""
    assert kept["B"].output.endswith("xthe end")
    assert len(kept["B"].output) == 16384


@given(
    st.one_of(
        st.binary(), st.dictionaries(st.sampled_from(["Action", "Package", "Test", "Output"]), st.text())
    )
)
def test_any_line_is_taken(line: bytes | dict[str, str]) -> None:
    run = TestRun(lambda text: None)
    run.take(line if isinstance(line, bytes) else json.dumps(line).encode())
    run.finish()
