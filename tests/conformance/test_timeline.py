"""--timeline on every port: a whole document whose tracks add up, the same in every run."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import pytest

Command = Callable[..., "subprocess.CompletedProcess[str]"]

PROGRAM = """\
package main

import (
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"
)

func main() {
	told := make(chan os.Signal, 1)
	signal.Notify(told, syscall.SIGUSR1)
	syscall.Kill(os.Getpid(), syscall.SIGUSR1)
	<-told
	done := make(chan bool)
	for range 3 {
		go func() {
			runtime.LockOSThread() // and ends with its thread
			for range 2_000_000 {
			}
			time.Sleep(time.Millisecond)
			done <- true
		}()
	}
	for range 3 {
		<-done
	}
	if len(os.Args) > 1 {
		fmt.Println("ready")
		time.Sleep(1_000_000 * time.Hour)
	}
}
"""


class Slice(NamedTuple):
    name: str
    start: int
    end: int
    depth: int
    said: dict[str, Any]


def slices(path: Path) -> dict[tuple[int, int], list[Slice]]:
    """Every track's slices as they end; that they nest, and that times never go back, is asserted."""
    document = json.loads(path.read_bytes())
    assert document.keys() == {"displayTimeUnit", "traceEvents"}
    open_: dict[tuple[int, int], list[tuple[str, int, dict[str, Any]]]] = defaultdict(list)
    tracks: dict[tuple[int, int], list[Slice]] = defaultdict(list)
    latest: dict[tuple[int, int], int] = defaultdict(int)
    for event in document["traceEvents"]:
        track = event["pid"], event["tid"]
        if event["ph"] == "M":
            continue
        time = round(event["ts"] * 1000)
        assert time >= latest[track]
        latest[track] = time
        if event["ph"] == "B":
            open_[track].append((event["name"], time, event.get("args", {})))
        else:
            assert event["ph"] == "E"
            name, start, said = open_[track].pop()
            said = {**said, **event.get("args", {})}
            tracks[track].append(Slice(name, start, time, len(open_[track]), said))
    assert not any(open_.values())
    return tracks


CPU = 1, 1


def whole(path: Path, guest_time: int) -> dict[tuple[int, int], list[Slice]]:
    """The CPU's track has no gap and no overlap, and threads are on the CPU when it says so."""
    tracks = slices(path)
    at = 0
    busy = 0
    for each in tracks[CPU]:
        assert each.depth == 0 and each.start == at
        at = each.end
        if each.name not in ("idle", "boot"):
            busy += each.end - each.start
    assert at == guest_time
    running = [
        (each.start, each.end)
        for track, found in tracks.items()
        for each in found
        if track != CPU and each.name == "on the CPU"
    ]
    running.sort()
    assert all(one[1] <= other[0] for one, other in pairwise(running))
    assert sum(end - start for start, end in running) == busy
    return tracks


def guest_time(result: Path) -> int:
    time: int = json.loads(result.read_text())["guest_time_ns"]
    return time


@pytest.mark.slow
def test_the_tracks_add_up_and_are_the_same_twice(
    port: str, fairlead: Command, go_program: Callable[[str], Path], tmp_path: Path
) -> None:
    program = go_program(PROGRAM)
    times = []
    for number in (1, 2):
        line, result = tmp_path / f"line{number}", tmp_path / "result"
        ran = fairlead("run", "--port", port, f"--timeline={line}", f"--result={result}", program)
        assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
        times.append(guest_time(tmp_path / "result"))
    assert (tmp_path / "line1").read_bytes() == (tmp_path / "line2").read_bytes()
    ran = fairlead("run", "--port", port, f"--result={tmp_path / 'result'}", program)
    assert {*times} == {guest_time(tmp_path / "result")}, "a timeline takes no guest time"

    tracks = whole(tmp_path / "line1", times[0])
    shown = [each for found in tracks.values() for each in found]
    names = {each.name for each in shown}
    assert {"idle", "on the CPU", "ready", "SIGUSR1"} <= names
    assert any(name.startswith("waits: ") for name in names)
    answers = [each for each in shown if "result" in each.said]
    assert len(answers) > 50
    assert {"waits"} < {each.said["result"] for each in answers}
    counted = json.loads((tmp_path / "result").read_text())
    calls = [each for each in answers if "arguments" in each.said]
    assert len(calls) <= sum(counted["system_calls"].values())
    assert {each.name for each in calls} <= counted["system_calls"].keys()
    traps = {kind: sum(each.name == kind for each in shown) for kind in counted["traps"]}
    assert any(traps.values())
    assert all(traps[kind] <= count for kind, count in counted["traps"].items())


@pytest.mark.slow
@pytest.mark.parametrize("end", ["limit", "signal"])
def test_a_run_that_is_ended_leaves_a_whole_document(
    port: str, fairlead: Command, go_program: Callable[[str], Path], tmp_path: Path, end: str
) -> None:
    program = go_program(PROGRAM)
    line = tmp_path / "line"
    if end == "limit":
        ran = fairlead("run", "--port", port, f"--timeline={line}", "--max-time=3ms", program)
        assert ran.returncode == 124
        whole(line, 3_000_000)
        return
    command = [sys.executable, "-m", "fairlead", "run", "--port", port, "--clock=host"]
    with subprocess.Popen(
        [*command, f"--timeline={line}", program, "wait"], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
    tracks = slices(line)
    whole(line, tracks[CPU][-1].end)


def test_a_timeline_that_cannot_be_written_is_said_in_a_line(
    port: str, fairlead: Command, examples: Path, tmp_path: Path
) -> None:
    for file, code, said in (
        (tmp_path, 2, "cannot write"),
        (tmp_path / "nowhere" / "line", 2, "there is no folder"),
        (Path("/dev/full"), 125, "cannot write the timeline: No space left on device"),
    ):
        ran = fairlead("run", "--port", port, f"--timeline={file}", examples / "hello")
        assert ran.returncode == code
        (line,) = ran.stderr.splitlines()
        assert line.startswith("fairlead: ") and said in line
