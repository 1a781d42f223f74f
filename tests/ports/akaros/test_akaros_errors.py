"""Every refusal with errno and errstr as the published kernel has them, and where its source says so.

Each row makes a call that fails, in a guest: a label, Go code for it, the error's name and words, and the
kernel's source file. Calls are made by Akaros' own numbers, through go_syscall.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fairlead_akaros.kernel.errors import REFUSALS

ERRNO = json.loads((Path(__file__).parent / "akaros-abi.json").read_text())["errno"]

READ, WRITE, CREATE, EXCL, PATH, NOFOLLOW = 1, 2, 64, 128, 32768, 131072

ROWS = [
    # walking a path
    ("missing", 'open("/no", READ)', "ENOENT", "file does not exist", "src/ns/tree_file.c"),
    ("missing deep", 'open("/no/such/file", READ)', "ENOENT", "file does not exist", "src/ns/tree_file.c"),
    ("missing later", 'open("/tmp/no", READ)', "ENOENT", "walk failed", "src/ns/chan.c"),
    ("relative", 'open("nothing", READ)', "ENOENT", "file does not exist", "src/ns/tree_file.c"),
    ("file on the way", 'open("/tmp/file/x", READ)', "ENOTDIR", "walk failed", "src/ns/chan.c"),
    ("closed directory", 'stat("/tmp/closed/x")', "EACCES", "missing perm for lookup", "src/ns/tree_file.c"),
    ("links", 'stat("/tmp/loop")', "ELOOP", "too many nested symlinks in walk", "src/ns/chan.c"),
    ("empty", 'open("", READ)', "EFAIL", "empty file name", "src/ns/chan.c"),
    ("slash", 'stat("/tmp/file/")', "ENOTDIR", "not a dir, but mustbedir.  trailing slash?", "src/ns/chan.c"),
    ("long", "open(strings.Repeat(`a/`, 2100), READ)", "ENAMETOOLONG", "", "src/umem.c"),
    # opening
    (
        "write a directory",
        'open("/tmp", WRITE)',
        "EISDIR",
        "can't open a dir for writing",
        "src/ns/tree_file.c",
    ),
    (
        "no-follow",
        'open("/tmp/link", READ|NOFOLLOW)',
        "ELOOP",
        "no-follow open of a symlink",
        "src/ns/sysfile.c",
    ),
    ("exclusive", 'open("/tmp/file", WRITE|CREATE|EXCL)', "EEXIST", "file exists", "src/ns/tree_file.c"),
    (
        "exclusive alone",
        'open("/tmp/file", READ|EXCL)',
        "EINVAL",
        "Cannot open O_EXCL without O_CREATE",
        "src/syscall.c",
    ),
    (
        "path and read",
        'open("/tmp", PATH|READ)',
        "EINVAL",
        "Cannot open O_PATH with any I/O perms (O100001)",
        "src/syscall.c",
    ),
    (
        "from a file",
        "call(usys.SYS_OPENAT, file, s(`x`), 1, READ, 0)",
        "EINVAL",
        "Cannot openat from a non-O_PATH FD",
        "src/ns/sysfile.c",
    ),
    (
        "create where one may not",
        'open("/file", WRITE|CREATE)',
        "EACCES",
        "missing create permission on dir",
        "src/ns/tree_file.c",
    ),
    # descriptors
    (
        "read none",
        "call(usys.SYS_READ, 77, buffer, 8)",
        "EBADF",
        "This space in kern/src/ns/sysfile.c@75 needs filling in.",
        "src/ns/sysfile.c",
    ),
    (
        "read for writing",
        "call(usys.SYS_READ, 1, buffer, 8)",
        "EBADF",
        "FD access mode failure: chan mode 0x2, wanted 0x1 (opened with 0 instead of O_READ?)",
        "src/ns/sysfile.c",
    ),
    ("close none", "call(usys.SYS_CLOSE, 77)", "EBADF", "FD was not open", "src/ns/sysfile.c"),
    ("flags of none", "call(usys.SYS_FCNTL, 77, 1)", "EBADF", "FD was not open", "src/ns/sysfile.c"),
    (
        "odd flags",
        "call(usys.SYS_FCNTL, file, 2, 6)",
        "EINVAL",
        "Bad FD flags 0x0000000000000006, valid are 0x0000000000000001",
        "src/syscall.c",
    ),
    ("odd command", "call(usys.SYS_FCNTL, file, 99)", "EINVAL", "Unsupported fcntl cmd 99", "src/syscall.c"),
    (
        "wild buffer",
        "call(usys.SYS_READ, file, ^uintptr(99), 8)",
        "EINVAL",
        "bad user addr 0xffffffffffffff9c + 0x0000000000000008",
        "src/syscall.c",
    ),
    (
        "write to a directory",
        "call(usys.SYS_LLSEEK, file, 0, 0, buffer, 9)",
        "EINVAL",
        "This space in kern/src/ns/sysfile.c@954 needs filling in.",
        "src/ns/sysfile.c",
    ),
    (
        "seek back",
        "call(usys.SYS_LLSEEK, file, 0xffffffff, 0xfffffff0, buffer, 0)",
        "EINVAL",
        "This space in kern/src/ns/sysfile.c@919 needs filling in.",
        "src/ns/sysfile.c",
    ),
    ("full pipe", "full()", "EAGAIN", "queue full", "src/ns/qio.c"),
    ("empty pipe", "call(usys.SYS_READ, pipe[0], buffer, 8)", "EAGAIN", "queue empty", "src/ns/qio.c"),
    ("broken pipe", "broken()", "EPIPE", "connection closed", "src/ns/qio.c"),
    # names
    (
        "remove a full directory",
        'path(usys.SYS_RMDIR, "/tmp/dir")',
        "ENOTEMPTY",
        "can't remove dir with children",
        "src/ns/tree_file.c",
    ),
    (
        "remove from a shut one",
        'path(usys.SYS_UNLINK, "/tmp/shut/x")',
        "EACCES",
        "missing remove perm for dir",
        "src/ns/tree_file.c",
    ),
    (
        "make it again",
        'path(usys.SYS_MKDIR, "/tmp/dir", 0755)',
        "EEXIST",
        "file exists",
        "src/ns/tree_file.c",
    ),
    ("hard link", 'two(usys.SYS_LINK, "/tmp/file", "/tmp/other")', "ENOSYS", "no link", "src/syscall.c"),
    (
        "no link",
        'path(usys.SYS_READLINK, "/tmp/file", buffer, 8)',
        "EINVAL",
        "not a symlink: /tmp/file",
        "src/syscall.c",
    ),
    (
        "onto a directory",
        'two(usys.SYS_RENAME, "/tmp/file", "/tmp/empty")',
        "EISDIR",
        "can't rename a file onto a dir",
        "src/ns/tree_file.c",
    ),
    (
        "onto a file",
        'two(usys.SYS_RENAME, "/tmp/empty", "/tmp/file")',
        "ENOTDIR",
        "can't rename a dir onto a file",
        "src/ns/tree_file.c",
    ),
    (
        "into itself",
        'two(usys.SYS_RENAME, "/tmp/dir", "/tmp/dir/sub")',
        "EINVAL",
        "can't rename to a child directory",
        "src/ns/tree_file.c",
    ),
    (
        "across",
        'two(usys.SYS_RENAME, "/tmp/file", "/proc/file")',
        "EXDEV",
        "can't rename across device types",
        "src/ns/chan.c",
    ),
    (
        "short of room",
        "call(usys.SYS_GETCWD, buffer, 1)",
        "ERANGE",
        "getcwd buf too small, needed 2",
        "src/syscall.c",
    ),
    # memory and processes
    (
        "odd rights",
        "call(usys.SYS_MMAP, 0, 4096, 64, 0x22, ^uintptr(0), 0)",
        "EINVAL",
        "invalid prot 0x40 (7)",
        "src/mm.c",
    ),
    (
        "too much",
        "call(usys.SYS_MMAP, 0, 1<<46, 3, 0x22, ^uintptr(0), 0)",
        "ENOMEM",
        "probably tried to mmap beyond UMAPTOP",
        "src/mm.c",
    ),
    (
        "a terminal's memory",
        "call(usys.SYS_MMAP, 0, 4096, 1, 2, 0, 0)",
        "ENODEV",
        "device does not support mmap",
        "src/mm.c",
    ),
    (
        "another process",
        "call(usys.SYS_PROC_DESTROY, 4711, 0)",
        "ESRCH",
        "no proc for pid 4711",
        "src/syscall.c",
    ),
    (
        "another vcore",
        "call(usys.SYS_SELF_NOTIFY, 9, 1, 0, 0)",
        "EINVAL",
        "vcoreid 9 out of range 4",
        "src/syscall.c",
    ),
    # attributes
    (
        "short stat",
        'path(usys.SYS_WSTAT, "/tmp/file", buffer, 48, 0)',
        "EINVAL",
        "statcheck: legacy chunk too short (48 < 49)",
        "src/ns/convM2D.c",
    ),
    (
        "stat of another size",
        'path(usys.SYS_WSTAT, "/tmp/file", message(9, ``), 60, 0)',
        "EINVAL",
        "statcheck: size mismatch (60 != 49)",
        "src/ns/convM2D.c",
    ),
    (
        "stat with a wild string",
        'path(usys.SYS_WSTAT, "/tmp/file", message(0xff, ``), 49, 0)',
        "EINVAL",
        "statcheck: string 1 (legacy) out of range",
        "src/ns/convM2D.c",
    ),
    (
        "stat of nothing",
        'path(usys.SYS_WSTAT, "/tmp/nothing", message(0, ``), 49, 0)',
        "ENOENT",
        "walk failed",
        "src/ns/chan.c",
    ),
    (
        "name of a stat",
        'path(usys.SYS_WSTAT, "/tmp/file", message(0, `new`), 52, 0)',
        "EINVAL",
        "do not rename with wstat",
        "src/ns/fs_file.c",
    ),
    (
        "mode of another's",
        'path(usys.SYS_WSTAT, "/", mode(0777), 49, 1)',
        "EPERM",
        "wrong user for wstat, need eve",
        "src/ns/fs_file.c",
    ),
    (
        "time of another's",
        'path(usys.SYS_WSTAT, "/", mtime(5), 49, 4)',
        "EPERM",
        "insufficient perms to set mtime",
        "src/ns/fs_file.c",
    ),
    (
        "stat of a device",
        'path(usys.SYS_WSTAT, "/dev/null", message(0, ``), 49, 0)',
        "EPERM",
        "This space in kern/src/ns/dev.c@493 needs filling in.",
        "src/ns/dev.c",
    ),
    (
        "stat of no descriptor",
        "call(usys.SYS_FWSTAT, 77, message(0, ``), 49, 0)",
        "EBADF",
        "This space in kern/src/ns/sysfile.c@75 needs filling in.",
        "src/ns/sysfile.c",
    ),
    (
        "stat of a wild message",
        "call(usys.SYS_FWSTAT, file, ^uintptr(99), 49, 0)",
        "EINVAL",
        "bad user addr 0xffffffffffffff9c + 0x0000000000000031",
        "src/syscall.c",
    ),
    # directories
    (
        "short directory read",
        "call(usys.SYS_READ, dir, buffer, 279)",
        "EINVAL",
        "readdir needs to read at least 280",
        "src/ns/sysfile.c",
    ),
    (
        "seek in a directory",
        "call(usys.SYS_LLSEEK, dir, 0, 1, buffer, 0)",
        "EISDIR",
        "This space in kern/src/ns/sysfile.c@927 needs filling in.",
        "src/ns/sysfile.c",
    ),
    # other processes
    ("fork", "call(usys.SYS_FORK)", "EINVAL", "", "src/syscall.c"),
    (
        "exec",
        "raw(16)",
        "EINVAL",
        "Can't exec an MCP",
        "src/syscall.c",
    ),
    ("wait", "call(usys.SYS_WAITPID, ^uintptr(0), 0, 0)", "ECHILD", "", "src/syscall.c"),
    ("run", "call(usys.SYS_PROC_RUN, uintptr(os.Getpid()))", "EINVAL", "", "src/syscall.c"),
    ("run another", "call(usys.SYS_PROC_RUN, 4711)", "ESRCH", "no proc for pid 4711", "src/syscall.c"),
    (
        "create from nothing",
        'create("/tmp/nothing", 16, 0)',
        "ENOENT",
        "walk failed",
        "src/ns/chan.c",
    ),
    ("create from no program", 'create("/tmp/script", 16, 0)', "ENOEXEC", "", "src/syscall.c"),
    (
        "create what may not run",
        'create("/tmp/file", 16, 0)',
        "EPERM",
        "permcheck(user: nanwan, rwx: 00, omode 05) failed",
        "src/ns/dev.c",
    ),
    (
        "create without arguments",
        'create("/tmp/program", 8, 0)',
        "EINVAL",
        "The argenv array has an invalid size: 8\\n",
        "src/syscall.c",
    ),
    (
        "create with wild arguments",
        'create("/tmp/program", 16, 3)',
        "EINVAL",
        "Failed to unpack the args",
        "src/syscall.c",
    ),
    (
        "create",
        'create("/tmp/program", 16, 0)',
        "ENOMEM",
        "Failed to alloc new proc",
        "src/syscall.c",
    ),
    (
        "change to no vcore",
        "call(usys.SYS_CHANGE_VCORE, 4, 0)",
        "EINVAL",
        "vcoreid 4 out of range 4",
        "src/syscall.c",
    ),
    (
        "descriptors of another",
        "call(usys.SYS_DUP_FDS_TO, 4711, buffer, 0)",
        "ESRCH",
        "no proc for pid 4711",
        "src/syscall.c",
    ),
]

PROGRAM = """\
package main

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"unsafe"
	"usys"
)

const (
	READ     = 1
	WRITE    = 2
	CREATE   = 64
	EXCL     = 128
	PATH     = 32768
	NOFOLLOW = 131072
)

var (
	room   [1 << 12]byte
	buffer = uintptr(unsafe.Pointer(&room))
	keep   [][]byte
	file   uintptr
	dir    uintptr
	pipe   [2]uintptr
)

func s(text string) uintptr {
	keep = append(keep, append([]byte(text), 0))
	return uintptr(unsafe.Pointer(&keep[len(keep)-1][0]))
}

func call(number int, args ...uintptr) *usys.Syscall {
	c := &usys.Syscall{Num: uint32(usys.Constant(number))}
	copy(c.Arg[:], args)
	usys.Call1(usys.USYS_GO_SYSCALL, uintptr(unsafe.Pointer(c)))
	return c
}

func open(name string, flags uintptr) *usys.Syscall {
	return call(usys.SYS_OPENAT, ^uintptr(99), s(name), uintptr(len(name)), flags, 0644)
}

func path(number int, name string, more ...uintptr) *usys.Syscall {
	return call(number, append([]uintptr{s(name), uintptr(len(name))}, more...)...)
}

func stat(name string) *usys.Syscall { return path(usys.SYS_STAT, name, buffer) }

func two(number int, old, new string) *usys.Syscall {
	return call(number, s(old), uintptr(len(old)), s(new), uintptr(len(new)))
}

func full() *usys.Syscall {
	for {
		if c := call(usys.SYS_WRITE, pipe[1], buffer, 1<<12); c.Retval < 0 {
			for call(usys.SYS_READ, pipe[0], buffer, 1<<12).Retval > 0 {
			}
			return c
		}
	}
}

func broken() *usys.Syscall {
	call(usys.SYS_CLOSE, pipe[0])
	return call(usys.SYS_WRITE, pipe[1], buffer, 1)
}

// message is a stat message that changes nothing but the name; skew is what its size says too much.
func message(skew int, name string) uintptr {
	m := append([]byte(strings.Repeat("\\xff", 41)), byte(len(name)), 0)
	m = append(append(m, name...), 0, 0, 0, 0, 0, 0)
	m[0], m[1] = byte(len(m)-2), 0
	if skew == 0xff {
		m[41], m[42] = 6, 0
	}
	keep = append(keep, append(m, make([]byte, 20)...))
	return uintptr(unsafe.Pointer(&keep[len(keep)-1][0]))
}

func mode(mode uint32) uintptr {
	at := message(0, "")
	*(*uint32)(unsafe.Pointer(at + 21)) = mode
	return at
}

func mtime(seconds uint32) uintptr {
	at := message(0, "")
	*(*uint32)(unsafe.Pointer(at + 29)) = seconds
	return at
}

func create(name string, size, argc uintptr) *usys.Syscall {
	argenv := make([]uintptr, 4)
	argenv[0] = argc
	return path(usys.SYS_PROC_CREATE, name, uintptr(unsafe.Pointer(&argenv[0])), size, 0)
}

func raw(number uint32) *usys.Syscall {
	c := &usys.Syscall{Num: number}
	usys.Call1(usys.USYS_GO_SYSCALL, uintptr(unsafe.Pointer(c)))
	return c
}

func show(label string, c *usys.Syscall) {
	text := string(c.Errstr[:strings.IndexByte(string(c.Errstr[:]), 0)])
	text = strings.ReplaceAll(text, "\\n", `\\n`)
	fmt.Printf("%s\\t%d\\t%d\\t%s\\n", label, c.Retval, c.Err, text)
}

func main() {
	os.MkdirAll("/tmp/dir/sub", 0755)
	os.Mkdir("/tmp/empty", 0755)
	os.Mkdir("/tmp/closed", 0)
	os.Mkdir("/tmp/shut", 0755)
	os.WriteFile("/tmp/shut/x", nil, 0644)
	os.Chmod("/tmp/shut", 0555)
	os.WriteFile("/tmp/file", []byte("file"), 0644)
	os.Symlink("loop", "/tmp/loop")
	os.Symlink("file", "/tmp/link")
	os.WriteFile("/tmp/script", []byte("#!/bin/sh"), 0755)
	os.WriteFile("/tmp/program", []byte("\\x7fELF"+strings.Repeat("x", 60)), 0755)
	dir = uintptr(open("/tmp/dir", READ).Retval)
	file = uintptr(open("/tmp/file", READ).Retval)
	var p [2]int
	syscall.Pipe2(p[:], syscall.O_NONBLOCK)
	pipe = [2]uintptr{uintptr(p[0]), uintptr(p[1])}
CALLS
}
"""


@pytest.fixture(scope="module")
def answers(fairlead, go_program) -> dict[str, tuple[int, int, str]]:
    calls = "\n".join(f'\tshow("{label}", {code})' for label, code, *_ in ROWS)
    program = PROGRAM.replace("CALLS", calls)
    ran = fairlead("run", "--port", "akaros", "--set", "vcores=4", go_program(program))
    assert ran.returncode == 0, ran.stderr
    rows = [line.split("\t") for line in ran.stdout.splitlines()]
    return {label: (int(retval), int(errno), text) for label, retval, errno, text in rows}


@pytest.mark.parametrize(("label", "code", "errno", "text", "source"), ROWS, ids=[row[0] for row in ROWS])
def test_refusal(answers, label: str, code: str, errno: str, text: str, source: str) -> None:
    assert answers[label] == (-1, ERRNO[errno], text)
    sources = {each.source.rpartition(":")[0] for each in REFUSALS.values() if each.errno.name == errno}
    assert source in sources or not text


def test_enough_of_them_are_on_trial() -> None:
    assert len({text for *_, text, _ in ROWS}) >= 20
