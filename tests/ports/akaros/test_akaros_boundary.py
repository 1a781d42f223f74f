"""The only ways to the other side: the function tables, and a struct syscall in guest memory."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

import fairlead_akaros
from fairlead.guest.edits import apply_edits, read_edits
from fairlead.guest.toolchain import find_toolchain

PROGRAM = {
    "main.go": """\
package main

import (
	"fmt"
	"os"
	"runtime/debug"
	"usys"
)

func linux(number, a0, a1, a2 uintptr) (rax uintptr)
func vector80(number, a0 uintptr) (rax uintptr)
func vector31(number, a0 uintptr) (rax uintptr)
func vector32(number, a0 uintptr) (rax uintptr)

func try(name string, call func() uintptr) {
	defer func() {
		if r := recover(); r != nil {
			fmt.Println(name, r)
		}
	}()
	fmt.Println(name, int64(call()))
}

func main() {
	debug.SetPanicOnFault(true)
	text := address("never seen\\n")
	try("write", func() uintptr { return linux(1, 1, text, 11) })
	try("exit_group", func() uintptr { return linux(231, 3, 0, 0) })
	try("int 80", func() uintptr { return vector80(1, 3) })
	try("gate", func() uintptr { return vector31(0, text) })
	try("int 32", func() uintptr { return vector32(0, 0) })
	fmt.Println("table", usys.Call1(usys.USYS_PTHREAD_SELF, 0) > 0)
	os.Exit(0)
}
""",
    "address.go": """\
package main

import "unsafe"

func address(text string) uintptr { return uintptr(unsafe.Pointer(unsafe.StringData(text))) }
""",
    "vectors_amd64.s": """\
#include "textflag.h"

// linux makes a system call as on Linux.
TEXT ·linux(SB),NOSPLIT,$0-40
	MOVQ	number+0(FP), AX
	MOVQ	a0+8(FP), DI
	MOVQ	a1+16(FP), SI
	MOVQ	a2+24(FP), DX
	SYSCALL
	MOVQ	AX, rax+32(FP)
	RET

TEXT ·vector80(SB),NOSPLIT,$0-24
	MOVQ	number+0(FP), AX
	MOVQ	a0+8(FP), BX
	INT	$0x80
	MOVQ	AX, rax+16(FP)
	RET

TEXT ·vector31(SB),NOSPLIT,$0-24
	MOVQ	number+0(FP), AX
	MOVQ	a0+8(FP), DI
	INT	$0x31
	MOVQ	AX, rax+16(FP)
	RET

TEXT ·vector32(SB),NOSPLIT,$0-24
	MOVQ	number+0(FP), AX
	MOVQ	a0+8(FP), DI
	INT	$0x32
	MOVQ	AX, rax+16(FP)
	RET
""",
}

FAULT = "runtime error: invalid memory address or nil pointer dereference"
TABLES = re.compile(r"^\s*(?:SYSCALL|SYSENTER|INT\s+\$(?!3\b))", re.MULTILINE)


def test_other_ways_lead_nowhere(fairlead, go_package) -> None:
    """Linux' own way hands over no structure, so nothing is started; other vectors have no gate."""
    ran = fairlead("run", "--port", "akaros", go_package(PROGRAM))
    assert ran.stdout.splitlines() == [
        "write 0",
        "exit_group 0",
        f"int 80 {FAULT}",
        f"gate {FAULT}",
        f"int 32 {FAULT}",
        "table true",
    ]
    assert (ran.stderr, ran.returncode) == ("", 0)


def test_no_assembly_of_the_library_calls_a_kernel_itself() -> None:
    """Every file of the standard library for linux/amd64, as the overlay leaves it."""
    go = find_toolchain()
    listed = subprocess.run(
        [str(go.go), "list", "-f", "{{$d := .Dir}}{{range .SFiles}}{{$d}}/{{.}}\n{{end}}", "std"],
        env={"GOOS": "linux", "GOARCH": "amd64", "CGO_ENABLED": "0", "HOME": "/tmp", "PATH": "/usr/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    overlay = Path(fairlead_akaros.__file__).parent / "overlay"
    edited = {file.path: file for file in read_edits(overlay / "edits.toml")}
    found = {}
    for name in filter(None, listed.stdout.split()):
        path = Path(name)
        place = path.relative_to(go.goroot).as_posix()
        edit = edited.get(place)
        if edit is not None and edit.delete:
            continue
        text = path.read_text()
        if edit is not None:
            text = apply_edits(edit, text, go.version)
        if TABLES.search(text):
            found[place] = TABLES.findall(text)
    for path in (overlay / "files").rglob("*.s"):
        if TABLES.search(path.read_text()):
            found[path.name] = [each.strip() for each in TABLES.findall(path.read_text())]
    # The fast call that sets the FS base is no system call: it has no structure (ros/arch/syscall64.h).
    assert found == {"akaros_linux_amd64.s": ["SYSCALL"]}


@pytest.mark.parametrize("vcores", [1, 4])
def test_a_whole_program_makes_no_other_call(fairlead, examples: Path, tmp_path: Path, vcores: int) -> None:
    trace = tmp_path / "strace"
    ran = fairlead(
        "run", "--port", "akaros", f"--set=vcores={vcores}", f"--strace={trace}", examples / "tour", "a"
    )
    assert ran.returncode == 0
    from fairlead_akaros.abi import Sys
    from fairlead_akaros.parlib.code import GATES

    names = {line.split()[2].partition("(")[0] for line in trace.read_text().splitlines()}
    kernel = names & set(Sys.__members__)
    assert {"openat", "read", "write", "mmap"} <= kernel
    rest = names - kernel - set(GATES)
    assert {each for each in rest if not each.startswith("posix_")} == set()
    assert "posix_write" not in rest and "posix_read" not in rest
