"""One vcore and four: whole programs, what the scheduler does on the way, and the library's own tests."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from fairlead.testing.stdlib.events import top
from fairlead.testing.stdlib.lists import read_lists

VCORES = pytest.mark.parametrize("vcores", [1, 4])

SCHEDULED = """\
package main

import (
	"fmt"
	"os"
	"runtime"
	"sync"
	"syscall"
	"time"
)

func main() {
	fmt.Println(runtime.NumCPU(), runtime.GOMAXPROCS(0))
	var p [2]int
	syscall.Pipe(p[:])
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			runtime.LockOSThread()
			syscall.Nanosleep(&syscall.Timespec{Nsec: int64(i+1) * 1e6}, nil)
		})
	}
	start := time.Now()
	for range 4 {
		all.Go(func() {
			for time.Since(start) < 50*time.Millisecond {
			}
		})
	}
	go func() {
		time.Sleep(5 * time.Millisecond)
		syscall.Write(p[1], []byte("x"))
	}()
	n, err := syscall.Read(p[0], make([]byte, 1))
	all.Wait()
	fmt.Println(n, err)
	os.Exit(0)
}
"""


@VCORES
def test_the_tour_and_the_pipes(fairlead, examples: Path, vcores: int) -> None:
    """Goroutines, timers, preemption, threads, files; signals and deadlines."""
    told = {}
    for name in ("tour", "pipes"):
        for options in ((f"--set=vcores={vcores}",), ()):
            ran = fairlead("run", "--port", "akaros", *options, examples / name, "a")
            assert (ran.stderr, ran.returncode) == ("", 0)
            told.setdefault(name, set()).add(ran.stdout)
    assert {name: len(outputs) for name, outputs in told.items()} == {"tour": 1, "pipes": 1}


ALL_THREADS = """\
package main

import (
	"fmt"
	"runtime"
	"syscall"
)

func main() {
	ask, answer := make(chan bool), make(chan uintptr)
	for range 3 {
		go func() {
			runtime.LockOSThread()
			answer <- 0
			for range ask {
				kept, _, _ := syscall.Syscall(syscall.SYS_PRCTL, syscall.PR_GET_KEEPCAPS, 0, 0)
				answer <- kept
			}
		}()
		<-answer
	}
	for _, keep := range []uintptr{1, 0, 1} {
		_, _, errno := syscall.AllThreadsSyscall(syscall.SYS_PRCTL, syscall.PR_SET_KEEPCAPS, keep, 0)
		fmt.Print(int(errno))
		for range 3 {
			ask <- true
			fmt.Print(" ", <-answer)
		}
		fmt.Println()
	}
}
"""


@VCORES
def test_a_call_of_all_threads_is_the_process_s(fairlead, go_program, vcores: int) -> None:
    """It is made once, and every uthread sees what it changed, those too that waited."""
    ran = fairlead("run", "--port", "akaros", f"--set=vcores={vcores}", go_program(ALL_THREADS))
    assert (ran.stdout, ran.stderr, ran.returncode) == ("0 1 1 1\n0 0 0 0\n0 1 1 1\n", "", 0)


@VCORES
def test_every_step_of_the_scheduler_is_in_its_trace(
    fairlead, go_program, tmp_path: Path, vcores: int
) -> None:
    """A uthread runs, blocks on a system call, EV_SYSCALL comes in vcore context and makes it runnable."""
    trace = tmp_path / "sched"
    program = go_program(SCHEDULED)
    ran = fairlead("run", "--port", "akaros", f"--set=vcores={vcores}", f"--trace=sched={trace}", program)
    assert (ran.stdout, ran.returncode) == (f"{vcores} {vcores}\n1 <nil>\n", 0), ran.stderr
    lines = trace.read_text()
    used = {int(each) for each in re.findall(r"^vcore (\d): run uthread", lines, re.MULTILINE)}
    assert used == set(range(vcores))
    gap = r"\n(?:[^\n]+\n)*?"
    way = [
        r"vcore (\d): run uthread (\d+)",
        r"uthread \2 blocks on syscall (0x\w+)",
        r"block 0x(\w+)(?: [^\n]*)?",
        r"vcore (\d): entry",
        r"vcore \5: EV_SYSCALL \3",
        r"wake 0x\4(?: [^\n]*)?",
    ]
    found = re.search("^" + gap.join(way) + "$", lines, re.MULTILINE)
    assert found is not None, lines[-3000:]
    assert int(found[4], 16) == int(found[2])


@pytest.mark.slow
@VCORES
def test_packages_of_the_library(fairlead, vcores: int) -> None:
    packages = ("context", "errors", "sync", "sync/atomic", "time")
    lists = read_lists(Path(__file__).parents[2] / "stdlib")
    listed = {top(test) for package in packages for test in lists.of(package, "akaros")}
    skip = "^(" + "|".join(sorted(listed)) + ")$"
    options = ("test", "--port", "akaros", f"--set=vcores={vcores}", "--json")
    ran = fairlead(*options, *packages, "--", "-short", f"-skip={skip}", timeout=600)
    report = json.loads(ran.stdout)["packages"]
    assert {each["package"]: each["status"] for each in report} == dict.fromkeys(packages, "pass"), ran.stderr
    assert sum(each["passed"] for each in report) > 200
    assert ran.returncode == 0
