"""Time on every port: where it starts, how it passes, and that nobody who watches changes it."""

from __future__ import annotations

import json
import resource
import time
from pathlib import Path

import pytest

CLOCKS = """\
package main

import (
	"fmt"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

func early() int {
	var group sync.WaitGroup
	var early atomic.Int64
	for i := range 50 {
		group.Go(func() {
			wanted := time.Duration(i*i*37+1) * time.Microsecond
			begin := time.Now()
			if i%3 == 0 {
				runtime.LockOSThread()
			}
			switch i % 3 {
			case 0:
				time.Sleep(wanted)
			case 1:
				<-time.After(wanted)
			case 2:
				<-time.NewTimer(wanted).C
			}
			if time.Since(begin) < wanted {
				early.Add(1)
			}
		})
	}
	group.Wait()
	return int(early.Load())
}

// late is by how many intervals a ticker is off at most.
func late() bool {
	begin := time.Now()
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	for range 100 {
		<-ticker.C
	}
	took := time.Since(begin)
	return took < 100*time.Millisecond || took > 120*time.Millisecond
}

func backwards() (count int) {
	var group sync.WaitGroup
	var latest atomic.Int64
	begin := time.Now()
	var wrong atomic.Int64
	for range 4 {
		group.Go(func() {
			for range 2000 {
				before := latest.Load()
				now := int64(time.Since(begin))
				if now < before {
					wrong.Add(1)
				}
				latest.CompareAndSwap(before, now)
			}
		})
	}
	group.Wait()
	return int(wrong.Load())
}

func main() {
	begin := time.Now()
	fmt.Println(begin.UTC().Format("2006-01-02T15:04:05"))
	fmt.Println(early(), late(), backwards())
	for _, text := range os.Args[1:] {
		wanted, err := time.ParseDuration(text)
		if err != nil {
			panic(err)
		}
		from := time.Now()
		time.Sleep(wanted)
		slept := time.Since(from)
		wall := time.Now().Round(0).Sub(from.Round(0))
		fmt.Println(slept >= wanted, slept < wanted+time.Second, (wall - slept).Abs() < time.Second)
	}
	fmt.Println(time.Now().UTC().Format("2006-01-02T15:04"))
}
"""


@pytest.fixture(scope="module")
def clocks(go_program) -> Path:
    return go_program(CLOCKS)


def children() -> float:
    """Processor seconds of all ended children."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def test_sleep_is_never_early_and_a_week_costs_little(port: str, clocks: Path, fairlead) -> None:
    """Not nothing: an idle Go program looks once a minute whether it is time to collect garbage."""
    fairlead("run", "--port", port, clocks)  # built now, if it was not
    before = children()
    ran = fairlead("run", "--port", port, clocks, "1ns", "1h", "167h", "1ms")
    used = children() - before
    assert (ran.stderr, ran.returncode) == ("", 0)
    begin, exact, *sleeps, end = ran.stdout.splitlines()
    assert begin == "2026-01-01T00:00:00"
    assert exact == "0 false 0"
    assert sleeps == ["true true true"] * 4
    assert end == "2026-01-08T00:00"
    print(f"a week of guest time took {used:.2f} s of host time")
    assert used < 30


@pytest.mark.parametrize(
    ("epoch", "begin", "end"),
    [
        ("1999-12-31T23:59:59Z", "1999-12-31T23:59:59", "2000-01-01T00:00"),
        ("2024-02-28T23:30:00+01:00", "2024-02-28T22:30:00", "2024-02-28T22:30"),
        ("0", "1970-01-01T00:00:00", "1970-01-01T00:00"),
        ("4102444800", "2100-01-01T00:00:00", "2100-01-01T00:00"),
    ],
)
def test_wall_time_starts_at_the_epoch(
    port: str, epoch: str, begin: str, end: str, clocks: Path, fairlead
) -> None:
    ran = fairlead("run", "--port", port, f"--epoch={epoch}", clocks, "1s")
    assert (ran.stderr, ran.returncode) == ("", 0)
    lines = ran.stdout.splitlines()
    assert (lines[0], lines[-1]) == (begin, end)


HOST = """\
package main

import (
	"fmt"
	"time"
)

func main() {
	begin := time.Now()
	fmt.Println(begin.UnixNano())
	time.Sleep(300 * time.Millisecond)
	fmt.Println(int64(time.Since(begin)))
}
"""


def test_the_host_s_clock_is_the_host_s(port: str, go_program, fairlead) -> None:
    program = go_program(HOST)
    epoch = int(time.time())
    fairlead("run", "--port", port, program)
    before = time.monotonic()
    ran = fairlead("run", "--port", port, "--clock=host", f"--epoch={epoch}", program)
    took = time.monotonic() - before
    assert (ran.stderr, ran.returncode) == ("", 0)
    start, slept = map(int, ran.stdout.split())
    assert 0.3e9 <= slept <= took * 1e9
    assert took >= 0.3
    assert 0 <= start - epoch * 10**9 < 60e9


SEEN = """\
package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"runtime"
	"sync"
	"syscall"
	"time"
	_ "unsafe"
)

//go:linkname nanotime runtime.nanotime
func nanotime() int64

// main prints what only a machine that is watched could show otherwise: times to the nanosecond.
func main() {
	fmt.Println(nanotime(), time.Now().UnixNano())
	times := make([]int64, 8)
	var group sync.WaitGroup
	for i := range times {
		group.Go(func() {
			kept := map[int][]byte{}
			for n := range 200 {
				kept[n%17] = make([]byte, 1000+n)
				if n%50 == 0 {
					time.Sleep(time.Duration(i) * time.Microsecond)
				}
			}
			times[i] = nanotime()
		})
	}
	group.Wait()
	runtime.GC()
	fmt.Println(times, rand.Int64(), nanotime())
	func() {
		defer func() { fmt.Println(recover(), nanotime()) }()
		var none *int
		*none = 1
	}()
	caught := make(chan os.Signal, 1)
	signal.Notify(caught, syscall.SIGUSR1)
	syscall.Kill(syscall.Getpid(), syscall.SIGUSR1)
	fmt.Println(<-caught, nanotime())
	order := ""
	for key := range map[int]bool{1: true, 2: true, 3: true, 4: true, 5: true} {
		order += fmt.Sprint(key)
	}
	fmt.Println(order, nanotime())
}
"""

WATCHED = [
    ["--trace=hooks=/dev/null"],
    ["--strace=/dev/null", "--trace=all,hooks,traps,sched=/dev/null"],
]


@pytest.fixture(scope="module")
def seen(go_package) -> Path:
    return go_package({"main.go": SEEN, "empty.s": ""})


def test_time_served_by_the_machine_is_the_hook_s(port: str, seen: Path, fairlead, tmp_path: Path) -> None:
    """Unwatched, the machine answers the guest's clock itself; watched, the port's hook does: the same."""
    plain = fairlead("run", "--port", port, seen)
    assert (plain.stderr, plain.returncode) == ("", 0)
    assert len(plain.stdout.splitlines()) == 5
    for words in WATCHED:
        assert fairlead("run", "--port", port, *words, seen).stdout == plain.stdout
    result = tmp_path / "result.json"
    assert fairlead("run", "--port", port, f"--result={result}", seen).stdout == plain.stdout
    assert json.loads(result.read_text())["hooks"]["nanotime"] > 100


def test_a_seed_changes_what_is_random_and_only_a_seed_does(port: str, seen: Path, fairlead) -> None:
    runs = [fairlead("run", "--port", port, f"--seed={seed}", seen).stdout for seed in (1, 1, 2, 3)]
    assert runs[0] == runs[1]
    assert len(set(runs)) == 3
    numbers = {run.splitlines()[1].split()[-2] for run in runs}
    assert len(numbers) == 3
    assert len({run.splitlines()[-1].split()[0] for run in runs}) > 1
