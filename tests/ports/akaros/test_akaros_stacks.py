"""Calls through the tables from every stack that Go runs on, and signals' data below deep frames."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fairlead.guest.image import load_image

STACKS = {
    "main.go": """\
package main

import (
	"fmt"
	"os"
	"runtime"
	"syscall"
	"unsafe"
	"usys"
)

func onG0()
func handlerPC() uintptr
func sp() uintptr

var (
	results [13]int64
	args    = [12]uintptr{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}
	one     int64
	from    uintptr
	action  struct {
		handler uintptr
		mask    uint64
		flags   int32
		_       int32
		_       uintptr
	}
)

// all makes calls of 0 to 12 arguments, and Call1's.
func all() {
	from = sp()
	for n := range results {
		results[n] = usys.Call(usys.USYS_FUNC, args[:n]...)
	}
	one = usys.Call1(usys.USYS_FREE, 0)
}

func show(name string, before uintptr) {
	ok := one == 0
	for n, r := range results {
		known := uint(min(n, 7) * 8)
		ok = ok && uint64(r)&(1<<known-1) == 0x0007060504030201&(1<<known-1)
	}
	away := max(from, before) - min(from, before)
	fmt.Fprintln(os.Stderr, name, ok, away > 1<<15)
	results = [13]int64{}
}

//go:noinline
func deep(n int, f func()) {
	var room [128]byte
	if n == 0 {
		f()
		return
	}
	deep(n-1, f)
	room[n%128]++
}

func main() {
	runtime.LockOSThread()
	here := sp()
	all()
	show("goroutine", here)
	for _, n := range []int{3, 400} {
		deep(n, func() { here = sp(); onG0() })
		show("g0", here)
	}
	action.handler = handlerPC()
	fmt.Fprintln(os.Stderr, usys.Call(usys.USYS_SIGACTION, 12, uintptr(unsafe.Pointer(&action)), 0))
	self := uintptr(usys.Call(usys.USYS_PTHREAD_SELF))
	for _, n := range []int{3, 400} {
		deep(n, func() {
			here = sp()
			usys.Call(usys.USYS_PTHREAD_KILL, self, uintptr(syscall.SIGUSR2))
			for results[12] == 0 {
			}
		})
		show("signal", here)
	}
}
""",
    "stacks_amd64.s": """\
#include "textflag.h"

// func onG0(): call all on g0's stack, with g0 for g.
TEXT ·onG0(SB),NOSPLIT|NOFRAME,$0-0
	MOVQ	TLS, CX
	MOVQ	0(CX)(TLS*1), R14
	MOVQ	G_M(R14), BX
	MOVQ	M_G0(BX), DX
	MOVQ	56(DX), AX	// g.sched.sp
	SUBQ	$64, AX
	ANDQ	$~15, AX
	MOVQ	SP, 8(AX)
	MOVQ	R14, 16(AX)
	MOVQ	BP, 24(AX)
	MOVQ	DX, R14
	MOVQ	DX, 0(CX)(TLS*1)
	MOVQ	AX, SP
	CALL	·all(SB)
	MOVQ	TLS, CX
	MOVQ	16(SP), R14
	MOVQ	24(SP), BP
	MOVQ	8(SP), SP
	MOVQ	R14, 0(CX)(TLS*1)
	RET

// func sp() uintptr
TEXT ·sp(SB),NOSPLIT,$0-8
	MOVQ	SP, ret+0(FP)
	RET

// A handler in C's convention: g becomes gsignal, as in Go's own, for the time of the calls.
TEXT handler<>(SB),NOSPLIT|NOFRAME,$0
	PUSHQ	BX
	PUSHQ	BP
	PUSHQ	R12
	PUSHQ	R13
	PUSHQ	R14
	PUSHQ	R15
	SUBQ	$24, SP
	MOVQ	TLS, CX
	MOVQ	0(CX)(TLS*1), R14
	MOVQ	R14, 8(SP)
	MOVQ	G_M(R14), R13
	MOVQ	M_GSIGNAL(R13), R14
	MOVQ	R14, 0(CX)(TLS*1)
	XORPS	X15, X15
	CALL	·all(SB)
	MOVQ	TLS, CX
	MOVQ	8(SP), R14
	MOVQ	R14, 0(CX)(TLS*1)
	ADDQ	$24, SP
	POPQ	R15
	POPQ	R14
	POPQ	R13
	POPQ	R12
	POPQ	BP
	POPQ	BX
	RET

TEXT ·handlerPC(SB),NOSPLIT,$0-8
	MOVQ	$handler<>(SB), AX
	MOVQ	AX, ret+0(FP)
	RET
""",
}


@pytest.fixture(scope="module")
def program(fairlead, go_program, go_package, tmp_path_factory) -> Path:
    """The program, with the offsets in g and m that an image's record gives."""
    image = tmp_path_factory.mktemp("stacks") / "image"
    built = fairlead("build", "--port", "akaros", "-o", image, go_program("package main\n\nfunc main() {}\n"))
    assert built.returncode == 0, built.stderr
    record = load_image(image).require_record()
    assembly = STACKS["stacks_amd64.s"]
    for name in ("g_m", "m_g0", "m_gsignal"):
        assembly = re.sub(rf"\b{name.upper()}\b", str(record.field(name)), assembly)
    return go_package({**STACKS, "stacks_amd64.s": assembly})


@pytest.mark.parametrize("vcores", [1, 4])
def test_calls_from_every_stack(fairlead, program: Path, vcores: int) -> None:
    ran = fairlead("run", "--port", "akaros", f"--set=vcores={vcores}", program)
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr.splitlines() == [
        "goroutine true false",
        *["g0 true true"] * 2,
        "0",
        *["signal true true"] * 2,
    ]
    assert len(ran.stdout.splitlines()) == 5 * 13


SIGNALLED = """\
package main

import (
	"fmt"
	"runtime"
	"sync"
)

//go:noinline
func sum(n int, room [8]int) int {
	for i := range room {
		room[i] = n + i
	}
	if n == 0 {
		return 0
	}
	total := sum(n-1, room)
	for i := range room {
		if room[i] != n+i {
			panic("a signal's data is in a frame")
		}
	}
	return total + n
}

// small runs on a stack that is hardly bigger than a signal's data, next to others of the kind.
//
//go:noinline
func small(id uint64) {
	var room [64]uint64
	for i := range room {
		room[i] = id
	}
	for round := range 200 {
		for range 20 {
			for i := range room {
				if room[i] != id {
					panic("a signal's data is in a neighbour's frame")
				}
			}
		}
		if round%20 == 0 {
			runtime.Gosched()
		}
	}
}

func main() {
	runtime.SetCPUProfileRate(5000)
	var all sync.WaitGroup
	for start := range 16 {
		all.Go(func() {
			for round := range 600 {
				n := (start*7 + round*3) % 700
				if got := sum(n, [8]int{}); got != n*(n+1)/2 {
					panic(fmt.Sprint(n, got))
				}
			}
		})
	}
	for id := range 300 {
		all.Go(func() { small(uint64(id)) })
	}
	all.Wait()
	runtime.SetCPUProfileRate(0)
	fmt.Println("as it should be")
}
"""


@pytest.mark.parametrize("vcores", [1, 4])
def test_a_signal_s_data_harms_no_frame(fairlead, go_program, tmp_path, vcores: int) -> None:
    """It goes below the interrupted stack pointer, for which every goroutine's stack keeps room."""
    trace = tmp_path / "sched"
    program = go_program(SIGNALLED)
    ran = fairlead("run", "--port", "akaros", f"--set=vcores={vcores}", f"--trace=sched={trace}", program)
    assert (ran.stdout, ran.stderr, ran.returncode) == ("as it should be\n", "", 0)
    assert trace.read_text().count(": signal 27 at ") > 500  # the profiling alarm's, in the middle of frames
