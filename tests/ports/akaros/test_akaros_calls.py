"""System calls as structures: batches, both instructions, calls that go on alone, events, shared pages."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PROGRAM = {
    "main.go": """\
package main

import (
	"fmt"
	"os"
	"runtime/debug"
	"strings"
	"syscall"
	"time"
	"unsafe"
	"usys"
)

func trap(first *usys.Syscall, n uintptr) (started, rdi, rsi uintptr)
func fastcall(first *usys.Syscall, n uintptr) (started uintptr)

var (
	room  [64]byte
	calls [8]usys.Syscall
	queue struct {
		mbox           uintptr
		flags          int32
		alert          bool
		vcore          uint32
		handler, udata uintptr
		kind           uint64
		check          byte
		bits           [7]byte
		_              [64]byte
	}
)

const (
	SC_DONE   = 1
	SC_UEVENT = 4
)

func at(p *byte) uintptr { return uintptr(unsafe.Pointer(p)) }

func set(c *usys.Syscall, number int, args ...uintptr) *usys.Syscall {
	*c = usys.Syscall{Num: uint32(usys.Constant(number)), Err: 55}
	copy(c.Arg[:], args)
	return c
}

func kernel(number int, args ...uintptr) *usys.Syscall {
	c := set(new(usys.Syscall), number, args...)
	usys.Call1(usys.USYS_GO_SYSCALL, uintptr(unsafe.Pointer(c)))
	return c
}

func words(c *usys.Syscall) string {
	return string(c.Errstr[:strings.IndexByte(string(c.Errstr[:]), 0)])
}

func show(c *usys.Syscall) { fmt.Println(c.Retval, c.Err, c.Flags, words(c)) }

func word(base uint64, offset uintptr) uint64 {
	return *(*uint64)(unsafe.Pointer(uintptr(base) + offset))
}

func main() {
	switch os.Args[1] {
	case "batch":
		for i := range calls {
			set(&calls[i], usys.SYS_NULL)
		}
		set(&calls[2], usys.SYS_CLOSE, 77)
		set(&calls[5], usys.SYS_UMASK, 0o77)
		started, rdi, rsi := trap(&calls[0], 8)
		fmt.Println(started, rdi == uintptr(unsafe.Pointer(&calls[0])), rsi)
		for i := range calls {
			show(&calls[i])
		}
		started, _, _ = trap(&calls[0], 1)
		fmt.Println(started, fastcall(set(&calls[1], usys.SYS_NULL), 1))
		show(&calls[1])
		started, _, _ = trap((*usys.Syscall)(unsafe.Pointer(uintptr(1<<40))), 1)
		none, _, _ := trap(&calls[0], 0)
		fmt.Println(started, none)
	case "unknown":
		c := &usys.Syscall{Num: 180}
		usys.Call1(usys.USYS_GO_SYSCALL, uintptr(unsafe.Pointer(c)))
		show(c)
		_, _, err := syscall.Syscall(999, 0, 0, 0)
		fmt.Println(err)
	case "async":
		var p [2]int
		syscall.Pipe(p[:])
		c := set(&calls[0], usys.SYS_READ, uintptr(p[0]), at(&room[0]), 64)
		fmt.Println(usys.Call1(usys.USYS_SYSCALL_ASYNC, uintptr(unsafe.Pointer(c))), c.Flags&SC_DONE)
		syscall.Write(p[1], []byte("late"))
		usys.Call1(usys.USYS_UTHREAD_BLOCKON_SYSC, uintptr(unsafe.Pointer(c)))
		fmt.Println(c.Flags&SC_DONE, c.Retval, string(room[:c.Retval]))
		set(c, usys.SYS_READ, uintptr(p[0]), at(&room[0]), 64)
		usys.Call1(usys.USYS_SYSCALL_ASYNC, uintptr(unsafe.Pointer(c)))
		fmt.Println(kernel(usys.SYS_ABORT_SYSC, uintptr(unsafe.Pointer(c))).Retval)
		usys.Call1(usys.USYS_UTHREAD_BLOCKON_SYSC, uintptr(unsafe.Pointer(c)))
		fmt.Println(c.Retval, c.Err, words(c))
		fmt.Println(kernel(usys.SYS_ABORT_SYSC, uintptr(unsafe.Pointer(c))).Retval)
		set(c, usys.SYS_BLOCK, 5000)
		start := time.Now()
		usys.Call1(usys.USYS_SYSCALL_ASYNC, uintptr(unsafe.Pointer(c)))
		fmt.Println(c.Flags&SC_DONE, time.Since(start) < 5*time.Millisecond)
		usys.Call1(usys.USYS_UTHREAD_BLOCKON_SYSC, uintptr(unsafe.Pointer(c)))
		fmt.Println(c.Retval, time.Since(start) >= 5*time.Millisecond)
	case "descriptor":
		var p [2]int
		syscall.Pipe(p[:])
		done := make(chan error)
		for range 2 {
			go func() {
				_, err := syscall.Read(p[0], room[:])
				done <- err
			}()
		}
		time.Sleep(time.Millisecond)
		fmt.Println(syscall.AbortSyscFd(p[1]))
		fmt.Println(syscall.AbortSyscFd(p[0]))
		fmt.Println(<-done, <-done)
	case "event":
		queue.mbox, queue.kind = uintptr(unsafe.Pointer(&queue.kind)), 2 // EV_MBOX_BITMAP
		c := set(&calls[0], usys.SYS_BLOCK, 1000)
		c.EvQ, c.Flags = uintptr(unsafe.Pointer(&queue)), SC_UEVENT
		usys.Call1(usys.USYS_SYSCALL_ASYNC, uintptr(unsafe.Pointer(c)))
		fmt.Println(queue.check, queue.bits)
		time.Sleep(2 * time.Millisecond)
		fmt.Println(queue.check, queue.bits, c.Flags)
	case "deadline":
		var p [2]int
		syscall.Pipe(p[:])
		start := time.Now()
		syscall.RunWithDeadline(func() {
			n, err := syscall.Read(p[0], room[:])
			fmt.Println(n, err)
		}, start.Add(20*time.Millisecond).UnixNano())
		took := time.Since(start)
		fmt.Println(took >= 20*time.Millisecond, took < 40*time.Millisecond)
		syscall.Write(p[1], []byte("x"))
		syscall.RunWithDeadline(func() {
			n, err := syscall.Read(p[0], room[:])
			fmt.Println(n, err)
		}, time.Now().Add(time.Hour).UnixNano())
	case "pages":
		info, data := usys.Constant(usys.PROCINFO), usys.Constant(usys.PROCDATA)
		global := usys.Constant(usys.PROC_GLOBAL_INFO)
		fmt.Printf("%#x %#x %#x\\n", info, data, global)
		pid := uint32(word(info, 0))
		fmt.Println(pid == uint32(os.Getpid()), word(info, 8), word(info, 16), word(global, 24))
		fmt.Println(word(data, 4608+3160) != 0, word(data, 4184+8*12) != 0)
		debug.SetPanicOnFault(true)
		defer func() { fmt.Println(recover()) }()
		*(*uint64)(unsafe.Pointer(uintptr(info))) = 1
	}
}
""",
    "trap_amd64.s": """\
#include "textflag.h"

TEXT ·trap(SB),NOSPLIT,$0-40
	MOVQ	first+0(FP), DI
	MOVQ	n+8(FP), SI
	INT	$0x30
	MOVQ	AX, started+16(FP)
	MOVQ	DI, rdi+24(FP)
	MOVQ	SI, rsi+32(FP)
	RET

TEXT ·fastcall(SB),NOSPLIT,$0-24
	MOVQ	first+0(FP), DI
	MOVQ	n+8(FP), SI
	MOVQ	SP, DX
	SYSCALL
	MOVQ	AX, started+16(FP)
	RET
""",
}

EXPECTED = {
    "batch": [
        "8 true 8",
        *["0 0 1 "] * 2,
        "-1 9 1 FD was not open",
        *["0 0 1 "] * 2,
        "18 0 1 ",
        *["0 0 1 "] * 2,
        "1 1",
        "0 0 1 ",
        "0 0",
    ],
    "unknown": ["-1 0 1 ", "function not implemented"],
    "async": [
        "1 0",
        "1 4 late",
        "1",
        "-1 4 syscall aborted",
        "0",
        "0 true",
        "0 true",
    ],
    "descriptor": ["0 <nil>", "2 <nil>", "interrupted system call interrupted system call"],
    "event": ["0 [0 0 0 0 0 0 0]", "1 [0 4 0 0 0 0 0] 5"],
    "deadline": ["-1 interrupted system call", "true true", "1 <nil>"],
    "pages": [
        "0x7f7fffc00000 0x7f7fffa00000 0x7f7fffe00000",
        "true 4 1000000000 1000000000",
        "true true",
        "runtime error: invalid memory address or nil pointer dereference",
    ],
}


@pytest.fixture(scope="module")
def image(fairlead, go_package, tmp_path_factory):
    image = tmp_path_factory.mktemp("calls") / "calls"
    built = fairlead("build", "--port", "akaros", "-o", image, go_package(PROGRAM))
    assert built.returncode == 0, built.stderr
    return image


@pytest.mark.parametrize("what", EXPECTED)
def test_calls(fairlead, image, what: str) -> None:
    ran = fairlead("run", "--port", "akaros", image, what)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines() == EXPECTED[what], ran.stderr


@pytest.mark.parametrize("vcores", [1, 4])
def test_a_deadline_is_an_alarm_that_aborts_the_call(fairlead, image, tmp_path: Path, vcores: int) -> None:
    trace = tmp_path / "sched"
    options = (f"--set=vcores={vcores}", f"--trace=sched={trace}")
    ran = fairlead("run", "--port", "akaros", *options, image, "deadline")
    assert (ran.stdout.splitlines(), ran.returncode) == (EXPECTED["deadline"], 0), ran.stderr
    way = [
        r"uthread (\d+) blocks on syscall (0x\w+)",
        r"alarm 0x\w+ for uthread \1",
        r"vcore (\d): EV_SYSCALL \2",
    ]
    gap = r"\n(?:[^\n]+\n)*?"
    assert re.search("^" + gap.join(way) + "$", trace.read_text(), re.MULTILINE)
    assert len(re.findall(r"^alarm ", trace.read_text(), re.MULTILINE)) == 1  # the second one was unset


def test_an_unknown_number_is_named_once(fairlead, image) -> None:
    ran = fairlead("run", "--port", "akaros", image, "unknown")
    wanted = "fairlead: system calls that akaros does not have: syscall_180 (1), syscall_999 (1)\n"
    assert ran.stderr == wanted


def test_traces_name_calls_as_akaros_does(fairlead, image) -> None:
    ran = fairlead("run", "--port", "akaros", "--strace", image, "batch")
    names = {line.split()[2].partition("(")[0] for line in ran.stderr.splitlines()}
    assert {"null", "umask", "close", "mmap", "pthread_create", "sigaction"} <= names
