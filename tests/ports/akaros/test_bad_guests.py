"""Guests that hand over nonsense: the kernel's answers, one clear line, or their own end; no accidents.

What is wrong with usys tables is in test_akaros_usys.py.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from fairlead_akaros.abi import UDATA, Sys
from fairlead_akaros.kernel.events import vcpd
from fairlead_akaros.kernel.kernel import call_name
from fairlead_akaros.layouts import (
    EVENT_MBOX,
    HW_TRAPFRAME,
    PREEMPT_DATA,
    PROCDATA,
    SYSCALL,
    UCQ,
    USER_CONTEXT,
)

Guest = Callable[..., "CompletedProcess[str]"]

PROGRAM = {
    "main.go": """\
package main

import (
	"fmt"
	"math/rand"
	"os"
	"runtime"
	"strconv"
	"syscall"
	"unsafe"
	"usys"
)

const page = 4096

func handOver(first, count uintptr) uintptr
func handOverFast(first, count uintptr) uintptr
func ask(rax uintptr)
func setBase(base uintptr)
func loseStack(sp uintptr)
func spoilPC() uintptr

var field, value uintptr

func must(n uintptr, _ uintptr, err syscall.Errno) uintptr {
	if err != 0 {
		panic(err)
	}
	return n
}

// area maps pages, and after them one that cannot be accessed.
func area(pages uintptr) uintptr {
	at := must(syscall.RawSyscall6(syscall.SYS_MMAP, 0, (pages+1)*page, 3, 0x22, ^uintptr(0), 0))
	must(syscall.RawSyscall(syscall.SYS_MPROTECT, at+pages*page, page, 0))
	return at
}

const size = unsafe.Sizeof(usys.Syscall{})

func structure(at uintptr) *usys.Syscall { return (*usys.Syscall)(unsafe.Pointer(at)) }

func null() uint32 { return uint32(usys.Constant(usys.SYS_NULL)) }

// places are addresses where no structure can be.
func places() map[string]uintptr {
	locked := area(1)
	must(syscall.RawSyscall(syscall.SYS_MPROTECT, locked, page, 1))
	reserved := area(1)
	must(syscall.RawSyscall(syscall.SYS_MPROTECT, reserved, page, 0))
	return map[string]uintptr{
		"null": 0, "one": 1, "last": ^uintptr(0), "wrap": ^uintptr(0) - 100, "kernel": 0xffff_8000_0000_0000,
		"hole": 0xdead_0000, "beyond": 1 << 47, "uncanonical": 1 << 60, "procinfo": 0x7f7fffc00000,
		"straddling": area(1) + page - 8, "readonly": locked, "reserved": reserved,
	}
}

// wild hands over what is no structure, in both ways; then one that is.
func wild() {
	for name, at := range places() {
		for _, count := range []uintptr{0, 1, 2, 1_000_000, 1 << 63, ^uintptr(0)} {
			fmt.Println(name, count, handOver(at, count), handOverFast(at, count))
		}
	}
	s := structure(area(1))
	s.Num = null()
	fmt.Println("good", handOver(uintptr(unsafe.Pointer(s)), 1), s.Flags, s.Retval)
}

// batches hands structures over: a million with room for three, and many that are all there.
func batches() {
	at := area(1) + page - 3*size
	for i := range uintptr(3) {
		structure(at + i*size).Num = null()
	}
	started := handOver(at, 1_000_000)
	fmt.Println(started, structure(at).Flags, structure(at+2*size).Flags)
	const many = 10_000
	at = area(many*size/page + 1)
	for i := range uintptr(many) {
		structure(at + i*size).Num = null()
	}
	started = handOver(at, many)
	done := uintptr(0)
	for done < many && structure(at+done*size).Flags == 1 {
		done++
	}
	fmt.Println(started, started == done)
	one := structure(at)
	*one = usys.Syscall{Num: null()}
	fmt.Println(handOver(at, 1), one.Flags)
}

// numbers makes calls that are none: what each structure says afterwards.
func numbers(words []string) {
	s := structure(area(1))
	for _, word := range words {
		n, _ := strconv.ParseUint(word, 0, 32)
		*s = usys.Syscall{Num: uint32(n)}
		usys.Call1(usys.USYS_GO_SYSCALL, uintptr(unsafe.Pointer(s)))
		fmt.Println(n, s.Flags, s.Retval, s.Err, s.Errstr[0])
	}
}

var functions = []int{
	usys.USYS_ABORT_SYSCALL_AT_ABS_UNIX, usys.USYS_UNSET_ALARM, usys.USYS_GO_SYSCALL, usys.USYS_FUNC,
	usys.USYS_SERIALIZE_ARGV_ENVP, usys.USYS_FREE, usys.USYS_SIGACTION, usys.USYS_SIGALTSTACK,
	usys.USYS_PTHREAD_SIGMASK, usys.USYS_PTHREAD_KILL, usys.USYS_ENABLE_PROFALARM,
	usys.USYS_DISABLE_PROFALARM, usys.USYS_PTHREAD_SELF, usys.USYS_POSIX_CALL, usys.USYS_MALLOC,
	usys.USYS_SYSCALL_ASYNC, usys.USYS_PTHREAD_CREATE, usys.USYS_PTHREAD_YIELD,
	usys.USYS_UTHREAD_BLOCKON_SYSC,
}

// fuzz makes calls at random.
func fuzz(what string, seed, count int) {
	r := rand.New(rand.NewSource(int64(seed)))
	procdata := uintptr(usys.Constant(usys.PROCDATA))
	pool := []uintptr{
		0, 1, 2, 3, 8, 12, 100, 1000, 4096, 1 << 20, 1 << 31, 1<<32 - 1, 1 << 40, 1 << 62, 1 << 63,
		procdata, procdata + 64, uintptr(usys.Constant(usys.PROCINFO)), 0x100000000000,
	}
	for _, at := range places() {
		pool = append(pool, at)
	}
	buffer := area(16)
	for range 12 {
		pool = append(pool, buffer+uintptr(r.Intn(15*page)))
	}
	s := structure(area(1))
	frame := (*[7]uintptr)(unsafe.Pointer(area(1)))
	for range count {
		var a [6]uintptr
		for i := range a {
			a[i] = pool[r.Intn(len(pool))]
			if r.Intn(6) == 0 {
				a[i] = uintptr(r.Uint64() >> r.Intn(64))
			}
		}
		switch what {
		case "kernel":
			*s = usys.Syscall{Num: uint32(r.Intn(151)), Arg: a}
			if r.Intn(50) == 0 {
				s.EvQ, s.Flags = a[0], uint64(r.Intn(8))
			}
			handOver(uintptr(unsafe.Pointer(s)), 1)
		case "functions":
			usys.Call(functions[r.Intn(len(functions))], a[0], a[1], a[2], a[3], a[4], a[5])
		case "posix":
			*frame = [7]uintptr{uintptr(r.Intn(480)), a[0], a[1], a[2], a[3], a[4], a[5]}
			usys.Call(usys.USYS_POSIX_CALL, uintptr(unsafe.Pointer(frame)))
		case "procdata":
			*(*uintptr)(unsafe.Pointer(procdata + uintptr(r.Intn(0x2000)))) = a[0]
			if r.Intn(20) == 0 {
				syscall.Kill(syscall.Getpid(), syscall.SIGURG)
			}
		}
	}
	fmt.Println("done")
}

func main() {
	runtime.LockOSThread()
	var n [8]uintptr
	for i, word := range os.Args[2:] {
		if v, err := strconv.ParseUint(word, 0, 64); err == nil && i < len(n) {
			n[i] = uintptr(v)
		}
	}
	switch os.Args[1] {
	case "wild":
		wild()
	case "batches":
		batches()
	case "numbers":
		numbers(os.Args[2:])
	case "many":
		s := structure(area(1))
		for number := range uint32(n[0]) {
			s.Num = 1000 + number
			handOver(uintptr(unsafe.Pointer(s)), 1)
		}
	case "fuzz":
		fuzz(os.Args[2], int(n[1]), int(n[2]))
	case "readonly": // a table of either kind
		at := area(1)
		*(*[8]uintptr)(unsafe.Pointer(at)) = [8]uintptr{7: 0xDEADBEEF}
		must(syscall.RawSyscall(syscall.SYS_MPROTECT, at, page, 1))
		ask(n[0]<<48 | at)
	case "sentinel": // the sentinel at one place
		t := (*[16]uintptr)(unsafe.Pointer(area(1)))
		t[n[0]] = 0xDEADBEEF
		ask(0xDEAD<<48 | uintptr(unsafe.Pointer(t)))
	case "edge": // the table ends where memory does
		at := area(1) + page - 64
		*(*uintptr)(unsafe.Pointer(at + 56)) = 0xDEADBEEF
		ask(0xDEAD<<48 | at)
		fmt.Println("filled")
	case "base":
		setBase(n[0])
	case "stack":
		loseStack(n[0])
	case "alarm":
		fmt.Println(usys.Call1(usys.USYS_ABORT_SYSCALL_AT_ABS_UNIX, n[0]) != 0)
	case "malloc":
		for range 2 {
			p := usys.Call1(usys.USYS_MALLOC, n[0])
			usys.Call1(usys.USYS_FREE, uintptr(p))
			fmt.Print(p != 0, " ")
		}
	case "create":
		usys.Call(usys.USYS_PTHREAD_CREATE, n[0], n[1], n[2])
		usys.Call(usys.USYS_PTHREAD_YIELD)
	case "populate":
		at := must(syscall.RawSyscall6(syscall.SYS_MMAP, 0, 1<<46, 0, 0x22, ^uintptr(0), 0))
		s := structure(area(1))
		*s = usys.Syscall{Num: uint32(n[0]), Arg: [6]uintptr{at, ^uintptr(0)}}
		handOver(uintptr(unsafe.Pointer(s)), 1)
		fmt.Println(s.Retval >= 1<<34)
	case "action": // the handler of a signal, for this thread or for the process
		a := [4]uintptr{n[0]}
		usys.Call(usys.USYS_SIGACTION, 10, uintptr(unsafe.Pointer(&a)), 0)
		if n[1] == 0 {
			usys.Call(usys.USYS_PTHREAD_KILL, uintptr(usys.Call(usys.USYS_PTHREAD_SELF)), 10)
		} else {
			syscall.Kill(syscall.Getpid(), 10)
		}
	case "altstack":
		s := [3]uintptr{n[0], 0x10000}
		usys.Call(usys.USYS_SIGALTSTACK, uintptr(unsafe.Pointer(&s)), 0)
		syscall.Tgkill(syscall.Getpid(), syscall.Gettid(), syscall.SIGURG)
	case "spoil": // what a handler returns to
		field, value = n[0], n[1]
		a := [4]uintptr{spoilPC()}
		usys.Call(usys.USYS_SIGACTION, 10, uintptr(unsafe.Pointer(&a)), 0)
		usys.Call(usys.USYS_PTHREAD_KILL, uintptr(usys.Call(usys.USYS_PTHREAD_SELF)), 10)
	case "ring": // a queue whose pages lead back to themselves, of messages of one type
		at, box := area(1), n[0]
		*(*uintptr)(unsafe.Pointer(at)) = at + n[2]
		for i := range uintptr(126) {
			*(*uintptr)(unsafe.Pointer(at + 16 + 32*i)) = n[4]
		}
		*(*uint32)(unsafe.Pointer(box)) = 1
		*(*uintptr)(unsafe.Pointer(box + n[1])) = at + n[3]
		s := structure(area(1))
		*s = usys.Syscall{Num: uint32(usys.Constant(usys.SYS_SELF_NOTIFY)), Arg: [6]uintptr{0, 7}}
		handOver(uintptr(unsafe.Pointer(s)), 1)
	}
}
""",
    "raw_amd64.s": """\
#include "textflag.h"

TEXT ·handOver(SB),NOSPLIT,$0-24
	MOVQ	first+0(FP), DI
	MOVQ	count+8(FP), SI
	INT	$0x30
	MOVQ	AX, ret+16(FP)
	RET

TEXT ·handOverFast(SB),NOSPLIT,$0-24
	MOVQ	first+0(FP), DI
	MOVQ	count+8(FP), SI
	MOVQ	SP, DX
	SYSCALL
	MOVQ	AX, ret+16(FP)
	RET

TEXT ·ask(SB),NOSPLIT,$8-8
	MOVQ	rax+0(FP), AX
	CALL	AX
	RET

TEXT ·setBase(SB),NOSPLIT,$0-8
	MOVQ	base+0(FP), SI
	MOVQ	$0xf0f0000000000001, DI
	MOVQ	SP, DX
	SYSCALL
	RET

TEXT ·loseStack(SB),NOSPLIT,$0-8
	MOVQ	sp+0(FP), SP
	XORL	AX, AX
	MOVQ	(AX), AX
	RET

// spoil is a signal handler that writes a value into a field of its context.
TEXT spoil<>(SB),NOSPLIT|NOFRAME,$0-0
	MOVQ	·field(SB), CX
	MOVQ	·value(SB), AX
	MOVQ	AX, (DX)(CX*1)
	RET

TEXT ·spoilPC(SB),NOSPLIT,$0-8
	MOVQ	$spoil<>(SB), AX
	MOVQ	AX, ret+0(FP)
	RET
""",
}

ALL_ONES = (1 << 64) - 1
UNCANONICAL = 1 << 63


@pytest.fixture(scope="module")
def guest(fairlead, go_package, tmp_path_factory) -> Guest:
    image: Path = tmp_path_factory.mktemp("bad") / "bad.akaros"
    built = fairlead("build", "--port", "akaros", "-o", image, go_package(PROGRAM))
    assert built.returncode == 0, built.stderr

    def guest(*words: object) -> CompletedProcess[str]:
        return fairlead(
            "run", "--port", "akaros", "--max-time=2s", "--memory=1G", image, *map(str, words), timeout=60
        )

    return guest


def unharmed(ran: CompletedProcess[str]) -> None:
    """The guest ended itself, was ended by a signal or the time limit: no accident of the port's."""
    assert "Traceback" not in ran.stderr
    assert "hook" not in ran.stderr
    assert "internal error" not in ran.stderr
    assert ran.returncode not in (123, 125), ran.stderr


# -- structures -----------------------------------------------------------------------------------------


def test_the_structure_of_the_tests_is_the_port_s() -> None:
    """216 bytes, and the procdata page where the program writes."""
    assert SYSCALL.size == 216
    assert UDATA + PROCDATA["vcore_preempt_data"] == vcpd(0)


def test_what_is_no_structure_starts_nothing(guest: Guest) -> None:
    ran = guest("wild")
    assert (ran.stderr, ran.returncode) == ("", 0)
    *bad, good = ran.stdout.splitlines()
    assert len(bad) == 12 * 6
    assert [line for line in bad if not line.endswith(" 0 0")] == []
    assert good == "good 1 1 0"


def test_a_batch_says_how_many_were_started(guest: Guest) -> None:
    """All of them, however many, or up to where memory ends."""
    ran = guest("batches")
    assert (ran.stderr, ran.returncode) == ("", 0)
    assert ran.stdout.splitlines() == ["3 1 1", "10000 true", "1 1"]


def test_numbers_that_are_no_calls(guest: Guest) -> None:
    """As the kernel has it: done, -1, no error number, no words; and one line that names them."""
    numbers = [0, 5, 110, 200, 201, 0x1000, 0x1005, 0x2000, 0x2001, 0x8000_0000, 0xFFFF_FFFF]
    assert not set(numbers) & set(Sys)
    ran = guest("numbers", *numbers)
    assert ran.stdout.splitlines() == [f"{number} 1 -1 0 0" for number in numbers]
    (line,) = ran.stderr.splitlines()
    start, _, names = line.partition(": system calls that akaros does not have: ")
    assert start == "fairlead"
    assert sorted(names.split(", ")) == sorted(f"{call_name(number)} (1)" for number in numbers)
    assert ran.returncode == 0


def test_calls_that_are_not_served_are_named(guest: Guest) -> None:
    ran = guest("numbers", int(Sys.pop_ctx), int(Sys.reboot))
    assert ran.stderr == "fairlead: system calls that akaros does not have: pop_ctx (1), reboot (1)\n"
    assert [line.split()[2:4] for line in ran.stdout.splitlines()] == [["-1", "0"]] * 2


def test_ever_new_numbers_make_no_endless_line(guest: Guest) -> None:
    ran = guest("many", 20_000)
    (line,) = ran.stderr.splitlines()
    assert "others (19936)" in line
    assert len(line) < 2000


# -- tables ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", [0, 6, 8, 13])
def test_a_misplaced_sentinel_is_found(guest: Guest, place: int) -> None:
    ran = guest("sentinel", place)
    assert f"it is at index {place}: {place} functions, where the port has 7" in ran.stderr
    assert (ran.stderr.count("\n"), ran.returncode) == (1, 125)


def test_a_sentinel_that_is_far_away_is_none(guest: Guest) -> None:
    ran = guest("sentinel", 15)
    assert "where the sentinel 0xDEADBEEF is due; build the program again" in ran.stderr


@pytest.mark.parametrize(("high", "which"), [(0xDEAD, "table"), (0xFA1D, "second table")])
def test_a_table_that_cannot_be_written(guest: Guest, high: int, which: str) -> None:
    ran = guest("readonly", high)
    assert f"does not fit: its {which} at 0x" in ran.stderr
    assert (ran.stderr.count("\n"), ran.returncode) == (1, 125)


def test_a_table_at_the_end_of_memory_is_filled(guest: Guest) -> None:
    ran = guest("edge")
    assert (ran.stdout, ran.stderr, ran.returncode) == ("filled\n", "", 0)


# -- arguments ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("time", [1, UNCANONICAL, ALL_ONES])
def test_alarms_at_any_time(guest: Guest, time: int) -> None:
    ran = guest("alarm", time)
    assert (ran.stdout, ran.stderr, ran.returncode) == ("true\n", "", 0)


@pytest.mark.parametrize("size", [1 << 30, 1 << 39, 1 << 46, ALL_ONES])
def test_malloc_of_what_is_not_there(guest: Guest, size: int) -> None:
    ran = guest("malloc", size)
    assert (ran.stdout, ran.stderr, ran.returncode) == ("false false ", "", 0)


def test_populating_all_that_is_reserved(guest: Guest) -> None:
    ran = guest("populate", int(Sys.populate_va))
    assert (ran.stdout, ran.stderr, ran.returncode) == ("true\n", "", 0)


# -- registers ------------------------------------------------------------------------------------------

WORDS = (0, UNCANONICAL, ALL_ONES, 0x5555_5555_5555_5555)
FRAME = USER_CONTEXT["tf"]
FIELDS = ("tf_gsbase", "tf_fsbase", "tf_rip", "tf_cs", "tf_rflags", "tf_rsp", "tf_ss")


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize("name", FIELDS)
def test_a_handler_may_return_to_anything(guest: Guest, name: str, word: int) -> None:
    ran = guest("spoil", FRAME + HW_TRAPFRAME[name], word)
    unharmed(ran)
    assert ran.returncode != 124


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize("what", ["base", "stack"])
def test_a_thread_may_lose_its_stack_and_its_g(guest: Guest, what: str, word: int) -> None:
    ran = guest(what, word)
    unharmed(ran)
    assert ran.returncode == 128 + 11
    assert "fairlead: the guest was ended by SIGSEGV" in ran.stderr


@pytest.mark.parametrize("word", [5, UNCANONICAL, ALL_ONES])
@pytest.mark.parametrize("process", [0, 1])
def test_a_handler_that_is_nowhere(guest: Guest, word: int, process: int) -> None:
    ran = guest("action", word, process)
    unharmed(ran)
    assert ran.returncode == 128 + 11


@pytest.mark.parametrize("word", [0, UNCANONICAL, ALL_ONES - 0xFFFF])
def test_a_signal_stack_that_is_nowhere(guest: Guest, word: int) -> None:
    unharmed(guest("altstack", word))


@pytest.mark.parametrize(
    "words",
    [(0, 0, 0), (UNCANONICAL, ALL_ONES, UNCANONICAL), (0x400000, (1 << 47) - 1, 0), (ALL_ONES, 1, ALL_ONES)],
)
def test_a_uthread_that_begins_nowhere(guest: Guest, words: tuple[int, int, int]) -> None:
    ran = guest("create", *words)
    unharmed(ran)
    assert ran.returncode == 128 + 11


# -- mailboxes ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mailbox", ["ev_mbox_public", "ev_mbox_private"])
@pytest.mark.parametrize(
    "ring", [(4000, 4000, 7), (0, 0, 7), (0, 0, 8), (0, 0, 10), (UNCANONICAL, 0, 8), (4000, 4000, 12)]
)
def test_a_queue_that_bites_its_tail(guest: Guest, mailbox: str, ring: tuple[int, int, int]) -> None:
    consumer = EVENT_MBOX["ucq"] + UCQ["cons_idx"]
    ran = guest("ring", vcpd(0) + PREEMPT_DATA[mailbox], consumer, *ring)
    unharmed(ran)
    assert ran.returncode != 124


# -- anything -------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("what", ["kernel", "functions", "posix", "procdata"])
def test_nonsense_harms_nobody_else(guest: Guest, what: str, seed: int) -> None:
    ran = guest("fuzz", what, seed, 3000)
    assert "Traceback" not in ran.stderr
    assert "hook" not in ran.stderr
    if ran.returncode == 125:  # an argument that makes the stack guard speak is one clear line
        assert "stack pointer" in ran.stderr
