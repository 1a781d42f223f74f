"""`fairlead compare` as it is used, on the ports that are installed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from fairlead.plugins import installed

PORTS = sorted(installed().ports)

ALIKE = """package main

import (
	"fmt"
	"io"
	"os"
)

func main() {
	data, _ := io.ReadAll(os.Stdin)
	fmt.Printf("%q %q\\n", os.Args, data)
	os.Exit(7)
}
"""
UNLIKE = """package main

import (
	"fmt"
	"os"
	"runtime"
)

func main() {
	fmt.Println("the same")
	fmt.Println("on", runtime.GOARCH, "\\x1b[31m")
	if runtime.GOARCH == "amd64" {
		os.Exit(1)
	}
}
"""


@pytest.mark.slow
def test_what_agrees(fairlead, go_program) -> None:
    ran = fairlead("compare", "--json", go_program(ALIKE), "-x", "--json", input="given to all\n")
    assert (ran.returncode, ran.stderr) == (0, "")
    document = json.loads(ran.stdout)
    assert (document["schema"], document["version"], document["agree"]) == ("fairlead/compare", 1, True)
    assert document["arguments"] == ["-x", "--json"]
    assert [each["port"] for each in document["columns"]] == list(installed().ports)
    assert document["exit_codes"] == {"7": list(installed().ports)}
    for each in document["columns"]:
        assert each["output"] == '["main" "-x" "--json"] "given to all\\n"\n'
        assert each["state"] == "ended"
        assert each["threads"] == each["hooks"]["newosproc"] + 1
        assert sum(each["system_calls"].values()) == each["hooks"]["syscall"]
        assert each["guest_time_ns"] > 0
        assert each["host_cpu_s"] > 0
    for ports, calls in document["calls_of_some"]:
        for each in document["columns"]:
            assert [name in each["system_calls"] for name in calls] == [each["port"] in ports] * len(calls)


@pytest.mark.slow
def test_what_differs_is_shown_within_80_columns(fairlead, go_program) -> None:
    ports = ("opensbi", "linux-riscv64", "linux-amd64")
    words = [f"--port={port}" for port in ports]
    ran = fairlead("compare", *words, go_program(UNLIKE))
    assert (ran.returncode, ran.stderr) == (1, "")
    lines = ran.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    table = {line.split("  ")[0].strip(): line.split()[-6:] for line in lines}
    assert ran.stdout.index("A: 2 lines") < ran.stdout.index("B: 2 lines")
    assert table["exit code"][-3:] == ["0", "0", "1"]
    assert "output: linux-amd64 differs from opensbi and linux-riscv64, first in line 2:" in lines
    at = lines.index("output: linux-amd64 differs from opensbi and linux-riscv64, first in line 2:")
    assert [line.split() for line in lines[at + 1 : at + 3]] == [
        ["opensbi,", "…", "on", "riscv64", "\\x1b[31m"],
        ["linux-amd64", "on", "amd64", "\\x1b[31m"],
    ]
    assert "exit code: 0 on opensbi and linux-riscv64; 1 on linux-amd64" in lines
    assert "odd: linux-amd64 stands against opensbi and linux-riscv64, which agree" in lines
    assert "calls of opensbi only: " not in table


PANIC = """package main

import "runtime"

func main() {
	println("to stderr")
	if runtime.GOARCH == "riscv64" {
		panic("on RISC-V")
	}
}
"""


@pytest.mark.slow
def test_what_an_odd_one_said_last(fairlead, go_program) -> None:
    ports = ("linux-amd64", "akaros", "linux-riscv64")
    ran = fairlead("compare", *(f"--port={port}" for port in ports), go_program(PANIC))
    assert (ran.returncode, ran.stderr) == (1, "")
    lines = ran.stdout.splitlines()
    (row,) = (line.split() for line in lines if line.strip().startswith("lines on stderr"))
    assert row[3:5] == ["1", "1"]
    assert int(row[5]) > 3
    assert "exit code: 0 on linux-amd64 and akaros; 2 on linux-riscv64" in lines
    assert [line.split(":")[0] for line in lines if "said last" in line] == ["linux-riscv64 said last"]


@pytest.mark.slow
def test_what_builds_for_some_ports_only(fairlead, go_package) -> None:
    folder = go_package({"main_amd64.go": "package main\n\nfunc main() { println(1) }\n"})
    ran = fairlead("compare", "--port=linux-amd64", "--port=opensbi", folder, cwd=folder)
    assert ran.returncode == 1
    assert ran.stderr == ""
    assert "not built" in ran.stdout
    assert "build constraints exclude all Go files" in ran.stdout
    assert "opensbi not built: go build of . failed" in ran.stdout


def test_what_builds_for_none_is_said_once(fairlead, go_program) -> None:
    program = go_program("package main\n\nfunc main() { undefined() }\n")
    ran = fairlead("compare", "--port=linux-amd64", "--port=linux-riscv64", program)
    assert (ran.returncode, ran.stdout) == (125, "")
    assert ran.stderr.count("undefined: undefined") == 1
    assert "fairlead: go build of " in ran.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--port=nowhere", "examples/hello"], "no port is called 'nowhere'"),
        (["./none.go"], "none.go: no such file"),
        (["README.md"], "README.md is no Go program"),
        (["--memory=1", "examples/hello"], "--memory 1 cannot be had"),
        (["--seconds=0", "examples/hello"], "--seconds"),
        ([], "missing argument 'PROGRAM'"),
    ],
)
def test_wrong_use(fairlead, words: list[str], said: str) -> None:
    ran = fairlead("compare", *words)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr.startswith("fairlead: ")
    assert said in ran.stderr
    assert ran.stderr.count("\n") == 1


ENDLESS = """package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Println("there")
	os.WriteFile("/host/there", nil, 0o644)
	for {
	}
}
"""


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_nothing_runs_on_when_it_is_ended(go_program, tmp_path: Path, number: signal.Signals) -> None:
    program = go_program(ENDLESS)
    words = ["compare", "--port=linux-amd64", f"--mount={tmp_path}:/host:rw", str(program)]
    process = subprocess.Popen(
        [sys.executable, "-m", "fairlead", *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "FAIRLEAD_TRIAL": str(tmp_path)},
    )
    while not (tmp_path / "there").exists():
        assert process.poll() is None
        os.sched_yield()
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert (out, err) == (b"", b"")
    mark = f"FAIRLEAD_TRIAL={tmp_path}".encode()
    for each in Path("/proc").glob("[0-9]*/environ"):
        try:
            assert mark not in each.read_bytes()
        except OSError:
            continue
