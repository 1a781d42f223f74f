"""`fairlead bench`, run as a user runs it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Command = Callable[..., "subprocess.CompletedProcess[str]"]

BENCHMARKS = """\
package bad

import (
	"os"
	"runtime"
	"testing"
	"time"
)

func BenchmarkGood(b *testing.B) {
	for _, n := range []string{"one", "two"} {
		b.Run(n, func(b *testing.B) {
			for range b.N {
				os.Getppid()
			}
		})
	}
}

func BenchmarkLoop(b *testing.B) {
	for b.Loop() {
		os.Getppid()
	}
}

func BenchmarkPicky(b *testing.B) {
	if runtime.GOARCH == "riscv64" {
		b.Fatal("not here")
	}
}

func BenchmarkNever(b *testing.B) {
	if b.N > 1 {
		for {
			time.Sleep(time.Hour)
		}
	}
}
"""


@pytest.fixture
def module(tmp_path: Path) -> Path:
    folder = tmp_path / "module"
    folder.mkdir()
    (folder / "go.mod").write_text("module example.com/bad\n\ngo 1.27\n")
    (folder / "bad_test.go").write_text(BENCHMARKS)
    return folder


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--filter", "("], "no regular expression"),
        (["--port", "nonesuch"], "no port is called 'nonesuch'"),
        (["--peer", "vax"], "no peer is called 'vax'"),
        (["--baseline", "vax"], "no port is called 'vax'"),
        (["--count", "0"], "--count"),
        (["--iterations", "2"], "--iterations"),
        (["--html", "/nowhere/page.html"], "there is no folder /nowhere"),
        (["--port", "opensbi", "--no-peers", "./nowhere"], "go finds no package ./nowhere"),
        (["--port", "opensbi", "--no-peers", "--filter", "^Nothing$"], "matches '^Nothing$'"),
        (["--compare", "/nowhere", "/nowhere"], "/nowhere cannot be read"),
        (["--compare", "/nowhere"], "--compare"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(fairlead: Command, words: list[str], said: str) -> None:
    ran = fairlead("bench", *words)
    assert ran.returncode == 2
    last = ran.stderr.splitlines()[-1]
    assert last.startswith("fairlead: ") and said in last
    assert ran.stdout == ""


def test_the_suite_can_be_listed(fairlead: Command) -> None:
    ran = fairlead("bench", "--list")
    assert ran.returncode == 0
    assert "NullSyscall     syscall " in ran.stdout
    assert max(map(len, ran.stdout.splitlines())) <= 80


@pytest.mark.slow
def test_two_ports_side_by_side(fairlead: Command, tmp_path: Path) -> None:
    def run(save: str) -> dict[str, object]:
        ran = fairlead(
            "bench", "--port", "opensbi", "--port", "linux-riscv64", "--no-peers", "--filter",
            "^NullSyscall$", "--count", "1", "--iterations", "3000", "--save", tmp_path / save, "-o",
            tmp_path / f"{save}.txt", "--html", tmp_path / f"{save}.html", "--json",
        )  # fmt: skip
        assert ran.returncode == 0, ran.stderr
        assert "NullSyscall" in ran.stderr
        document: dict[str, object] = json.loads(ran.stdout)
        assert document == json.loads((tmp_path / save).read_text())
        return document

    once, again = run("one"), run("two")
    assert (once["schema"], once["version"], once["baseline"]) == ("fairlead/bench", 1, "opensbi")
    for first, second in zip(once["outcomes"], again["outcomes"], strict=True):  # type: ignore[call-overload]
        assert first["why"] == "" and first["clock"] == "blocks"
        # All of the guest is the same in every run; a call an operation, and no trap beside it.
        for name in ("guest_ns", "work", "traps", "system_calls", "hooks", "metrics"):
            assert first[name] == second[name], name
        assert 0.99 < sum(first["system_calls"].values()) < 1.1
        assert first["work"] > 5
        assert {"syscall", ""} <= first["hook_host_ns"].keys()
        assert len(first["host_ns"]) == 1
    compared = fairlead("bench", "--compare", tmp_path / "one", tmp_path / "two.txt")
    assert compared.returncode == 0
    assert "0 figures differ; 4 show no difference" in compared.stdout


@pytest.mark.slow
def test_a_port_that_fails_has_a_reason_and_the_others_go_on(
    fairlead: Command, module: Path, tmp_path: Path
) -> None:
    ran = fairlead(
        "bench", "--port", "opensbi", "--port", "linux-amd64", "--no-peers", "--count", "1", "--iterations",
        "20", "--save", tmp_path / "report", ".", cwd=module,
    )  # fmt: skip
    assert ran.returncode == 1, ran.stderr
    document = json.loads((tmp_path / "report").read_text())
    whys = {
        (each["case"].partition(".com/bad.")[2], each["column"]): each["why"] for each in document["outcomes"]
    }
    assert whys.pop(("Picky", "opensbi")) == "bad_test.go:28: not here"
    for port in ("opensbi", "linux-amd64"):
        assert "--max-time" in whys.pop(("Never", port))
    for each in document["outcomes"]:
        if "Good" in each["case"] or "Loop" in each["case"]:
            assert each["system_calls"]["getppid"] == 1, each["case"]
    assert whys == {
        ("Loop", "opensbi"): "", ("Loop", "linux-amd64"): "",
        ("Good/one", "opensbi"): "", ("Good/one", "linux-amd64"): "", ("Good/two", "opensbi"): "",
        ("Good/two", "linux-amd64"): "", ("Picky", "linux-amd64"): "",
    }  # fmt: skip
    assert "opensbi fails example.com/bad.Picky: bad_test.go:28: not here" in ran.stdout


@pytest.mark.slow
def test_what_does_not_build_is_a_reason(fairlead: Command, module: Path) -> None:
    (module / "more_amd64_test.go").write_text('package bad\n\nvar nothing int = "text"\n')
    ran = fairlead(
        "bench", "--port", "opensbi", "--port", "linux-amd64", "--no-peers", "--count", "1", "--filter",
        "Good/one", "--iterations", "5", ".", cwd=module,
    )  # fmt: skip
    assert ran.returncode == 1
    assert "linux-amd64 fails example.com/bad.Good/one: does not build: ./more_amd64_test.go:3" in ran.stdout


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_keeps_what_is_measured(tmp_path: Path, number: signal.Signals) -> None:
    command = [
        sys.executable, "-m", "fairlead", "bench", "--port", "opensbi", "--no-peers", "--filter",
        "^(NullSyscall|Sort|WriteSmall)$", "--count", "2", "--save", str(tmp_path / "report"), "-o",
        str(tmp_path / "text"), "--html", str(tmp_path / "page"), "--seconds", "300",
    ]  # fmt: skip
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        line = process.stderr.readline()
        assert line == "NullSyscall: measured\n"
        os.kill(process.pid, number)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted" in err and "Traceback" not in err
    assert "NullSyscall" in out
    document = json.loads((tmp_path / "report").read_text())
    assert document["interrupted"] is True
    assert len(document["outcomes"][0]["guest_ns"]) == 2
    assert (tmp_path / "text").read_text().count("BenchmarkNullSyscall\t") == 2
    assert "interrupted" in (tmp_path / "page").read_text()
