"""Signals as the guide walks through them: in vcore context, on the way to a thread, on a uthread."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

KILL = """\
package main

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	caught := make(chan os.Signal, 1)
	signal.Notify(caught, syscall.SIGUSR1)
	syscall.Kill(os.Getpid(), syscall.SIGUSR1)
	fmt.Println(<-caught)
}
"""


@pytest.mark.parametrize("vcores", [1, 4])
def test_a_signal_of_the_process_takes_the_whole_way(
    fairlead, go_program, tmp_path: Path, vcores: int
) -> None:
    trace = tmp_path / "sched"
    program = go_program(KILL)
    ran = fairlead("run", "--port", "akaros", "--set", f"vcores={vcores}", f"--trace=sched={trace}", program)
    assert (ran.stdout, ran.stderr, ran.returncode) == ("user defined signal 1\n", "", 0)
    way = [
        r"vcore (\d): entry",
        r"vcore \1: EV_POSIX_SIGNAL 10",
        r"vcore \1: signal 10 in vcore context",
        r"wake 0x(\w+)",
        r"futex 0x\w+ wakes 1",
        r"run 0x\2",
        r"pthread_kill uthread (\d+) signal 10",
        r"uthread \3: signal 10 at 0x\w+",
    ]
    gap = r"\n(?:[^\n]+\n)*?"
    found = re.search("^" + gap.join(way) + "$", trace.read_text(), re.MULTILINE)
    assert found is not None
    assert int(found[2], 16) == int(found[3])  # who was woken turned it into a signal of its own


OWN = """\
package main

import (
	"fmt"
	"os"
	"os/signal"
	"runtime/parlib"
	"syscall"
)

func main() {
	caught := make(chan os.Signal, 1)
	signal.Notify(caught, syscall.SIGUSR1, syscall.SIGUSR2)
	seen := make(chan int)
	old, r := parlib.Signal(int(syscall.SIGUSR1), func(sig int) { seen <- sig })
	fmt.Println(old == nil, r)
	for _, each := range []syscall.Signal{syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGUSR1} {
		syscall.Kill(os.Getpid(), each)
		select {
		case sig := <-seen:
			fmt.Println("handler", sig)
		case sig := <-caught:
			fmt.Println("Go", sig)
		}
	}
	old, r = parlib.Signal(int(syscall.SIGUSR1), nil)
	fmt.Println(old != nil, r)
	syscall.Kill(os.Getpid(), syscall.SIGUSR1)
	fmt.Println("Go", <-caught)
	_, r = parlib.Signal(parlib.NSIG, nil)
	fmt.Println(r)
}
"""


@pytest.mark.parametrize("vcores", [1, 4])
def test_a_handler_of_the_program_s_own_comes_before_go_s(fairlead, go_program, vcores: int) -> None:
    ran = fairlead("run", "--port", "akaros", "--set", f"vcores={vcores}", go_program(OWN))
    assert ran.stderr == ""
    assert ran.stdout.splitlines() == [
        "true 0",
        "handler 10",
        "Go user defined signal 2",
        "handler 10",
        "true 0",
        "Go user defined signal 1",
        "-1",
    ]


WITHOUT_G = {
    "main.go": """\
package main

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"unsafe"
	"usys"
)

var (
	stack [1 << 16]byte
	tls   [16]uintptr
	stop  uint32
	exit  = usys.Address(usys.USYS_PTHREAD_EXIT)
	yield = usys.Address(usys.USYS_PTHREAD_YIELD)
)

func entry() uintptr

func main() {
	caught := make(chan os.Signal, 1)
	signal.Notify(caught, syscall.SIGUSR2)
	thread := usys.Call(usys.USYS_PTHREAD_CREATE, entry(),
		uintptr(unsafe.Pointer(&stack))+unsafe.Sizeof(stack), uintptr(unsafe.Pointer(&tls[4])))
	usys.Call(usys.USYS_PTHREAD_KILL, uintptr(thread), uintptr(syscall.SIGUSR2))
	fmt.Println(<-caught)
	stop = 1
	for usys.Call(usys.USYS_PTHREAD_KILL, uintptr(thread), uintptr(syscall.SIGUSR2)) == 0 {
	}
	fmt.Println("gone")
}
""",
    "thread_amd64.s": """\
#include "textflag.h"

// A thread that Go knows nothing of: no g, a stack and TLS of its own.
TEXT odd<>(SB),NOSPLIT|NOFRAME,$0
again:
	SUBQ	$8, SP
	MOVQ	·yield(SB), AX
	CALL	AX
	ADDQ	$8, SP
	CMPL	·stop(SB), $0
	JEQ	again
	XORL	DI, DI
	MOVQ	·exit(SB), AX
	CALL	AX
	INT	$3

TEXT ·entry(SB),NOSPLIT,$0-8
	MOVQ	$odd<>(SB), AX
	MOVQ	AX, ret+0(FP)
	RET
""",
}


@pytest.mark.parametrize("vcores", [1, 4])
def test_a_signal_on_a_thread_without_g_is_passed_on(
    fairlead, go_package, tmp_path: Path, vcores: int
) -> None:
    trace = tmp_path / "sched"
    folder = go_package(WITHOUT_G)
    ran = fairlead("run", "--port", "akaros", "--set", f"vcores={vcores}", f"--trace=sched={trace}", folder)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout == "user defined signal 2\ngone\n"
    threads = re.findall(r"^uthread (\d+): signal 12 at", trace.read_text(), re.MULTILINE)
    assert len(set(threads)) == 2  # the odd one, and the one that deals with what it could not


BENT = """\
package main

import (
	"fmt"
	"unsafe"
	"usys"
)

type stackT struct {
	sp    uintptr
	size  uintptr
	flags int32
}

var new, old stackT

func sigaltstack(size uintptr, flags int32, old uintptr) int64 {
	new = stackT{uintptr(unsafe.Pointer(&room)), size, flags}
	return usys.Call(usys.USYS_SIGALTSTACK, uintptr(unsafe.Pointer(&new)), old)
}

var room [1 << 15]byte

func main() {
	aside := uintptr(unsafe.Pointer(&old))
	fmt.Println(sigaltstack(1<<15, 2, 0), sigaltstack(1<<15, 0, aside), sigaltstack(100, 0, 0))
	for _, sig := range []uintptr{0, 9, 19, 65} {
		fmt.Print(usys.Call(usys.USYS_SIGACTION, sig, uintptr(unsafe.Pointer(&room)), 0), " ")
	}
	fmt.Println(usys.Call(usys.USYS_PTHREAD_KILL, 4711, 1), usys.Call(usys.USYS_PTHREAD_KILL, 1, 99))
	mask := usys.Call(usys.USYS_PTHREAD_SIGMASK, 7, uintptr(unsafe.Pointer(&room)), 0)
	fmt.Println(usys.Call(usys.USYS_SIGACTION, 10, 0xfff, 0), mask)
}
"""


def test_what_akaros_refuses_stays_refused(fairlead, go_program) -> None:
    ran = fairlead("run", "--port", "akaros", go_program(BENT))
    assert ran.stdout.splitlines() == ["-22 -22 -12", "-22 -22 -22 -22 -3 -22", "-14 -22"], ran.stderr


IDLE = """\
package main

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
	"unsafe"
)

func main() {
	caught := make(chan os.Signal, 1)
	signal.Notify(caught, syscall.SIGALRM)
	timer := [4]int64{0, 0, 3, 0}
	start := time.Now()
	syscall.RawSyscall(syscall.SYS_SETITIMER, 0, uintptr(unsafe.Pointer(&timer)), 0)
	fmt.Println(<-caught, time.Since(start).Round(time.Millisecond))
}
"""


@pytest.mark.parametrize("vcores", [1, 4])
def test_a_signal_of_the_process_comes_when_every_uthread_waits(fairlead, go_program, vcores: int) -> None:
    ran = fairlead("run", "--port", "akaros", "--set", f"vcores={vcores}", go_program(IDLE))
    assert (ran.stdout, ran.stderr) == ("alarm clock 3s\n", "")
