"""What is told of a guest that crashed: its Go stack as Go itself would tell it, bounded, whatever it did."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.errors import GuestFault
from fairlead.guest.cache import Cache
from fairlead.guest.toolchain import find_toolchain
from fairlead.guest.unwind import Unwinder

PROGRAM = """\
package main

import (
	"fmt"
	"os"
	"runtime/debug"
	"syscall"
	"unsafe"
)

type node struct{ next *node }

type discard struct{}

func (discard) Write(data []byte) (int, error) { return len(data), nil }

//go:noinline
func last(of *node) *node { return of.next }

func inlined(of *node) *node { return last(of) }

// unhandled takes Go's handler away.
func unhandled() {
	var action [64]byte
	at := uintptr(unsafe.Pointer(&action))
	syscall.RawSyscall6(syscall.SYS_RT_SIGACTION, uintptr(syscall.SIGSEGV), at, 0, 8, 0, 0)
}

//go:noinline
func deep(depth int, what string) {
	var room [16]int
	room[depth%16] = depth
	if depth > 0 {
		deep(depth-1, what)
		fmt.Fprint(discard{}, room[depth%16])
		return
	}
	if what == "stack" {
		debug.PrintStack()
	}
	unhandled()
	switch what {
	case "nil", "stack":
		fmt.Println(inlined(nil))
	case "call":
		var code func()
		nowhere := uintptr(8)
		where := &nowhere
		*(*uintptr)(unsafe.Pointer(&code)) = uintptr(unsafe.Pointer(where))
		code()
	case "corrupt":
		start := uintptr(unsafe.Pointer(&room))
		for at := start; at < start+1<<20; at += 8 {
			*(*uintptr)(unsafe.Pointer(at)) = 0x1234567
		}
	}
}

func main() {
	if os.Args[1] == "handled" {
		fmt.Println(inlined(nil))
	}
	depth := 2
	if len(os.Args) > 2 {
		depth = 1000
	}
	deep(depth, os.Args[1])
}
"""
PORTS = ("linux-riscv64", "linux-amd64", "opensbi", "akaros")
WAY = ["main.deep", "main.deep", "main.deep", "main.main", "runtime.main", "runtime.goexit"]
ports = pytest.mark.parametrize("port", PORTS)

Crash = Callable[..., list[str]]


@pytest.fixture(scope="module")
def crash(fairlead, go_program, tmp_path_factory: pytest.TempPathFactory) -> Crash:
    """Run the program on a port; the lines of standard error."""
    folder, program = tmp_path_factory.mktemp("crash"), go_program(PROGRAM)

    @cache
    def image(port: str) -> Path:
        path = folder / port
        built = fairlead("build", "--port", port, "-o", path, program)
        assert built.returncode == 0, built.stderr
        return path

    def crash(port: str, *words: str, code: int = 139) -> list[str]:
        ran = fairlead("run", "--port", port, image(port), *words)
        assert ran.returncode == code, ran.stderr
        lines: list[str] = ran.stderr.splitlines()
        return lines

    return crash


def report(lines: list[str]) -> list[str]:
    """What stands below the line that says how the guest ended."""
    at = next(at for at, line in enumerate(lines) if line.startswith("fairlead: the guest was ended by "))
    return lines[at + 1 :]


def functions(lines: list[str]) -> list[str]:
    """The functions of the stack, innermost first."""
    stack = lines[1 : lines.index("registers:")]
    return [line.strip() for line in stack if not line.startswith("      ")]


@pytest.mark.slow
@ports
def test_the_stack_is_told_by_function_and_line(crash: Crash, port: str) -> None:
    lines = report(crash(port, "nil"))
    assert re.fullmatch(r"thread \w+: goroutine 1", lines[0])
    assert functions(lines) == ["main.last", "main.inlined", *WAY]
    source = PROGRAM.splitlines()
    line = source.index("func last(of *node) *node { return of.next }") + 1
    assert re.fullmatch(rf"      /\S+/main\.go:{line} pc 0x[0-9a-f]+", lines[2])
    line = source.index("		deep(depth-1, what)") + 1
    assert len([each for each in lines if each.endswith(f"/main.go:{line}")]) == 2


@pytest.mark.slow
@ports
def test_registers_and_what_was_done_last_are_told(crash: Crash, port: str) -> None:
    lines = report(crash(port, "nil"))
    pc = re.search(r"pc (0x[0-9a-f]+)", lines[2])
    assert pc is not None
    last = lines.index("what the guest did last, the latest at the end:")
    registers = lines[lines.index("registers:") + 1 : last]
    assert f" pc {int(pc[1], 16):#018x}" in registers[-1]
    count = 17 if port in ("linux-amd64", "akaros") else 32
    assert len(re.findall(r"0x[0-9a-f]{16}", "\n".join(registers))) == count
    assert "load fault" in lines[-1]
    assert "sigaction(0xb, " in lines[-2]
    assert lines[-2].endswith(" = 0x0")


@pytest.mark.slow
@ports
def test_it_is_the_stack_that_go_prints(crash: Crash, port: str) -> None:
    lines = crash(port, "stack")
    ending = next(at for at, line in enumerate(lines) if line.startswith("fairlead: "))
    printed = re.findall(r"^(main\.\S+?)\(", "\n".join(lines[:ending]), re.M)
    told = [name for name in functions(report(lines)) if name.startswith("main.")]
    assert told[2:] == printed  # main.last and main.inlined are not there yet when it prints


@pytest.mark.slow
@ports
def test_a_jump_out_of_the_program_is_told_with_who_made_it(crash: Crash, port: str) -> None:
    assert functions(report(crash(port, "call"))) == ["pc 0x8 is not in the program; called from", *WAY]


@pytest.mark.slow
@ports
def test_what_is_told_is_bounded(crash: Crash, port: str) -> None:
    lines = report(crash(port, "nil", "deeper"))
    assert functions(lines)[-1] == "…"
    assert len(lines) < 140


@pytest.mark.slow
@ports
def test_a_stack_that_was_overwritten(crash: Crash, port: str) -> None:
    lines = report(crash(port, "corrupt"))
    assert "registers:" in lines
    assert "Traceback" not in "\n".join(lines)
    assert "no more can be told" not in "\n".join(lines)


@pytest.mark.slow
@ports
def test_what_go_reports_itself_is_not_told_again(crash: Crash, port: str) -> None:
    lines = crash(port, "handled", code=2)
    assert any("nil pointer dereference" in line for line in lines)
    assert [line for line in lines if "registers:" in line or line.startswith("fairlead: ")] == []


@pytest.mark.slow
def test_a_stripped_program_says_the_same(fairlead, crash: Crash, go_program, tmp_path: Path) -> None:
    image, toolchain = tmp_path / "stripped", find_toolchain()
    words = [toolchain.go, "build", "-ldflags=-s -w", "-o", image, go_program(PROGRAM)]
    environment = toolchain.environment({"GOOS": "linux", "GOARCH": "riscv64"}, Cache())
    subprocess.run(words, env=environment, check=True, capture_output=True)
    ran = fairlead("run", "--port", "linux-riscv64", image, "nil")
    assert functions(report(ran.stderr.splitlines())) == functions(report(crash("linux-riscv64", "nil")))


SYSTEM = {
    "main.go": """\
package main

import (
	"syscall"
	"unsafe"
)

type node struct{ next *node }

var sink *node

//go:noinline
func last(of *node) *node { return of.next }

func onSystemStack(run func())

func crash() { sink = last(nil) }

//go:noinline
func outer() { onSystemStack(crash) }

func main() {
	var action [64]byte
	at := uintptr(unsafe.Pointer(&action))
	syscall.RawSyscall6(syscall.SYS_RT_SIGACTION, uintptr(syscall.SIGSEGV), at, 0, 8, 0, 0)
	outer()
}
""",
    "system_amd64.s": """\
TEXT ·onSystemStack(SB),0,$8-8
	MOVQ	run+0(FP), AX
	MOVQ	AX, 0(SP)
	CALL	runtime·systemstack(SB)
	RET
""",
    "system_riscv64.s": """\
TEXT ·onSystemStack(SB),0,$8-8
	MOV	run+0(FP), X10
	MOV	X10, 8(X2)
	CALL	runtime·systemstack(SB)
	RET
""",
}


@pytest.mark.slow
@pytest.mark.parametrize("goarch", ["amd64", "riscv64"])
def test_a_system_stack_leads_on_to_its_goroutine(fairlead, go_package, tmp_path: Path, goarch: str) -> None:
    image, toolchain = tmp_path / "system", find_toolchain()
    environment = toolchain.environment({"GOOS": "linux", "GOARCH": goarch}, Cache())
    words = [toolchain.go, "build", "-ldflags=-checklinkname=0", "-o", image, "."]
    subprocess.run(words, cwd=go_package(SYSTEM), env=environment, check=True, capture_output=True)
    ran = fairlead("run", "--port", f"linux-{goarch}", image)
    lines = report(ran.stderr.splitlines())
    assert lines[0].endswith(": on its system stack")
    assert functions(lines) == [
        "main.last",
        "main.crash",
        "runtime.systemstack",
        "goroutine 1, which it works for:",
        "runtime.systemstack_switch",
        "main.onSystemStack",
        "main.outer",
        "main.main",
        "runtime.main",
        "runtime.goexit",
    ]


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(["riscv64", "x86_64"]),
    st.dictionaries(st.integers(0, 600).map(lambda n: n * 8), st.integers(0, 600).map(lambda n: n * 8)),
    st.integers(0, (1 << 64) - 1),
    st.integers(0, 4800),
)
def test_no_memory_makes_it_raise_or_go_on_for_ever(
    arch: str, words: dict[int, int], pc: int, sp: int
) -> None:
    def read(address: int) -> int:
        if address not in words:
            raise GuestFault(address)
        return words[address]

    unwinder = Unwinder(None, arch, read)
    for goroutine in (None, *(unwinder.goroutine_at(each) for each in words)):
        assert len([*unwinder.walk(pc, sp, pc, goroutine)]) <= 100
