"""Programs that spoil what parlib lives on, and nonsense in every call: they may end, the port may not."""

from __future__ import annotations

import pytest

PROGRAM = {
    "main.go": """\
package main

import (
	"fmt"
	"math/rand"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"unsafe"
	"usys"
)

func call(number, a0, a1, a2, a3, a4, a5 uintptr) uintptr

func kernel(number uint32, args ...uintptr) *usys.Syscall {
	c := &usys.Syscall{Num: number}
	copy(c.Arg[:], args)
	usys.Call1(usys.USYS_GO_SYSCALL, uintptr(unsafe.Pointer(c)))
	return c
}

func word(at uintptr) *uint64 { return (*uint64)(unsafe.Pointer(at)) }

var (
	room    [1 << 16]byte
	caught  = make(chan os.Signal, 1)
	public  = uintptr(usys.Constant(usys.PROCDATA)) + 4608 + 3200 // of vcore 0
	events  = uintptr(usys.Constant(usys.PROCDATA)) + 4184
	random  *rand.Rand
	outside = []uintptr{
		0, 1, 8, 0x1000, 1 << 31, 1 << 32, 1<<47 - 8, 1 << 47, 1 << 62, 1 << 63, ^uintptr(0), ^uintptr(99),
	}
)

func signalled() {
	syscall.Kill(os.Getpid(), syscall.SIGUSR1)
	fmt.Println(<-caught)
}

func nonsense() uintptr {
	switch random.Intn(4) {
	case 0:
		return outside[random.Intn(len(outside))]
	case 1:
		return uintptr(random.Uint64())
	case 2:
		return uintptr(unsafe.Pointer(&room)) + uintptr(random.Intn(len(room)))
	}
	return uintptr(random.Intn(300))
}

func main() {
	signal.Notify(caught, syscall.SIGUSR1)
	switch os.Args[1] {
	case "mailbox":
		for i := uintptr(0); i < 160; i += 8 {
			*word(public + i) = 0x4141414141414141
		}
		signalled()
	case "ring": // a queue whose pages lead to each other without end
		page := (uintptr(unsafe.Pointer(&room)) + 4095) &^ 4095
		*word(page) = uint64(page + 200)
		*word(public + 8 + 24) = uint64(page + 200)
		signalled()
	case "queue":
		*word(events + 8*12) = 0x4242424242424242
		signalled()
	case "none":
		*word(events + 8*12) = 0
		signal.Reset(syscall.SIGTERM)
		syscall.Kill(os.Getpid(), syscall.SIGTERM)
		fmt.Println("nobody listens")
	case "heap":
		fmt.Println(kernel(uint32(usys.Constant(usys.SYS_MUNMAP)), 1<<44, 1<<30).Retval)
		signalled()
	case "code":
		kernel(uint32(usys.Constant(usys.SYS_MUNMAP)), usys.Address(usys.USYS_FUTEX)&^4095, 4096)
		fmt.Println("still here")
	case "procdata":
		data := uintptr(usys.Constant(usys.PROCDATA))
		fmt.Println(kernel(uint32(usys.Constant(usys.SYS_MUNMAP)), data, 4096).Err)
		_, _, err := syscall.RawSyscall6(syscall.SYS_MREMAP, data, 4096, 8192, 0, 0, 0)
		fmt.Println(uint(err))
	case "calls":
		seed, _ := strconv.Atoi(os.Args[2])
		random = rand.New(rand.NewSource(int64(seed)))
		for range 400 {
			number := uintptr(random.Intn(220))
			if number == 2 || number == 36 {
				continue // they sleep, for ever in effect
			}
			call(number, nonsense(), nonsense(), nonsense(), nonsense(), nonsense(), nonsense())
		}
	}
}
""",
    "wild_amd64.s": """\
#include "textflag.h"

// call hands over a structure on this stack.
TEXT ·call(SB),NOSPLIT,$224-64
	MOVQ	number+0(FP), AX
	MOVQ	AX, 0(SP)
	MOVQ	$0, 16(SP)
	MOVQ	a0+8(FP), AX
	MOVQ	AX, 40(SP)
	MOVQ	a1+16(FP), AX
	MOVQ	AX, 48(SP)
	MOVQ	a2+24(FP), AX
	MOVQ	AX, 56(SP)
	MOVQ	a3+32(FP), AX
	MOVQ	AX, 64(SP)
	MOVQ	a4+40(FP), AX
	MOVQ	AX, 72(SP)
	MOVQ	a5+48(FP), AX
	MOVQ	AX, 80(SP)
	MOVQ	SP, DI
	MOVQ	$1, SI
	INT	$0x30
	MOVQ	8(SP), AX
	MOVQ	AX, ret+56(FP)
	RET
""",
}


@pytest.fixture(scope="module")
def wild(fairlead, go_package, tmp_path_factory):
    image = tmp_path_factory.mktemp("wild") / "wild"
    built = fairlead("build", "--port", "akaros", "-o", image, go_package(PROGRAM))
    assert built.returncode == 0, built.stderr

    def run(*arguments: str):
        ran = fairlead("run", "--port", "akaros", "--max-time", "1000s", image, *arguments, timeout=60)
        for wrong in ("Traceback", "hook", "internal error"):
            assert wrong not in ran.stderr, ran.stderr
        return ran

    return run


@pytest.mark.parametrize("what", ["mailbox", "ring", "queue", "heap"])
def test_spoiled_mailboxes_are_the_program_s_own_end(wild, what: str) -> None:
    ran = wild(what)
    # Where the signal is lost the program waits: a deadlock, or the end of its time.
    assert ran.returncode in (0, 123, 124, 128 + 11), ran.stderr


def test_without_a_queue_a_signal_does_what_it_does_by_default(wild) -> None:
    assert "nobody listens" in wild("none").stdout


def test_without_parlib_s_code_the_program_is_gone(wild) -> None:
    ran = wild("code")
    assert ran.returncode not in (0, 125)


def test_shared_pages_stay(wild) -> None:
    assert wild("procdata").stdout.splitlines() == ["22", "38"]


@pytest.mark.parametrize("seed", range(6))
def test_nonsense(wild, seed: int) -> None:
    wild("calls", str(seed))
