"""System calls with pointers that lead nowhere, and with nonsense altogether: errors, never an accident."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from fairlead.services.linux.calls import SERVED
from fairlead.services.linux.numbers import NUMBERS

RISCV64 = NUMBERS["riscv64"]
REGISTER_M = 0x1000

PROGRAM = """\
package main

import (
	"bufio"
	"fmt"
	"math/rand"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"unsafe"
)

const page = 4096

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

func text(words string) uintptr {
	at := area(1)
	copy(unsafe.Slice((*byte)(unsafe.Pointer(at)), page), words+"\\x00")
	return at
}

type values map[string]uintptr

func set() (bad, good values) {
	edge := area(1) + page - 1
	*(*byte)(unsafe.Pointer(edge)) = 'a'
	locked := area(1)
	must(syscall.RawSyscall(syscall.SYS_MPROTECT, locked, page, 1))
	reserved := area(1)
	must(syscall.RawSyscall(syscall.SYS_MPROTECT, reserved, page, 0))
	bad = values{
		"null": 0, "one": 1, "last": ^uintptr(0), "kernel": 1 << 63, "hole": 0xdead0000,
		"beyond": 1 << 47, "edge": edge, "readonly": locked, "reserved": reserved,
	}
	os.WriteFile("/tmp/file", make([]byte, 10000), 0o666)
	os.WriteFile("/tmp/other", make([]byte, 10000), 0o666)
	os.Symlink("/tmp/file", "/tmp/link")
	fd := func(path string) uintptr {
		n, err := syscall.Open(path, syscall.O_RDWR, 0)
		if err != nil {
			n, _ = syscall.Open(path, syscall.O_RDONLY, 0)
		}
		return uintptr(n)
	}
	var pipe [2]int
	syscall.Pipe2(pipe[:], syscall.O_NONBLOCK)
	epoll, _ := syscall.EpollCreate1(0)
	timer := text("")
	must(syscall.RawSyscall(syscall.SYS_TIMER_CREATE, 1, 0, timer))
	good = values{
		"file": fd("/tmp/file"), "other": fd("/tmp/other"), "folder": fd("/"), "epoll": uintptr(epoll),
		"reader": uintptr(pipe[0]), "writer": uintptr(pipe[1]),
		"timer": uintptr(*(*int32)(unsafe.Pointer(timer))),
		"here": ^uintptr(99), "path": text("/tmp/file"), "new": text("/tmp/new"), "link": text("/tmp/link"),
		"buffer": area(16), "zeroes": area(1),
	}
	return bad, good
}

// spared are the pointers that an argument is not tried with, by the mark before it: null would let the call
// wait for ever, as would a signal set that can be read.
var spared = map[byte]string{'*': "", '+': "null", '!': "null readonly"}

// table does the calls of standard input: a name, a number, arguments; one with a mark is tried bad.
func table() {
	bad, good := set()
	value := func(word string) uintptr {
		if found, ok := good[word]; ok {
			return found
		}
		n, err := strconv.ParseInt(word, 0, 64)
		if err != nil {
			panic(err)
		}
		return uintptr(n)
	}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		words := strings.Fields(lines.Text())
		for tried, word := range words[2:] {
			spare, marked := spared[word[0]]
			for name, pointer := range bad {
				if !marked || strings.Contains(spare, name) {
					continue
				}
				var arguments [6]uintptr
				for i, other := range words[2:] {
					arguments[i] = value(strings.TrimLeft(other, "*+!"))
				}
				arguments[tried] = pointer
				_, _, err := syscall.RawSyscall6(value(words[1]), arguments[0], arguments[1], arguments[2],
					arguments[3], arguments[4], arguments[5])
				fmt.Println(words[0], tried, name, int(err))
			}
		}
	}
}

// vectors has good arrays of struct iovec with bad ranges in them.
func vectors() {
	bad, good := set()
	for name, pointer := range bad {
		for _, size := range []uintptr{1, 100, 1 << 40, ^uintptr(0)} {
			for _, call := range []uintptr{syscall.SYS_READV, syscall.SYS_WRITEV, syscall.SYS_PREADV} {
				array := unsafe.Slice((*uintptr)(unsafe.Pointer(good["zeroes"])), 4)
				copy(array, []uintptr{pointer, size, good["buffer"], 10})
				syscall.Seek(int(good["file"]), 0, 0)
				n, _, err := syscall.RawSyscall6(call, good["file"], good["zeroes"], 2, 0, 0, 0)
				fmt.Println(name, size, call, int(n), int(err))
			}
		}
	}
}

// fuzz makes calls at random from the numbers of its arguments.
func fuzz(seed int64, count int, numbers []string) {
	runtime.LockOSThread()
	bad, good := set()
	random := rand.New(rand.NewSource(seed))
	pool := []uintptr{0, 1, 2, 7, 8, 16, 100, 4096, 1 << 20, 1 << 31, 1 << 32, 1 << 40, 1 << 62, ^uintptr(0)}
	names := []string{
		"file", "other", "folder", "epoll", "reader", "writer", "timer", "here", "path", "new", "link",
		"buffer", "buffer", "zeroes",
	}
	for _, name := range names {
		pool = append(pool, good[name], good[name])
	}
	for _, name := range []string{"edge", "readonly", "hole", "kernel", "reserved"} {
		pool = append(pool, bad[name])
	}
	errors := 0
	for range count {
		number, _ := strconv.Atoi(numbers[random.Intn(len(numbers))])
		var arguments [6]uintptr
		for i := range arguments {
			arguments[i] = pool[random.Intn(len(pool))]
			if random.Intn(8) == 0 {
				arguments[i] = uintptr(random.Uint64() >> random.Intn(64))
			}
		}
		if int32(arguments[0]) == 1 || int32(arguments[2]) == 1 {
			arguments[0], arguments[2] = 0, 0 // standard output is for the last line
		}
		_, _, err := syscall.RawSyscall6(uintptr(number), arguments[0], arguments[1], arguments[2],
			arguments[3], arguments[4], arguments[5])
		if err != 0 {
			errors++
		}
	}
	fmt.Println("done", errors > count/4, errors < count)
}

func main() {
	switch os.Args[1] {
	case "table":
		table()
	case "vectors":
		vectors()
	case "fuzz":
		seed, _ := strconv.ParseInt(os.Args[2], 10, 64)
		count, _ := strconv.Atoi(os.Args[3])
		fuzz(seed, count, os.Args[4:])
	}
}
"""

READS = """
    mknodat here *new 0o10666 0
    mkdirat here *new 0o777
    unlinkat here *new 0
    symlinkat *path here *new
    linkat here *path here *new 0
    truncate *path 10000
    faccessat here *path 0
    faccessat2 here *path 0 0
    chdir *path
    chroot *path
    fchmodat here *path 0o666
    fchmodat2 here *path 0o666 0
    fchownat here *path 1000 1000 0
    openat here *path 0 0
    openat2 here *path *zeroes 24
    renameat2 here *path here *new 0
    memfd_create *path 0
    utimensat here *path *zeroes 0
    statfs *path buffer
    newfstatat here *path buffer 0
    statx here *path 0 0xfff buffer
    readlinkat here *link buffer 100
    epoll_ctl epoll 1 reader *buffer
    epoll_pwait epoll buffer 1 0 *zeroes 8
    epoll_pwait2 epoll buffer 1 +zeroes *zeroes 8
    ppoll buffer 0 +zeroes *zeroes 8
    pselect6 0 0 0 0 +zeroes *zeroes
    write other *buffer 4096
    writev other *buffer 2
    readv file *buffer 2
    preadv file *buffer 2 0
    preadv2 file *buffer 2 0 0 0
    pwrite64 other *buffer 100 0
    pwritev other *buffer 2 0
    pwritev2 other *buffer 2 0 0 0
    write writer *buffer 4096
    capset *buffer *buffer
    futex *zeroes 0 1 *zeroes 0 0
    nanosleep *zeroes 0
    clock_nanosleep 1 0 *zeroes 0
    setitimer 0 *zeroes 0
    timer_create 1 *buffer zeroes
    timer_settime timer 0 *zeroes 0
    sched_setaffinity 0 8 *buffer
    sigaltstack *buffer 0
    rt_sigaction 10 *buffer 0 8
    rt_sigprocmask 0 *zeroes 0 8
    rt_sigsuspend !buffer 8
    setrlimit 7 *buffer
    prlimit64 0 7 *buffer 0
    prctl 15 *path 0 0 0
"""
"""Calls with the pointers that they read through."""

WRITES = """
    getcwd *buffer 100
    epoll_pwait epoll *buffer 1 0 0 8
    epoll_pwait2 epoll *buffer 1 zeroes 0 8
    pipe2 *buffer 0
    getdents64 folder *buffer 4096
    statfs path *buffer
    fstatfs file *buffer
    newfstatat here path *buffer 0
    fstat file *buffer
    statx here path 0 0xfff *buffer
    readlinkat here link *buffer 100
    pread64 file *buffer 100 0
    sendfile other file *zeroes 10
    copy_file_range file *zeroes other *buffer 10 0
    ppoll *zeroes 1 zeroes 0 8
    pselect6 1 *buffer 0 0 zeroes 0
    capget *buffer 0
    getitimer 0 *buffer
    setitimer 0 0 *buffer
    timer_create 1 0 *buffer
    timer_gettime timer *buffer
    timer_settime timer 0 zeroes *buffer
    clock_gettime 1 *buffer
    clock_getres 1 *buffer
    sched_getparam 0 *buffer
    sched_getaffinity 0 8 *buffer
    sigaltstack 0 *buffer
    rt_sigaction 10 0 *buffer 8
    rt_sigprocmask 0 0 *buffer 8
    rt_sigpending *buffer 8
    getresuid *buffer buffer buffer
    getresuid buffer *buffer buffer
    getresuid buffer buffer *buffer
    getresgid *buffer *buffer *buffer
    times *buffer
    uname *buffer
    getrlimit 7 *buffer
    getrusage 0 *buffer
    prctl 16 *buffer 0 0 0
    getcpu *buffer 0
    getcpu 0 *buffer
    gettimeofday *buffer 0
    gettimeofday 0 *buffer
    sysinfo *buffer
    mincore zeroes 4096 *buffer
    riscv_hwprobe *buffer 1 0 0 0
    prlimit64 0 7 0 *buffer
    getrandom *buffer 100 0
    fcntl file 5 *buffer
    ioctl reader 0x541b *buffer
"""
"""Calls with the pointers that they write through."""

OPTIONAL = frozenset(
    """
    utimensat.2 epoll_pwait.4 epoll_pwait2.4 ppoll.3 pselect6.5 futex.3
    timer_create.1 sigaltstack.0 rt_sigaction.1 rt_sigprocmask.1 prlimit64.2 setitimer.1 capset.1
    sendfile.2 copy_file_range.1 copy_file_range.3 pselect6.1 setitimer.2 timer_settime.3 clock_getres.1
    sigaltstack.1 rt_sigaction.2 rt_sigprocmask.2 times.0 getcpu.0 getcpu.1 gettimeofday.0 gettimeofday.1
    prlimit64.3 capget.0
    """.split()  # noqa: SIM905
)
"""Call and argument that may be null."""

PARTIAL = frozenset({"mincore.2", "write.1", "getrandom.0", "pread64.1", "pwrite64.1"})
"""Transfers: what stands before the hole is moved."""

ALLOWED = {
    ("futex.0", "one"): errno.EINVAL,  # not aligned: futex(2)
    ("futex.0", "edge"): errno.EINVAL,
    ("futex.0", "last"): errno.EINVAL,
    ("timer_settime.2", "null"): errno.EINVAL,  # timer_settime(2)
}


@pytest.fixture(scope="module")
def program(go_program, fairlead, tmp_path_factory) -> Path:
    image = tmp_path_factory.mktemp("images") / "wild.opensbi"
    built = fairlead("build", "--port", "opensbi", "-o", image, go_program(PROGRAM))
    assert built.returncode == 0, built.stderr
    return image


def tried(program: Path, fairlead, table: str) -> dict[tuple[str, str], int]:
    """(call.argument, kind of pointer) to the error number."""
    rows = [line.split() for line in table.strip().splitlines()]
    lines = [f"{name} {RISCV64[name]} {' '.join(arguments)}\n" for name, *arguments in rows]
    ran = fairlead("run", "--port", "opensbi", "--max-time=60s", program, "table", input="".join(lines))
    assert (ran.stderr, ran.returncode) == ("", 0)
    found = {}
    for line in ran.stdout.splitlines():
        name, argument, kind, number = line.split()
        found[f"{name}.{argument}", kind] = int(number)
    expected = sum(9 * table.count(mark) for mark in "*+!") - table.count("+") - 2 * table.count("!")
    assert len(ran.stdout.splitlines()) == expected
    return found


def unlike(found: dict[tuple[str, str], int], readable: bool) -> dict[tuple[str, str], str]:
    """What was not EFAULT and should have been."""
    wrong = {}
    for (where, kind), number in found.items():
        if kind == "null" and where in OPTIONAL:
            continue
        if kind == "readonly" and readable:
            continue
        if kind == "edge" and where in PARTIAL:
            continue
        if number not in (errno.EFAULT, ALLOWED.get((where, kind))):
            wrong[where, kind] = errno.errorcode.get(number, str(number))
    return wrong


def test_reading_through_a_wild_pointer_is_efault(program: Path, fairlead) -> None:
    assert unlike(tried(program, fairlead, READS), readable=True) == {}


def test_writing_through_a_wild_pointer_is_efault(program: Path, fairlead) -> None:
    assert unlike(tried(program, fairlead, WRITES), readable=False) == {}


def test_every_call_with_a_pointer_is_in_the_tables() -> None:
    listed = {line.split()[0] for line in (READS + WRITES).splitlines() if line.strip()}
    without = set(
        """
        brk clone close close_range dup dup3 epoll_create1 eventfd2 exit exit_group fadvise64 fallocate fchdir
        fchmod fchown fdatasync flock fsync ftruncate getegid geteuid getgid getpgid getpid getppid
        getgroups getpriority getsid gettid getuid kill lseek madvise mlock mlockall mmap mprotect msync
        munlock munlockall munmap personality readahead riscv_flush_icache rt_sigreturn sched_get_priority_max
        sched_get_priority_min sched_getscheduler sched_yield set_robust_list set_tid_address setgid
        setpgid setpriority setregid setresgid setresuid setreuid setsid setuid splice sync
        sync_file_range syncfs tgkill timer_delete timer_getoverrun tkill umask unshare read
        """.split()  # noqa: SIM905
    )
    # Refused whatever they are given.
    without |= set(
        """
        clock_settime clone3 execve execveat io_uring_setup landlock_create_ruleset membarrier mount
        perf_event_open pidfd_open pidfd_send_signal ptrace rseq sched_setscheduler seccomp setgroups
        settimeofday socket socketpair umount2 wait4 waitid
        fgetxattr flistxattr fremovexattr fsetxattr getxattr lgetxattr listxattr llistxattr lremovexattr
        lsetxattr removexattr setxattr
        """.split()  # noqa: SIM905
    )
    served = {name for name in SERVED if name in RISCV64}
    assert served - listed - without == set()
    assert listed <= served


def test_vectors_of_wild_ranges(program: Path, fairlead) -> None:
    ran = fairlead("run", "--port", "opensbi", "--max-time=60s", program, "vectors")
    assert (ran.stderr, ran.returncode) == ("", 0)
    lines = [line.split() for line in ran.stdout.splitlines()]
    assert len(lines) == 9 * 4 * 3
    for kind, size, call, count, number in lines:
        if int(size) >> 63:
            assert int(number) == errno.EINVAL
        elif kind == "edge":
            assert int(count) > 0 or int(number) == 0
        elif kind == "readonly" and int(call) == RISCV64["writev"]:
            assert int(count) > 0
        else:
            assert int(number) == errno.EFAULT, (kind, size, call, count)


def test_an_m_that_is_none_is_not_registered(program: Path, fairlead) -> None:
    line = f"register {REGISTER_M} *0\nregister {REGISTER_M} *zeroes\n"
    ran = fairlead("run", "--port", "opensbi", program, "table", input=line)
    assert (ran.stderr, ran.returncode) == ("", 0)
    wrong = [line for line in ran.stdout.splitlines() if not line.endswith(f" {errno.EFAULT}")]
    assert wrong == []


ENDING = {"exit", "exit_group", "kill", "tkill", "tgkill"}
HARMING = {
    # What these do to the program itself ends it, or its output.
    "brk", "clone", "close", "close_range", "dup3", "fcntl", "madvise", "mmap", "mprotect", "munmap",
    "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigaltstack", "set_tid_address", "setrlimit",
    "prlimit64", "setitimer", "timer_settime", "execve", "execveat",
}  # fmt: skip
BLOCKING = {
    "epoll_pwait", "epoll_pwait2", "futex", "ppoll", "pselect6", "rt_sigsuspend", "nanosleep",
    "clock_nanosleep",
}  # fmt: skip


def numbers(but: set[str]) -> list[str]:
    return [str(number) for name, number in RISCV64.items() if name in SERVED and name not in but]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_nonsense_is_refused_and_the_program_goes_on(seed: int, program: Path, fairlead) -> None:
    ran = fairlead(
        "run", "--port", "opensbi", "--memory=512M", "--max-time=60s", program, "fuzz", str(seed), "20000",
        *numbers(ENDING | HARMING | BLOCKING), timeout=120,
    )  # fmt: skip
    assert (ran.stdout, ran.returncode) == ("done true true\n", 0), ran.stderr
    assert "fairlead: " not in ran.stderr


@pytest.mark.parametrize("seed", range(8))
def test_nonsense_that_may_harm_the_program_harms_nobody_else(seed: int, program: Path, fairlead) -> None:
    every = [str(number) for number in range(480)] + [str(REGISTER_M)]
    calls = every if seed % 2 else numbers(ENDING)
    ran = fairlead(
        "run", "--port", "opensbi", "--memory=256M", "--max-time=2s", program, "fuzz", str(seed), "3000",
        *calls, timeout=120,
    )  # fmt: skip
    assert "Traceback" not in ran.stderr
    assert "internal error" not in ran.stderr
    assert "hook" not in ran.stderr
    assert ran.returncode < 125 or ran.returncode > 127
