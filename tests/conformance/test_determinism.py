"""The same seed gives the same trace, byte for byte, whatever the host is busy with."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PROGRAM = """\
package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
)

type node struct{ left, right *node }

func grow(depth int) *node {
	if depth == 0 {
		return &node{}
	}
	return &node{grow(depth - 1), grow(depth - 1)}
}

func main() {
	runtime.GOMAXPROCS(4)
	debug.SetGCPercent(10)
	var ticks, rounds atomic.Int64
	var stop atomic.Bool
	ticker := time.NewTicker(200 * time.Microsecond)
	go func() {
		for range ticker.C {
			ticks.Add(1)
		}
	}()
	var load, group sync.WaitGroup
	load.Go(func() { // never yields: only preemption takes it off
		for !stop.Load() {
			rounds.Add(1)
		}
	})
	orders := make([]string, 8)
	for i := range orders {
		group.Go(func() {
			table := map[int]*node{}
			for n := range 30 {
				table[n%7] = grow(6)
				if n%10 == i {
					time.Sleep(time.Duration(n) * time.Microsecond)
				}
			}
			for key := range table {
				orders[i] += fmt.Sprint(key)
			}
		})
	}
	group.Wait()
	stop.Store(true)
	load.Wait()
	fmt.Println(orders, ticks.Load() > 0, rounds.Load() > 0)
}
"""


def test_a_busy_host_changes_nothing(port: str, go_program, fairlead, tmp_path: Path) -> None:
    program = go_program(PROGRAM)
    seen = set()
    for run in range(6):
        busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(run % 3)]
        try:
            trace = tmp_path / f"trace{run}"
            ran = fairlead(
                "run", "--port", port, "--seed=5", f"--trace=all={trace}", program,
                env={"PYTHONHASHSEED": str(run)},
            )  # fmt: skip
        finally:
            for process in busy:
                process.kill()
                process.wait()
        assert (ran.stderr, ran.returncode) == ("", 0)
        seen.add((ran.stdout, trace.read_bytes()))
    assert len(seen) == 1
    ((_, trace_bytes),) = seen
    assert trace_bytes.count(b"\n") > 500
    other = fairlead("run", "--port", port, "--seed=6", program)
    assert other.returncode == 0
    assert other.stdout not in {out for out, _ in seen}
