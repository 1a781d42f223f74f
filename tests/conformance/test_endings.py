"""How Go programs end, on every port: exit codes, panics with tracebacks, signals that nobody handles."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import pytest

ENDINGS = """\
package main

import (
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"strconv"
	"sync"
	"syscall"
	"time"
	"unsafe"
)

type node struct{ next *node }

func deep(n int) int {
	var room [64]int
	room[n%64] = n
	return deep(n+1) + room[n%64]
}

func wait() { time.Sleep(time.Hour) }

func number(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil {
		panic(err)
	}
	return n
}

var endings = map[string]func(){
	"panic":    func() { panic("boom") },
	"error":    func() { panic(fmt.Errorf("wrapped: %w", os.ErrNotExist)) },
	"nil":      func() { var none *node; fmt.Println(none.next) },
	"nil call": func() { var none func(); none() },
	"wild":     func() { fmt.Println(*(*int)(unsafe.Pointer(uintptr(0xdead0000)))) },
	"high":     func() { fmt.Println(*(*int)(unsafe.Pointer(^uintptr(0) - 15))) },
	"zero":     func() { none := 0; fmt.Println(1 / none) },
	"index":    func() { none := []int{}; fmt.Println(none[2*len(os.Args[0])/len(os.Args[0])]) },
	"map":      func() { var none map[int]int; none[1] = 2 },
	"throw":    func() { var lock sync.Mutex; lock.Unlock() },
	"asleep":   func() { select {} },
	"goexit":   func() { runtime.Goexit() },
	"stack":    func() { debug.SetMaxStack(1 << 20); deep(0) },
	"memory": func() {
		var kept [][]byte
		for {
			piece := make([]byte, 8<<20)
			for at := 0; at < len(piece); at += 4096 {
				piece[at] = 1
			}
			kept = append(kept, piece)
			_ = kept
		}
	},
	"exit": func() { os.Exit(number(os.Args[2])) },
	"kill": func() {
		syscall.Kill(syscall.Getpid(), syscall.Signal(number(os.Args[2])))
		wait()
	},
	"reset": func() {
		number := syscall.Signal(number(os.Args[2]))
		caught := make(chan os.Signal, 1)
		signal.Notify(caught, number)
		syscall.Kill(syscall.Getpid(), number)
		fmt.Println("caught", <-caught)
		signal.Reset(number)
		syscall.Kill(syscall.Getpid(), number)
		wait()
	},
	"ignore": func() {
		number := syscall.Signal(number(os.Args[2]))
		signal.Ignore(number)
		syscall.Kill(syscall.Getpid(), number)
		time.Sleep(time.Millisecond)
		fmt.Println("ignored", signal.Ignored(number))
	},
	"goroutine": func() {
		go panic("elsewhere")
		wait()
	},
}

func main() {
	endings[os.Args[1]]()
}
"""

End = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def program(go_program) -> Path:
    return go_program(ENDINGS)


@pytest.fixture
def end(program: Path, fairlead) -> End:
    """Run one ending; exit code, output and messages."""

    def run(port: str, *arguments: str, env: dict[str, str] | None = None, words: tuple[str, ...] = ()):
        given = [f"--env={key}={value}" for key, value in (env or {}).items()]
        ran = fairlead("run", "--port", port, *given, *words, program, *arguments)
        assert "Traceback" not in ran.stderr
        return ran.returncode, ran.stdout, ran.stderr

    return run


SEGV = "[signal SIGSEGV: segmentation violation code=0x1 addr="


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("panic", ["panic: boom\n\n"]),
        ("error", ["panic: wrapped: file does not exist"]),
        (
            "nil",
            ["panic: runtime error: invalid memory address or nil pointer dereference", f"{SEGV}0x0 pc="],
        ),
        ("nil call", ["panic: runtime error: invalid memory address or nil pointer", f"{SEGV}0x0 pc="]),
        ("zero", ["panic: runtime error: integer divide by zero"]),
        ("index", ["panic: runtime error: index out of range [2] with length 0"]),
        ("map", ["panic: assignment to entry in nil map"]),
        ("goroutine", ["panic: elsewhere"]),
        ("wild", ["unexpected fault address 0xdead0000\n", "fatal error: fault\n", f"{SEGV}0xdead0000 pc="]),
        ("throw", ["fatal error: sync: unlock of unlocked mutex"]),
        ("asleep", ["fatal error: all goroutines are asleep - deadlock!"]),
        ("goexit", ["fatal error: no goroutines (main called runtime.Goexit) - deadlock!"]),
        ("stack", ["runtime: goroutine stack exceeds 1048576-byte limit", "fatal error: stack overflow"]),
    ],
)
def test_the_runtime_ends_a_program_with_a_traceback_and_2(
    port: str, how: str, said: list[str], end: End
) -> None:
    code, output, messages = end(port, how)
    assert (code, output) == (2, "")
    assert [each for each in said if each not in messages] == [], messages
    assert "fairlead:" not in messages
    if how != "goexit":
        assert "main.go:" in messages
        assert "goroutine " in messages


def test_a_fault_where_no_address_can_be_is_a_fault_too(port: str, end: End) -> None:
    code, output, messages = end(port, "high")
    assert (code, output) == (2, "")
    assert "unexpected fault address 0xfffffffffffffff0\nfatal error: fault\n" in messages
    assert "main.go:" in messages


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_signal_that_ends_is_128_more(port: str, number: int, end: End) -> None:
    assert end(port, "kill", str(int(number))) == (128 + number, "", "")


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGALRM, signal.SIGPIPE, signal.SIGCHLD])
def test_what_go_catches_by_itself_does_not_end(port: str, number: int, end: End) -> None:
    """Signals of which runtime/sigtab_linux.go says neither _SigKill nor _SigThrow."""
    assert end(port, "kill", str(int(number))) == (0, "", "")


@pytest.mark.parametrize("number", [signal.SIGQUIT, signal.SIGABRT, signal.SIGSEGV, signal.SIGILL])
def test_a_signal_that_dumps_goroutines_ends_with_2(port: str, number: int, end: End) -> None:
    code, output, messages = end(port, "kill", str(int(number)))
    assert (code, output) == (2, "")
    assert f"{signal.Signals(number).name}: " in messages
    assert "main.main()" in messages
    assert "fairlead:" not in messages


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_notify_then_reset_then_ignore(port: str, number: int, end: End) -> None:
    name = {signal.SIGINT: "interrupt", signal.SIGTERM: "terminated", signal.SIGHUP: "hangup"}[number]
    assert end(port, "reset", str(int(number))) == (128 + number, f"caught {name}\n", "")
    assert end(port, "ignore", str(int(number))) == (0, "ignored true\n", "")


@pytest.mark.parametrize("status", [2, 124])
def test_exit_codes_are_the_guest_s(port: str, status: int, end: End) -> None:
    assert end(port, "exit", str(status)) == (status, "", "")


def test_a_crash_asked_for_ends_by_abort_and_is_told_in_a_line(port: str, end: End) -> None:
    code, _, messages = end(port, "panic", env={"GOTRACEBACK": "crash"})
    assert code == 128 + signal.SIGABRT
    assert messages.startswith("panic: boom\n")
    assert messages.splitlines()[-1] == "fairlead: the guest was ended by SIGABRT"


def test_no_memory_left_is_the_runtime_s_own_end(port: str, end: End) -> None:
    code, output, messages = end(port, "memory", words=("--memory=128M",))
    assert (code, output) == (2, "")
    assert "out of memory" in messages
    assert "main.go:" in messages
