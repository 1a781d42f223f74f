"""Whole programs on every port, and proof that each hook was really called."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fairlead.hooks import RUNTIME_HOOKS

TOUR = """\
goroutines  1000 of them add up to 499500
channels    the sieve says 2 3 5 7 11 13 17 19 23 29 31 37
select      nobody sent, and the time ran out
timers      30 ms of sleep and three ticks, none early
garbage     163820 nodes came and went, 32767 stayed
panics      runtime error: invalid memory address or nil pointer dereference
preemption  a loop that never yields was interrupted
threads     8 goroutines had a thread of their own each
files       written, read back: kept
arguments   ["a" "b c" ""]
"""

PIPES = """\
client 0: 100 answers
client 1: 100 answers
client 2: 100 answers
client 3: 100 answers
a blocked read met its deadline
caught: user defined signal 1
"""


def test_the_tour_is_the_same_everywhere_and_every_hook_is_called(
    port: str, fairlead, examples: Path, tmp_path: Path
) -> None:
    result = tmp_path / "result.json"
    ran = fairlead("run", "--port", port, f"--result={result}", examples / "tour", "a", "b c", "")
    assert (ran.stdout, ran.stderr, ran.returncode) == (TOUR, "", 0)
    record = json.loads(result.read_text())
    assert {hook for hook, count in record["hooks"].items() if count > 0} == set(RUNTIME_HOOKS)
    assert record["hooks"]["newosproc"] >= 8
    assert record["exit_code"] == 0
    assert record["clock"] in ("blocks", "instructions")
    assert record["unknown_calls"] == {}


def test_a_server_and_clients_over_pipes(port: str, fairlead, examples: Path) -> None:
    ran = fairlead("run", "--port", port, examples / "pipes")
    assert (ran.stdout, ran.stderr, ran.returncode) == (PIPES, "", 0)


@pytest.mark.parametrize("status", [0, 1, 3, 255])
def test_the_guest_s_exit_code_is_the_command_s(port: str, status: int, fairlead, go_program) -> None:
    source = 'package main\n\nimport ("os"; "strconv")\n\n'
    source += "func main() { n, _ := strconv.Atoi(os.Args[1]); os.Exit(n) }\n"
    assert fairlead("run", "--port", port, go_program(source), str(status)).returncode == status


def test_the_same_seed_gives_the_same_trace(port: str, fairlead, examples: Path, tmp_path: Path) -> None:
    traces = []
    for run in range(20):
        folder = tmp_path / f"folder{run}"
        folder.mkdir()
        trace = folder / "trace"
        ran = fairlead(
            "run", "--port", port, f"--trace=all={trace}", examples / "tour",
            cwd=folder, env={"PYTHONHASHSEED": str(run)},
        )  # fmt: skip
        assert ran.returncode == 0
        traces.append(trace.read_bytes())
    assert len(traces[0].splitlines()) > 1000
    assert len(set(traces)) == 1


def test_observers_change_neither_output_nor_time(
    port: str, fairlead, examples: Path, tmp_path: Path
) -> None:
    seen = set()
    for number, words in enumerate([[], ["--strace=/dev/null"], ["--trace=all,traps,sched,hooks=/dev/null"]]):
        result = tmp_path / f"{number}.json"
        ran = fairlead("run", "--port", port, f"--result={result}", *words, examples / "tour")
        seen.add((ran.stdout, json.loads(result.read_text())["guest_time_ns"]))
    assert len(seen) == 1
