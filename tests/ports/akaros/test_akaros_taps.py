"""Taps on descriptors, second descriptors, and entries of directories, by Akaros' own calls."""

from __future__ import annotations

import pytest

PROGRAM = {
    "main.go": """\
package main

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"
	"unsafe"
	"usys"
)

func trap(first *usys.Syscall, n uintptr) (started uintptr)

type request struct {
	fd, cmd, filter, evID int32
	evQ, data             uintptr
}

const (
	ADD, REMOVE        = 1, 2
	READABLE, WRITABLE = 1, 2
	HANGUP             = 0x200
)

// An event queue with a bitmap for a mailbox.
var queue struct {
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

// An event queue with a queue of messages for a mailbox, on two pages.
var ordered struct {
	mbox           uintptr
	flags          int32
	alert          bool
	vcore          uint32
	handler, udata uintptr
	kind           uint64
	prod, spare    uintptr
	extra, cons    uintptr
	overflow       byte
	ready          byte
	_              [64]byte
}

// call hands a structure over itself: go_syscall would clear errno where a value comes back.
func call(number int, args ...uintptr) *usys.Syscall {
	c := &usys.Syscall{Num: uint32(usys.Constant(number))}
	copy(c.Arg[:], args)
	trap(c, 1)
	return c
}

func show(c *usys.Syscall) {
	fmt.Println(c.Retval, c.Err, string(c.Errstr[:strings.IndexByte(string(c.Errstr[:]), 0)]))
}

func tap(requests ...request) *usys.Syscall {
	return call(usys.SYS_TAP_FDS, uintptr(unsafe.Pointer(&requests[0])), uintptr(len(requests)))
}

func fired() byte {
	bits := queue.bits[0]
	queue.bits[0], queue.check = 0, 0
	return bits
}

func pipe() (r, w int32) {
	var p [2]int
	syscall.Pipe(p[:])
	return int32(p[0]), int32(p[1])
}

func taps() {
	at := uintptr(unsafe.Pointer(&queue))
	queue.mbox, queue.kind = uintptr(unsafe.Pointer(&queue.kind)), 2
	r, w := pipe()
	show(tap(request{r, ADD, READABLE | HANGUP, 3, at, 0}, request{w, ADD, WRITABLE, 4, at, 0}))
	syscall.Write(int(w), []byte("x"))
	fmt.Println(fired())
	room := make([]byte, 8)
	syscall.Read(int(r), room)
	fmt.Println(fired())
	show(tap(request{r, ADD, READABLE, 3, at, 0}))
	show(tap(request{w, REMOVE, 0, 0, 0, 0}, request{w, REMOVE, 0, 0, 0, 0}))
	syscall.Close(int(w))
	fmt.Println(fired())
	syscall.Close(int(r))
	again, _ := pipe()
	fmt.Println(again == r)
	show(tap(request{r, REMOVE, 0, 0, 0, 0}))
	show(tap(request{r, 3, 0, 0, 0, 0}))
	show(tap(request{r, ADD, 1 << 6, 3, at, 0}))
	show(tap(request{r, ADD, READABLE, 3, ^uintptr(99), 0}))
	show(tap(request{-1, ADD, READABLE, 3, at, 0}))
	show(tap(request{99, ADD, READABLE, 3, at, 0}))
	show(tap(request{1 << 20, ADD, READABLE, 3, at, 0}))
	os.WriteFile("/tmp/file", nil, 0o600)
	f, _ := os.Open("/tmp/file")
	show(tap(request{int32(f.Fd()), ADD, READABLE, 3, at, 0}))
	show(call(usys.SYS_TAP_FDS, ^uintptr(99), 3))
	show(call(usys.SYS_TAP_FDS, 64, 3))
}

// messages come in order, with what happened and the data of the tap.
func messages() {
	pages := (uintptr(unsafe.Pointer(&make([]byte, 3*4096)[0])) + 4095) &^ 4095
	ordered.mbox, ordered.kind = uintptr(unsafe.Pointer(&ordered.kind)), 1
	ordered.prod, ordered.spare, ordered.cons, ordered.ready = pages, pages+4096, pages, 1
	event, _, _ := syscall.Syscall(syscall.SYS_EVENTFD2, 0, 0, 0)
	at := uintptr(unsafe.Pointer(&ordered))
	r, w := pipe()
	show(tap(request{int32(event), ADD, READABLE, 40, at, 7}, request{r, ADD, READABLE, 300, at, 8}))
	syscall.Write(int(event), []byte{1, 0, 0, 0, 0, 0, 0, 0})
	syscall.Write(int(w), []byte("x"))
	for i := range ordered.prod - ordered.cons {
		m := pages + 16 + 32*i
		kind, what := *(*uint16)(unsafe.Pointer(m)), *(*uint32)(unsafe.Pointer(m + 4))
		fmt.Println(kind, what, *(*uint64)(unsafe.Pointer(m + 8)))
	}
}

func descriptors() {
	r, w := pipe()
	entries := [][3]int32{{w, 50, 7}, {w, 50, 7}, {99, 51, 7}, {r, 1 << 20, 7}, {r, 52, 7}}
	c := call(usys.SYS_DUP_FDS_TO, uintptr(os.Getpid()), uintptr(unsafe.Pointer(&entries[0])), 5)
	fmt.Println(c.Retval, c.Err)
	for _, each := range entries {
		fmt.Print(each[2], " ")
	}
	fmt.Println()
	fmt.Println(syscall.Write(50, []byte("through")))
	room := make([]byte, 16)
	n, err := syscall.Read(52, room)
	fmt.Println(string(room[:n]), err)
	show(call(usys.SYS_DUP_FDS_TO, uintptr(os.Getpid()), uintptr(unsafe.Pointer(&entries[1])), 1))
	show(call(usys.SYS_CHANGE_VCORE, 0, 0))
}

func entries() {
	os.MkdirAll("/tmp/d/sub", 0o700)
	os.WriteFile("/tmp/d/file", nil, 0o600)
	name := []byte("/tmp/d")
	fd := uintptr(call(usys.SYS_OPENAT, ^uintptr(99), uintptr(unsafe.Pointer(&name[0])), 6, 1, 0).Retval)
	var entry struct {
		ino    uint64
		off    int64
		reclen uint16
		kind   uint8
		name   [256]byte
	}
	at := uintptr(unsafe.Pointer(&entry))
	for {
		c := call(usys.SYS_READ, fd, at, unsafe.Sizeof(entry)+100)
		end := entry.reclen
		fmt.Println(c.Retval, c.Err, string(entry.name[:end]), entry.name[end], entry.kind, entry.off)
		if c.Retval == 0 {
			break
		}
	}
	var offset uint64
	show(call(usys.SYS_LLSEEK, fd, 0, 0, uintptr(unsafe.Pointer(&offset)), 0))
	fmt.Println(call(usys.SYS_READ, fd, at, unsafe.Sizeof(entry)).Retval, string(entry.name[:entry.reclen]))
}

// processes: everything about one is looked at, and then there is no room for it.
func processes() {
	os.WriteFile("/tmp/program", append([]byte("\\x7fELF"), make([]byte, 60)...), 0o700)
	argv := []*byte{&[]byte("program\\x00")[0], &[]byte("argument\\x00")[0], nil}
	envp := []*byte{&[]byte("A=B\\x00")[0], nil}
	at := uintptr(usys.Call(usys.USYS_SERIALIZE_ARGV_ENVP,
		uintptr(unsafe.Pointer(&argv[0])), uintptr(unsafe.Pointer(&envp[0]))))
	size := *(*uintptr)(unsafe.Pointer(at))
	fmt.Println(syscall.ProcCreate("/tmp/program", at+8, size, 0))
	fmt.Println(syscall.ProcCreate("/tmp/program", at+8, 39, 0))
	fmt.Println(syscall.ProcCreate("/tmp/other", at+8, size, 0))
	fmt.Println(syscall.ProcRun(4711), syscall.ProcRun(os.Getpid()))
	r, _ := pipe()
	maps := []syscall.Childfdmap{{Parentfd: uint32(r), Childfd: 60}}
	n, err := syscall.DupFdsTo(os.Getpid(), &maps[0], 1)
	fmt.Println(n, err, maps[0].Ok)
	n, err = syscall.DupFdsTo(4711, &maps[0], 1)
	fmt.Println(n, err)
}

func number(number uint32, args ...uintptr) *usys.Syscall {
	c := &usys.Syscall{Num: number}
	copy(c.Arg[:], args)
	trap(c, 1)
	return c
}

// small shows calls that have little to do.
func small() {
	var termios [15]uint32
	show(number(141, 0, uintptr(unsafe.Pointer(&termios))))
	fmt.Printf("%#x %#x\\n", termios[0], termios[14])
	show(number(142, 0, 0, uintptr(unsafe.Pointer(&termios))))
	for _, each := range []uint32{22, 23, 27, 35} { // shared pages, halt_core, vc_entry
		show(number(each))
	}
	show(number(30, 0, 0)) // poke_ksched
	show(number(30, 4711, 0))
}

func main() {
	switch os.Args[1] {
	case "taps":
		taps()
	case "messages":
		messages()
	case "descriptors":
		descriptors()
	case "entries":
		entries()
	case "processes":
		processes()
	case "small":
		small()
	}
	time.Sleep(time.Millisecond)
}
""",
    "trap_amd64.s": """\
#include "textflag.h"

TEXT ·trap(SB),NOSPLIT,$0-24
	MOVQ	first+0(FP), DI
	MOVQ	n+8(FP), SI
	INT	$0x30
	MOVQ	AX, started+16(FP)
	RET
""",
}

EXPECTED = {
    "taps": [
        "2 0 ",
        "8",
        "16",
        "0 16 FD {r} already has a tap",
        "1 9 FD {w} was not tapped",
        "8",
        "true",
        "0 9 FD {r} was not tapped",
        "0 38 FD Tap Command 3 not supported",
        "0 38 Unsupported #pipe data tap 0x0000000000000040, must be 0x0000000000000213",
        "0 22 Tap request with bad event_queue 0xffffffffffffff9c",
        "0 9 ",
        "0 9 ",
        "0 23 ",
        "0 38 Device tmpfs does not handle taps",
        "0 22 bad user addr 0xffffffffffffff9c + 0x0000000000000060",
        "0 14 ",
    ],
    "messages": ["2 0 ", "40 1 7", "300 1 8"],
    "descriptors": [
        "2 132",
        "0 -1 -1 -1 0 ",
        "7 <nil>",
        "through <nil>",
        "0 132 Can't insert FD 50 into FDG",
        "-16 0 ",
    ],
    "processes": [
        "-1 Failed to alloc new proc",
        "-1 Failed to unpack the args",
        "-1 walk failed",
        "no proc for pid 4711 invalid argument",
        "1 <nil> 0",
        "-1 no proc for pid 4711",
    ],
    "small": ["0 0 ", "0x2d02 0xf", "0 0 ", *["-1 0 "] * 3, "0 0 ", "0 0 ", "-1 3 "],
    "entries": ["280 0 sub 0 0 0", "280 0 file 0 0 0", "0 0 file 0 0 0", "0 0 ", "280 sub"],
}


@pytest.fixture(scope="module")
def image(fairlead, go_package, tmp_path_factory):
    image = tmp_path_factory.mktemp("taps") / "taps"
    built = fairlead("build", "--port", "akaros", "-o", image, go_package(PROGRAM))
    assert built.returncode == 0, built.stderr
    return image


@pytest.mark.parametrize("what", EXPECTED)
def test_calls_by_their_numbers(fairlead, image, what: str) -> None:
    ran = fairlead("run", "--port", "akaros", image, what)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines() == [line.format(r=3, w=4) for line in EXPECTED[what]], ran.stderr
