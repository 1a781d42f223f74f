"""One identifier a thread, the address of its M, wherever one is asked for or given, above 4 GiB too."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

THREADS = """\
package main

import (
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"unsafe"
)

func gettid() uintptr {
	r, _, _ := syscall.RawSyscall(syscall.SYS_GETTID, 0, 0, 0)
	return r
}

func tgkill(thread uintptr, number syscall.Signal) syscall.Errno {
	_, _, err := syscall.RawSyscall(syscall.SYS_TGKILL, uintptr(syscall.Getpid()), thread, uintptr(number))
	return err
}

// pending says which of its blocked signals wait for this thread.
func pending() (set uint64) {
	syscall.RawSyscall(syscall.SYS_RT_SIGPENDING, uintptr(unsafe.Pointer(&set)), 8, 0)
	return set
}

func block(how uintptr, number syscall.Signal) {
	set := uint64(1) << (number - 1)
	syscall.RawSyscall6(syscall.SYS_RT_SIGPROCMASK, how, uintptr(unsafe.Pointer(&set)), 0, 8, 0, 0)
}

// aimed sends each of eight threads a signal by its identifier; only that one finds it.
func aimed() {
	const count = 8
	var up, hit, down sync.WaitGroup
	ids := make([]uintptr, count)
	found := make([]uint64, count)
	caught := make(chan os.Signal, count)
	signal.Notify(caught, syscall.SIGUSR2)
	up.Add(count)
	hit.Add(1)
	for i := range ids {
		down.Go(func() {
			runtime.LockOSThread()
			block(0, syscall.SIGUSR2)
			ids[i] = gettid()
			up.Done()
			hit.Wait()
			found[i] = pending()
			block(1, syscall.SIGUSR2)
		})
	}
	up.Wait()
	for i := range ids {
		if i%2 == 0 {
			if err := tgkill(ids[i], syscall.SIGUSR2); err != 0 {
				fmt.Println("tgkill", err)
			}
		}
	}
	hit.Done()
	down.Wait()
	seen := map[uintptr]bool{}
	right, high := true, 0
	for i, id := range ids {
		seen[id] = true
		if id >= 1<<32 {
			high++
		}
		right = right && (found[i]>>(syscall.SIGUSR2-1)&1 == 1) == (i%2 == 0)
	}
	<-caught // more of a number may have become one
	fmt.Println("aimed", right, len(seen), high >= count-1)
	low := ids[0] & 0xffffffff
	fmt.Println("cut", tgkill(low, 0) == syscall.ESRCH, tgkill(ids[0]|1, 0) == syscall.ESRCH)
}

// timed makes a timer that sends its signal to one thread, by the 64 bits of its identifier.
func timed() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	block(0, syscall.SIGUSR1)
	event := [8]uint64{1: uint64(syscall.SIGUSR1) | 4<<32, 2: uint64(gettid())}
	var timer int32
	_, _, err := syscall.RawSyscall(syscall.SYS_TIMER_CREATE, 1, uintptr(unsafe.Pointer(&event)),
		uintptr(unsafe.Pointer(&timer)))
	when := [4]uint64{3: 1000000}
	syscall.RawSyscall6(syscall.SYS_TIMER_SETTIME, uintptr(timer), 0, uintptr(unsafe.Pointer(&when)), 0, 0, 0)
	var others atomic.Bool
	var group sync.WaitGroup
	group.Go(func() {
		runtime.LockOSThread()
		block(0, syscall.SIGUSR1)
		for range 3000000 {
		}
		others.Store(pending()>>(syscall.SIGUSR1-1)&1 == 1)
	})
	group.Wait()
	mine := pending()>>(syscall.SIGUSR1-1)&1 == 1
	signal.Ignore(syscall.SIGUSR1)
	block(1, syscall.SIGUSR1)
	fmt.Println("timed", err, mine, others.Load())
	event[2] = event[2] & 0xffffffff
	_, _, err = syscall.RawSyscall(syscall.SYS_TIMER_CREATE, 1, uintptr(unsafe.Pointer(&event)),
		uintptr(unsafe.Pointer(&timer)))
	fmt.Println("cut", err)
}

// many makes threads that end with their goroutines, while others wait.
func many() {
	var seen sync.Map
	var group, waiting sync.WaitGroup
	release := make(chan bool)
	for range 20 {
		waiting.Go(func() {
			runtime.LockOSThread()
			<-release
		})
	}
	for round := range 10 {
		for range 100 {
			group.Go(func() {
				runtime.LockOSThread()
				id := gettid()
				if _, there := seen.LoadOrStore(id, round); there && id == 0 {
					fmt.Println("two threads are one")
				}
			})
		}
		group.Wait()
	}
	close(release)
	waiting.Wait()
	count := 0
	seen.Range(func(any, any) bool { count++; return true })
	fmt.Println("many", count > 10)
}

// atonce has a thousand threads that all live at the same time.
func atonce() {
	var up, down sync.WaitGroup
	release := make(chan bool)
	ids := make([]uintptr, 1000)
	up.Add(len(ids))
	for i := range ids {
		down.Go(func() {
			runtime.LockOSThread()
			ids[i] = gettid()
			up.Done()
			<-release
		})
	}
	up.Wait()
	seen := map[uintptr]bool{}
	alive := 0
	for _, id := range ids {
		seen[id] = true
		if tgkill(id, 0) == 0 {
			alive++
		}
	}
	close(release)
	down.Wait()
	fmt.Println("at once", len(seen), alive)
}

// Packages are initialised on the first thread, whose identifier is the process', as on Linux.
var first = uintptr(syscall.Getpid()) == gettid()

func main() {
	fmt.Println("first", first)
	aimed()
	timed()
	many()
	atonce()
}
"""

SAID = """\
first true
aimed true 8 true
cut true true
timed errno 0 true false
cut invalid argument
many true
at once 1000 1000
"""


@pytest.fixture(scope="module")
def threads(go_program) -> Path:
    return go_program(THREADS)


@pytest.mark.parametrize("interval", [500, 10_000])
def test_signals_and_timers_find_their_thread(interval: int, threads: Path, fairlead) -> None:
    ran = fairlead("run", "--port", "opensbi", f"--set=timer-interval={interval}", threads)
    assert (ran.stdout, ran.stderr, ran.returncode) == (SAID, "", 0)


PREEMPTED = """\
package main

import (
	"fmt"
	"runtime"
	"time"
)

// The first M, which lies in the image, is main's; the loop gets one of the heap's.
func init() { runtime.LockOSThread() }

func main() {
	runtime.GOMAXPROCS(2)
	done := make(chan bool)
	go func() {
		runtime.LockOSThread()
		for begin := time.Now(); time.Since(begin) < 100*time.Millisecond; {
			for range 100000 {
			}
		}
		done <- true
	}()
	for range 3 {
		runtime.GC() // stops the world: the loop is preempted by SIGURG
		time.Sleep(time.Millisecond)
	}
	<-done
	fmt.Println("done")
}
"""


def test_preemption_hits_the_m_it_names(go_program, fairlead, tmp_path: Path) -> None:
    """Every SIGURG that tgkill sends is delivered on the thread whose M it named."""
    calls, hooks = tmp_path / "calls", tmp_path / "hooks"
    ran = fairlead(
        "run", "--port", "opensbi", f"--strace={calls}", f"--trace=all={hooks}", go_program(PREEMPTED)
    )
    assert (ran.stdout, ran.returncode) == ("done\n", 0)
    assert " register_m(" in calls.read_text()  # the port's own call goes by its name
    sent = re.findall(r" tgkill\(\w+, (\w+), 0x17, .*\) = 0$", calls.read_text(), re.MULTILINE)
    taken = re.findall(r"^\d+ (\w+) deliver_signal 23 ", hooks.read_text(), re.MULTILINE)
    assert len(sent) >= 2
    assert set(taken) == set(sent)
    assert len(taken) <= len(sent)  # a second one before the first is taken is the same
    assert any(int(each, 16) >= 1 << 32 for each in sent)
