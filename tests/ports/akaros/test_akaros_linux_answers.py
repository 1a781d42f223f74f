"""What Go programs expect of Linux' answers, where Akaros by itself answers otherwise."""

from __future__ import annotations

import pytest

PROGRAM = """\
package main

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"syscall"
)

const ANONYMOUS = syscall.MAP_ANON | syscall.MAP_PRIVATE

func init() { runtime.LockOSThread() }

func main() {
	for _, size := range []uintptr{0, 1 << 47, ^uintptr(4095), ^uintptr(0)} {
		_, _, errno := syscall.Syscall6(syscall.SYS_MMAP, 0, size, 0, ANONYMOUS, ^uintptr(0), 0)
		fmt.Println(uint(errno))
	}
	fmt.Println(syscall.Gettid() == os.Getpid(), syscall.Kill(-1, 0), syscall.Kill(-1, syscall.SIGTERM))
	fmt.Println(syscall.Kill(os.Getpid(), 0), syscall.Kill(0, 0))
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		panic(err)
	}
	for _, line := range strings.Split(string(maps), "\\n") {
		if fields := strings.Fields(line); len(fields) == 6 && strings.Contains(fields[1], "x") {
			fmt.Println(fields[1], fields[5])
		}
	}
}
"""


def test_answers_as_linux_gives_them(fairlead, go_program) -> None:
    ran = fairlead("run", "--port", "akaros", go_program(PROGRAM))
    assert (ran.stderr, ran.returncode) == ("", 0)
    sizes, (thread, alive, program, code) = ran.stdout.splitlines()[:4], ran.stdout.splitlines()[4:]
    assert sizes == ["22", "12", "12", "12"]
    assert thread == "true no such process no such process"  # -1 is everybody else, and nobody is there
    assert alive == "<nil> <nil>"
    assert program.startswith("r-xp /bin/")
    assert code == "r-xp [vdso]"


@pytest.mark.slow
def test_a_thread_without_g_runs_and_ends(fairlead) -> None:
    ran = fairlead("test", "--port", "akaros", "runtime", "--", "-v", "-run", "^TestNewOSProc0$")
    assert (ran.returncode, ran.stdout.count("--- PASS: ")) == (0, 1)
