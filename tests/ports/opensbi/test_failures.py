"""What went wrong in the first attempt at Go on bare SBI, as tests: Hoddarla's own list of failures.

Time that is zero, "stoplockedm: not runnable", "unlock of unlocked lock" and the throw in newstack were all
traps that came at a bad moment or ran on the wrong stack. Here traps come at every moment.
"""

from __future__ import annotations

from pathlib import Path

import pytest

STRESS = """\
package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
)

// pingPong lets two goroutines that own their threads hand a number to and fro.
func pingPong(turns int) int {
	to, fro := make(chan int), make(chan int)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		for n := range to {
			fro <- n + 1
		}
		close(fro)
	}()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	n := 0
	for range turns {
		to <- n
		n = <-fro
	}
	close(to)
	return n
}

// deep grows its stack by copying it, again and again, and proves that nothing on it was lost.
func deep(n int) int {
	var room [32]int
	for i := range room {
		room[i] = n + i
	}
	below := 0
	if n > 0 {
		below = deep(n - 1)
	}
	for i := range room {
		if room[i] != n+i {
			panic("the stack was written to")
		}
	}
	return below + room[n%32] - n%32
}

type tree struct {
	left, right *tree
	data        [4]int
}

func grow(depth int) *tree {
	if depth == 0 {
		return &tree{data: [4]int{1}}
	}
	return &tree{left: grow(depth - 1), right: grow(depth - 1)}
}

func (t *tree) sum() int {
	if t.left == nil {
		return t.data[0]
	}
	return t.left.sum() + t.right.sum()
}

func contend(workers, turns int) int {
	var lock sync.Mutex
	var shared sync.RWMutex
	var group sync.WaitGroup
	total := 0
	table := map[int]int{}
	for w := range workers {
		group.Go(func() {
			for i := range turns {
				lock.Lock()
				total++
				lock.Unlock()
				shared.Lock()
				table[i] += w
				shared.Unlock()
				shared.RLock()
				_ = table[i]
				shared.RUnlock()
			}
		})
	}
	group.Wait()
	for _, n := range table {
		total += n
	}
	return total
}

func conditions(turns int) int {
	var lock sync.Mutex
	cond := sync.NewCond(&lock)
	turn, done := 0, make(chan bool)
	for me := range 3 {
		go func() {
			lock.Lock()
			for turn < turns {
				for turn%3 != me && turn < turns {
					cond.Wait()
				}
				turn++
				cond.Broadcast()
			}
			lock.Unlock()
			done <- true
		}()
	}
	for range 3 {
		<-done
	}
	return turn
}

func main() {
	runtime.GOMAXPROCS(4)
	debug.SetGCPercent(10)
	var group sync.WaitGroup
	var ticks atomic.Int64
	ticker := time.NewTicker(100 * time.Microsecond)
	go func() {
		for range ticker.C {
			ticks.Add(1)
		}
	}()
	results := make([]int, 8)
	for i, do := range []func() int{
		func() int { return pingPong(60) },
		func() int { return pingPong(60) },
		func() int { return deep(2000) },
		func() int { return deep(3000) },
		func() int { return grow(10).sum() + grow(11).sum() },
		func() int { return contend(8, 60) },
		func() int { return min(conditions(90), 90) },
		func() int { time.Sleep(2 * time.Millisecond); runtime.GC(); return 1 },
	} {
		group.Go(func() { results[i] = do() })
	}
	group.Wait()
	fmt.Println(results, ticks.Load() > 0)
}
"""

RESULT = "[60 60 2001000 4501500 3072 2160 90 1] true\n"


@pytest.fixture(scope="module")
def stress(go_program) -> Path:
    return go_program(STRESS)


@pytest.mark.parametrize("interval", [3, 7, 50, 199, 777, 2000])
def test_a_trap_at_any_moment_hurts_nobody(interval: int, stress: Path, fairlead) -> None:
    """Locked threads, stacks that grow, contended locks, the collector: all under a hail of traps."""
    ran = fairlead(
        "run", "--port", "opensbi", "--set=lives=1", f"--set=timer-interval={interval}", "--max-time=60s",
        stress, env={"GODEBUG": "", "GOGC": ""},
    )  # fmt: skip
    assert (ran.stdout, ran.stderr, ran.returncode) == (RESULT, "", 0)


def test_traps_really_came(stress: Path, fairlead, tmp_path: Path) -> None:
    """The test above would pass if the interval were not heeded."""
    trace = tmp_path / "traces"
    fairlead("run", "--port", "opensbi", f"--trace=traps={trace}", "--set=timer-interval=50", stress)
    timer = [line for line in trace.read_text().splitlines() if line.startswith("ethanol_trap1")]
    assert len(timer) > 2000
    assert len(set(timer)) >= 4


EARLY = """\
package main

import (
	"fmt"
	"time"
	_ "unsafe"
)

//go:linkname nanotime runtime.nanotime
func nanotime() int64

var first, second = nanotime(), nanotime()
var before int64

func init() { before = nanotime() }

func main() {
	last := nanotime()
	backwards := 0
	for range 10000 {
		now := nanotime()
		if now < last {
			backwards++
		}
		last = now
	}
	fmt.Println(0 < first, first <= second, second <= before, before < last, backwards)
	fmt.Println(time.Now().UTC().Format(time.DateOnly))
}
"""


@pytest.mark.parametrize("interval", [1, 10_000])
def test_time_is_never_zero_from_the_first_reading_on(interval: int, go_package, fairlead) -> None:
    program = go_package({"main.go": EARLY, "empty.s": ""})
    ran = fairlead("run", "--port", "opensbi", f"--set=timer-interval={interval}", program)
    assert ran.stderr == ""
    assert ran.stdout == "true true true true 0\n2026-01-01\n"


LOCKED = """\
package main

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
)

func main() {
	runtime.GOMAXPROCS(3)
	const ring, turns = 12, 40
	links := make([]chan int, ring)
	for i := range links {
		links[i] = make(chan int)
	}
	end := make(chan int)
	strayed := make([]int, ring)
	threads := map[int]bool{}
	var lock sync.Mutex
	for i := range ring {
		go func() {
			runtime.LockOSThread() // and never unlocked: the thread ends with it, while others wait
			self := syscall.Gettid()
			lock.Lock()
			threads[self] = true
			lock.Unlock()
			for turn := range turns {
				n := <-links[i]
				if syscall.Gettid() != self {
					strayed[i]++
				}
				if i == ring-1 && turn == turns-1 {
					end <- n + 1
				} else {
					links[(i+1)%ring] <- n + 1
				}
			}
		}()
	}
	// Load beside them: what is not locked must not end up on their threads.
	var stop atomic.Bool
	var load sync.WaitGroup
	for range 4 {
		load.Go(func() {
			sum := 0
			for !stop.Load() {
				for n := range 20000 {
					sum += n
				}
				runtime.Gosched()
			}
		})
	}
	links[0] <- 0
	fmt.Println(<-end, strayed, len(threads))
	stop.Store(true)
	load.Wait()
}
"""


@pytest.mark.parametrize("interval", [50, 10_000])
def test_goroutines_locked_to_their_threads_hand_over_under_load(interval: int, go_program, fairlead) -> None:
    """stoplockedm: each hand-over stops one locked M and starts another."""
    program = go_program(LOCKED)
    ran = fairlead(
        "run", "--port", "opensbi", "--set=lives=1", f"--set=timer-interval={interval}", "--max-time=60s",
        program,
    )  # fmt: skip
    assert (ran.stderr, ran.returncode) == ("", 0)
    assert ran.stdout == "480 [0 0 0 0 0 0 0 0 0 0 0 0] 12\n"
