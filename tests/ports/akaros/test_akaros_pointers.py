"""Pointers that the runtime's half of a call follows: where they lead nowhere, the call fails."""

from __future__ import annotations

import pytest

PROGRAM = """\
package main

import (
	"fmt"
	"os/signal"
	"runtime"
	"syscall"
	"unsafe"
)

const page = 4096

func area(rights uintptr) uintptr {
	at, _, err := syscall.RawSyscall6(syscall.SYS_MMAP, 0, 2*page, 3, 0x22, ^uintptr(0), 0)
	if err != 0 {
		panic(err)
	}
	for i := range uintptr(page) {
		*(*byte)(unsafe.Pointer(at + i)) = 'x'
	}
	syscall.RawSyscall(syscall.SYS_MPROTECT, at, page, rights)
	syscall.RawSyscall(syscall.SYS_MPROTECT, at+page, page, 0)
	return at
}

func main() {
	runtime.LockOSThread()
	signal.Ignore(syscall.SIGHUP)
	here := ^uintptr(99)
	root := []byte("/\\x00")
	path := uintptr(unsafe.Pointer(&root[0]))
	readable := area(1)
	calls := map[string][]uintptr{
		"openat":            {257, here, 0, 0},
		"openat of a file":  {257, 5, 0, 0},
		"fstat":             {5, 1, 0},
		"newfstatat":        {262, here, path, 0},
		"sched_getaffinity": {204, 0, 8, 0},
		"clock_gettime":     {228, 0, 0},
		"gettimeofday":      {96, 0, 0},
		"setitimer":         {38, 2, 0, 0},
		"utimensat":         {280, here, path, 0, 0},
		"symlinkat":         {266, 0, here, path},
		"nbind":             {1145, 0, path, 0},
	}
	place := map[string]int{
		"openat": 2, "openat of a file": 2, "fstat": 2, "newfstatat": 3, "sched_getaffinity": 3,
		"clock_gettime": 2, "gettimeofday": 1, "setitimer": 2, "utimensat": 3, "symlinkat": 1, "nbind": 1,
	}
	null := map[string]bool{"gettimeofday": true, "setitimer": true, "utimensat": true}
	tried := 0
	for name, call := range calls {
		edge := area(3) + page // some of a structure may be written in front of it
		bad := []uintptr{0, 1, 0xdead0000, 1 << 47, 1 << 63, ^uintptr(0), edge - 1, edge}
		for _, pointer := range append(bad, readable) {
			switch {
			case pointer == readable && (call[0] > 261 || call[0] == 257 || call[0] == 38),
				pointer == 0 && null[name]:
				continue
			}
			a := make([]uintptr, 7)
			copy(a, call)
			a[place[name]] = pointer
			_, _, err := syscall.RawSyscall6(a[0], a[1], a[2], a[3], a[4], a[5], a[6])
			if err != syscall.EFAULT {
				fmt.Printf("%s of %#x: %v\\n", name, pointer, err)
			}
			tried++
		}
	}
	fmt.Println(tried > 80)
	syscall.Kill(0, syscall.SIGSEGV) // one that is sent is still what it was
	select {}
}
"""


@pytest.mark.parametrize("words", [(), ("--check", "stacks"), ("--set", "vcores=1")])
def test_a_pointer_that_leads_nowhere_is_efault(fairlead, go_program, words: tuple[str, ...]) -> None:
    ran = fairlead("run", "--port", "akaros", *words, go_program(PROGRAM))
    assert (ran.stdout, ran.returncode) == ("true\n", 2), ran.stderr
    assert ran.stderr.startswith("SIGSEGV: segmentation violation\n")
