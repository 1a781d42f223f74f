"""The usys tables: calls of every shape, and tables that are not as they should be."""

from __future__ import annotations

import pytest

CALLS = """\
package main

import (
	"fmt"
	"os"
	"testing"
	"unsafe"
	"usys"
)

//go:noinline
func deep(n int, f func()) {
	var room [64]byte
	if n == 0 {
		f()
		return
	}
	deep(n-1, f)
	room[n%64]++
}

func main() {
	args := make([]uintptr, 0, 12)
	for n := 0; n <= 12; n++ {
		got := usys.Call(usys.USYS_FUNC, args...)
		fmt.Fprintf(os.Stderr, "%d %#x\\n", n, got)
		args = append(args, uintptr(n+1))
	}
	for _, n := range []int{0, 1, 10, 30, 50, 70, 100, 300, 1000, 5000} {
		done := make(chan int64)
		go deep(n, func() {
			go func() { done <- usys.Call(usys.USYS_FUNC, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12) }()
			done <- usys.Call(usys.USYS_FUNC, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12)
		})
		fmt.Fprintf(os.Stderr, "deep %#x %#x\\n", <-done, <-done)
	}
	allocations := testing.AllocsPerRun(1000, func() { usys.Call1(usys.USYS_FREE, 0) })
	fmt.Fprintln(os.Stderr, "allocations", allocations)
	fmt.Fprintln(os.Stderr, "constants", usys.Constant(usys.TSC_FREQUENCY), usys.Constant(usys.SYS_READ),
		usys.Constant(usys.SIZEOF_SYSCALL) == uint64(unsafe.Sizeof(usys.Syscall{})))
	text := []byte("argument\\x00")
	argv := []uintptr{uintptr(unsafe.Pointer(&text[0])), 0}
	at := usys.Call(usys.USYS_SERIALIZE_ARGV_ENVP, uintptr(unsafe.Pointer(&argv[0])), 0)
	size := *(*uint64)(unsafe.Pointer(uintptr(at)))
	fmt.Fprintf(os.Stderr, "serialized %q\\n", unsafe.Slice((*byte)(unsafe.Pointer(uintptr(at+8))), size))
	fmt.Fprintln(os.Stderr, "freed", usys.Call1(usys.USYS_FREE, uintptr(at)))
}
"""

WORD = 0x0007060504030201


def test_calls_of_every_shape(fairlead, go_program) -> None:
    ran = fairlead("run", "--port", "akaros", go_program(CALLS))
    printed = ran.stdout.splitlines()
    said = ran.stderr.splitlines()
    assert ran.returncode == 0, ran.stderr
    names = "abcdefghijkl"
    for given, line in enumerate(printed[:13]):
        values = dict(pair.split(" = ") for pair in line.split(", "))
        assert [int(values[name]) for name in names[:given]] == list(range(1, given + 1))
    for given in range(13):
        count, word = said[given].split()
        known = min(given, 7) * 8
        assert int(count) == given
        assert int(word, 16) & ((1 << known) - 1) == WORD & ((1 << known) - 1)
    assert said[13:23] == [f"deep {WORD:#x} {WORD:#x}"] * 10
    assert printed[13:] == [", ".join(f"{name} = {n + 1}" for n, name in enumerate(names))] * 20
    assert said[23:] == [
        "allocations 0",
        "constants 1000000000 100 true",
        r'serialized "\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00'
        r'\x00\x00\x00\x00\x00\x00\x00\x00argument\x00"',
        "freed 1",
    ]


def test_it_imports_only_unsafe(fairlead, tmp_path) -> None:
    from pathlib import Path

    import fairlead_akaros

    sources = Path(fairlead_akaros.__file__).parent / "overlay" / "files" / "src" / "usys"
    lines = [line for path in sources.glob("*.go") for line in path.read_text().splitlines()]
    imports = [line for line in lines if line.startswith("import")]
    assert imports == ['import "unsafe"']


FAULTS = {
    "main.go": """\
package main

import (
	"fmt"
	"os"
	"unsafe"
)

func fault(rax uintptr)
func faultBytes(rax uintptr)

const (
	first  = 0xDEAD << 48
	second = 0xFA1D << 48
)

var table [9]uintptr

type header struct {
	magic                         uint64
	version, functions, constants uint32
	_                             uint32
	room                          [200]uint64
}

var extended = header{magic: 0x4C42415453595355, version: 1}

func main() {
	at := uintptr(unsafe.Pointer(&table))
	switch os.Args[1] {
	case "good":
		table[7], table[8] = 0xDEADBEEF, 42
		fault(first | at)
		for _, each := range table[:7] {
			fmt.Println(each != 0)
		}
		fmt.Printf("%#x %d\\n", table[7], table[8])
	case "missing":
		fault(first | at)
	case "misplaced":
		table[8] = 0xDEADBEEF
		fault(first | at)
	case "code":
		fault(first | 0x401000)
	case "nowhere":
		fault(first | 0x1000)
	case "kernel":
		fault(first | 0xFFFFFFFFF000)
	case "magic":
		extended.magic++
		fault(second | uintptr(unsafe.Pointer(&extended)))
	case "version":
		extended.version, extended.functions, extended.constants = 7, 3, 5
		fault(second | uintptr(unsafe.Pointer(&extended)))
	case "other":
		defer func() { fmt.Println(recover()) }()
		fault(0xBEEF<<48 | at)
	case "bytes":
		table[7] = 0xDEADBEEF
		defer func() { fmt.Println(recover(), table[0]) }()
		faultBytes(first | at)
	}
}
""",
    "fault_amd64.s": """\
#include "textflag.h"

TEXT ·fault(SB),NOSPLIT,$8-8
	MOVQ	rax+0(FP), AX
	CALL	AX
	RET

// faultBytes faults with the same register, at an instruction that is no call.
TEXT ·faultBytes(SB),NOSPLIT,$8-8
	MOVQ	rax+0(FP), AX
	MOVQ	(AX), CX
	RET
""",
}


@pytest.fixture(scope="module")
def faults(fairlead, go_package, tmp_path_factory):
    image = tmp_path_factory.mktemp("faults") / "faults"
    built = fairlead("build", "--port", "akaros", "-o", image, go_package(FAULTS))
    assert built.returncode == 0, built.stderr
    return lambda what: fairlead("run", "--port", "akaros", image, what)


def test_a_table_of_the_program_s_own_is_filled(faults) -> None:
    ran = faults("good")
    assert (ran.stdout, ran.stderr, ran.returncode) == ("true\n" * 7 + "0xdeadbeef 42\n", "", 0)


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("missing", "has 0x0 at index 7, where the sentinel 0xDEADBEEF is due"),
        ("misplaced", "has 0x0 at index 7, where the sentinel 0xDEADBEEF is due"),
        ("code", "its table at 0x401000 cannot be written at 0x401000"),
        ("nowhere", "its table at 0x1000 cannot be written at 0x1000"),
        ("kernel", "its table at 0xfffffffff000 cannot be written at 0xfffffffff000"),
        ("magic", "with 0x4c42415453595356, not the magic 0x4c42415453595355"),
        ("version", "is of version 7 with 3 functions and 5 constants, the port's of version 1 with"),
    ],
)
def test_a_table_that_is_wrong_is_one_clear_line(faults, what: str, said: str) -> None:
    ran = faults(what)
    (line,) = ran.stderr.splitlines()
    assert line.startswith("fairlead: the program's usys package does not fit: its ")
    assert said in line
    assert ran.returncode == 125


@pytest.mark.parametrize("what", ["other", "bytes"])
def test_any_other_protection_fault_is_go_s_to_deal_with(faults, what: str) -> None:
    ran = faults(what)
    assert ran.returncode == 0, ran.stderr
    assert "invalid memory address or nil pointer dereference" in ran.stdout
