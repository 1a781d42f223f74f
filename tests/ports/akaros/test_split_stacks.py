"""The guide's worst bugs: foreign code on a goroutine's stack, and words that still point into an old one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

OLD_SHAPE = """\
package main

import (
	"fmt"
	"os"
	"unsafe"
	"usys"
)

// parlibSyscall is the guide's old parlib.Syscall: the structure is on the goroutine's stack.
func parlibSyscall(num uint32, a0, a1, a2 uintptr) (int64, int32) {
	call := usys.Syscall{Num: num, Arg: [6]uintptr{a0, a1, a2}}
	usys.Call1(usys.USYS_GO_SYSCALL, uintptr(unsafe.Pointer(&call))) // the call
	return call.Retval, call.Err
}

// syscall6 is the guide's old Syscall6: what it calls may split the stack.
//
//go:noinline
func syscall6(depth int, trap, a1, a2, a3 uintptr) (int64, int32) {
	grow(depth)
	return parlibSyscall(uint32(trap), a1, a2, a3) // its caller
}

//go:noinline
func grow(n int) byte {
	var room [1024]byte
	if n > 0 {
		room[n%1024] = grow(n - 1)
	}
	return room[n%512]
}

func main() {
	depth := 0
	if len(os.Args) > 1 {
		depth = 200
	}
	done := make(chan bool)
	go func() {
		var text [16]byte
		copy(text[:], "not stale\\n")
		number := uintptr(usys.Constant(usys.SYS_WRITE))
		n, errno := syscall6(depth, number, 1, uintptr(unsafe.Pointer(&text)), 10)
		fmt.Println(n, errno)
		done <- true
	}()
	<-done
}
"""

RAW = """\
package main

import (
	"syscall"
	"unsafe"
)

//go:noinline
func grow(n int) byte {
	var room [1024]byte
	if n > 0 {
		room[n%1024] = grow(n - 1)
	}
	return room[n%512]
}

//go:noinline
func stat(fd, to uintptr) {
	grow(100)
	syscall.RawSyscall(syscall.SYS_FSTAT, fd, to, 0) // the call
}

func main() {
	done := make(chan bool)
	go func() {
		var found syscall.Stat_t
		stat(0, uintptr(unsafe.Pointer(&found))) // its caller
		done <- true
	}()
	<-done
}
"""

SHIPPED = """\
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"
)

//go:noinline
func deep(n int, f func()) byte {
	var room [200]byte
	if n == 0 {
		f()
		return 0
	}
	room[n%200] = deep(n-1, f)
	return room[n%100]
}

func work(folder string, each int) error {
	name := filepath.Join(folder, fmt.Sprint("file", each))
	var text [64]byte
	copy(text[:], strings.Repeat("x", 64))
	if err := os.WriteFile(name, text[:], 0o600); err != nil {
		return err
	}
	file, err := os.Open(name)
	if err != nil {
		return err
	}
	defer file.Close()
	var back [64]byte
	if n, err := file.Read(back[:]); err != nil || n != 64 || back != text {
		return fmt.Errorf("read %d %v %q", n, err, back)
	}
	if info, err := file.Stat(); err != nil || info.Size() != 64 {
		return fmt.Errorf("stat %v %v", info, err)
	}
	time.Sleep(time.Microsecond)
	return os.Rename(name, name+".old")
}

func main() {
	folder, err := os.MkdirTemp("", "split")
	if err != nil {
		panic(err)
	}
	var group sync.WaitGroup
	for g := range 24 {
		group.Go(func() {
			for round := range 6 {
				deep(1<<((g+round)%9), func() {
					if err := work(folder, g); err != nil {
						panic(err)
					}
				})
				if round%3 == 0 {
					runtime.GC()
				}
			}
		})
	}
	group.Wait()
	found, _ := os.ReadDir(folder)
	fmt.Println(len(found), "files")
}
"""

DIRECT = """\
package main

import (
	"fmt"
	"os"
	"usys"
)

func direct(f, arg, skew uintptr) int64
func onG0(f, arg, skew uintptr) int64

func main() {
	call := usys.Syscall{Num: 1}
	done := make(chan int64)
	go func() {
		switch os.Args[1] {
		case "gate":
			done <- direct(usys.Address(usys.USYS_PTHREAD_SELF), 0, 0)
		case "go_syscall":
			done <- direct(usys.Address(usys.USYS_GO_SYSCALL), pointer(&call), 0)
		case "g0":
			done <- onG0(usys.Address(usys.USYS_PTHREAD_SELF), 0, 0)
		case "unaligned":
			done <- onG0(usys.Address(usys.USYS_PTHREAD_SELF), 0, 8)
		case "unaligned go_syscall":
			done <- onG0(usys.Address(usys.USYS_GO_SYSCALL), pointer(&call), 8)
		}
	}()
	fmt.Println("answered", <-done > 0)
}
"""
POINTER = """\
package main

import (
	"unsafe"
	"usys"
)

var kept *usys.Syscall

func pointer(call *usys.Syscall) uintptr {
	kept = call
	return uintptr(unsafe.Pointer(call))
}
"""
ASSEMBLY = """\
#include "textflag.h"

// func direct(f, arg, skew uintptr) int64: a call on the stack that this runs on.
TEXT ·direct(SB),NOSPLIT,$64-32
	MOVQ	f+0(FP), AX
	MOVQ	arg+8(FP), DI
	CALL	AX
	MOVQ	AX, ret+24(FP)
	RET

// func onG0(f, arg, skew uintptr) int64: a call on g0's stack, off by skew bytes.
TEXT ·onG0(SB),NOSPLIT,$16-32
	MOVQ	f+0(FP), AX
	MOVQ	arg+8(FP), DI
	MOVQ	skew+16(FP), DX
	MOVQ	48(R14), CX	// g.m
	MOVQ	0(CX), CX	// m.g0
	MOVQ	56(CX), CX	// g.sched.sp
	ANDQ	$~15, CX
	SUBQ	DX, CX
	MOVQ	SP, BX
	MOVQ	CX, SP
	CALL	AX
	MOVQ	BX, SP
	MOVQ	AX, ret+24(FP)
	RET
"""

STALE = re.compile(
    r"fairlead: (?P<call>\w+): argument 2, 0x(?P<value>[0-9a-f]+), points into the stack "
    r"0x(?P<lo>[0-9a-f]+)-0x(?P<hi>[0-9a-f]+) that goroutine \d+ has left for "
    r"0x[0-9a-f]+-0x[0-9a-f]+; in (?P<who>.*); "
)


def stale(ran) -> re.Match[str]:
    assert ran.returncode == 125, ran.stderr
    (line,) = ran.stderr.splitlines()
    match = STALE.match(line)
    assert match is not None, line
    assert int(match["lo"], 16) <= int(match["value"], 16) < int(match["hi"], 16)
    return match


def place(program: Path, mark: str) -> str:
    """A program and the line in it that a comment marks."""
    before, found, _ = program.read_text().partition(f"// {mark}\n")
    assert found
    return f"{program}:{before.count(chr(10)) + 1}"


@pytest.mark.slow
@pytest.mark.parametrize("flags", ["", "-ldflags=-s"])
def test_the_old_shape_is_caught_with_function_and_line(flags: str, fairlead, go_program, tmp_path) -> None:
    program, image = go_program(OLD_SHAPE), tmp_path / "program"
    fairlead("build", "--port", "akaros", "-o", image, program, env={"GOFLAGS": flags})
    with image.open("rb") as file:
        assert (ELFFile(file).get_section_by_name(".symtab") is None) == bool(flags)
    match = stale(fairlead("run", "--port", "akaros", "--check", "stacks", image, "grow"))
    assert match["call"] == "write"
    assert match["who"] == (
        f"main.parlibSyscall ({place(program, 'the call')}), "
        f"called by main.syscall6 ({place(program, 'its caller')})"
    )


@pytest.mark.slow
def test_the_old_shape_passes_while_no_stack_moves(fairlead, go_program) -> None:
    ran = fairlead("run", "--port", "akaros", "--check", "stacks", go_program(OLD_SHAPE))
    assert (ran.stdout, ran.stderr, ran.returncode) == ("not stale\n10 0\n", "", 0)


@pytest.mark.slow
def test_a_stale_address_is_caught_that_the_runtime_itself_would_write_to(fairlead, go_program) -> None:
    """fstat's result is copied by the guest: the OS half has the address only because it asks for it."""
    program = go_program(RAW)
    match = stale(fairlead("run", "--port", "akaros", "--check", "stacks", program))
    assert match["call"] == "fstat"
    assert match["who"] == (
        f"main.stat ({place(program, 'the call')}), "
        f"called by main.main.func1 ({place(program, 'its caller')})"
    )


@pytest.mark.slow
@pytest.mark.parametrize("vcores", [1, 4])
def test_the_shipped_path_passes_under_growth_and_collection(
    vcores: int, fairlead, go_program, tmp_path
) -> None:
    program, trace = go_program(SHIPPED), tmp_path / "calls"
    words = ("run", "--port", "akaros", f"--set=vcores={vcores}")
    for more in ((), ("--check=stacks",), ("--check=stacks", f"--strace={trace}")):
        ran = fairlead(*words, *more, program)
        assert (ran.stdout, ran.stderr, ran.returncode) == ("24 files\n", "", 0)
    calls = [line.split()[2].partition("(")[0] for line in trace.read_text().splitlines()]
    assert calls.count("stack_moved") > 100
    assert calls.count("stack_arguments") > 1000


@pytest.mark.slow
def test_nothing_is_told_of_stacks_unless_it_is_asked_for(fairlead, go_program, tmp_path) -> None:
    """Without the check a guest makes the same calls as if there were none."""
    program, trace = go_program(OLD_SHAPE), tmp_path / "calls"
    calls = []
    for more in ((), ("--check=stacks",)):
        fairlead("run", "--port", "akaros", f"--strace={trace}", *more, program)
        calls.append([line.split()[2].partition("(")[0] for line in trace.read_text().splitlines()])
    told = {"stack_moved", "stack_taken", "stack_arguments"}
    assert not told & set(calls[0])
    assert told - {"stack_moved"} <= set(calls[1])
    assert [each for each in calls[1] if each not in told] == calls[0]


@pytest.fixture(scope="module")
def direct(go_package, fairlead, tmp_path_factory):
    image = tmp_path_factory.mktemp("direct") / "program"
    folder = go_package({"main.go": DIRECT, "pointer.go": POINTER, "direct_amd64.s": ASSEMBLY})
    built = fairlead("build", "--port", "akaros", "-o", image, folder)
    assert built.returncode == 0, built.stderr
    return lambda how: fairlead("run", "--port", "akaros", image, how)


@pytest.mark.slow
@pytest.mark.parametrize(("how", "function"), [("gate", "pthread_self"), ("go_syscall", "go_syscall")])
def test_a_call_on_a_goroutine_stack_is_refused(how: str, function: str, direct) -> None:
    ran = direct(how)
    assert ran.returncode == 125
    assert re.fullmatch(
        rf"fairlead: {function} was called with stack pointer 0x[0-9a-f]+, which is not on a stack for "
        r"foreign code: those are g0's 0x[0-9a-f]+-0x[0-9a-f]+ or the signal stack 0x[0-9a-f]+-0x[0-9a-f]+; "
        r"called by main\.direct \(\S+direct_amd64\.s:7\); usys\.Call and usys\.Call1 .*\n",
        ran.stderr,
    )


@pytest.mark.slow
def test_the_same_call_on_the_stack_of_g0_is_served(direct) -> None:
    ran = direct("g0")
    assert (ran.stdout, ran.stderr, ran.returncode) == ("answered true\n", "", 0)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("how", "function"), [("unaligned", "pthread_self"), ("unaligned go_syscall", "go_syscall")]
)
def test_a_stack_that_is_not_aligned_is_refused(how: str, function: str, direct) -> None:
    ran = direct(how)
    assert ran.returncode == 125
    assert f"{function} was called with stack pointer" in ran.stderr
    assert "rsp mod 16 is 8 at the call, not 0" in ran.stderr
    assert "main.onG0" in ran.stderr


@pytest.mark.parametrize("port", ["akaros", "opensbi", "linux-amd64"])
@pytest.mark.parametrize("command", ["run", "test"])
def test_a_check_that_a_port_does_not_have(port: str, command: str, fairlead, examples) -> None:
    ran = fairlead(command, "--port", port, "--check", "heap", examples / "hello")
    offered = "stacks" if port == "akaros" else "none"
    assert ran.returncode == 2
    assert ran.stderr == f"fairlead: port {port} has no check 'heap'; its checks: {offered}\n"
