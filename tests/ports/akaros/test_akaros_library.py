"""Errors with words, through Go's standard library: shown, unwrapped, and compared with as ever."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from fairlead.guest.edits import read_edits
from fairlead.guest.toolchain import find_toolchain

PROGRAM = """\
package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"time"
)

func show(err error) {
	var number syscall.Errno
	var words *syscall.AkaError
	fmt.Println(err)
	fmt.Println(errors.As(err, &number), uint(number))
	if errors.As(err, &words) {
		fmt.Println(syscall.IsErrno(words, number), words.Errno() == number, len(words.Errstr()) > 0)
	}
	fmt.Println(errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrExist), errors.Is(err, fs.ErrPermission),
		errors.Is(err, number), errors.Is(err, syscall.EDOM))
	fmt.Println(os.IsNotExist(err), os.IsExist(err), os.IsPermission(err), os.IsTimeout(err))
}

func main() {
	_, err := os.Open("/no/such")
	show(err)
	show(os.Mkdir("/tmp", 0700))
	show(os.WriteFile("/file", nil, 0600))
	show(os.Chdir(strings.Repeat("x", 5000)))

	os.WriteFile("/tmp/file", nil, 0600)
	fmt.Println(os.Remove("/tmp/file"), os.RemoveAll("/tmp/file"), os.RemoveAll("/tmp/none/at/all"))
	os.MkdirAll("/tmp/a/b/c", 0700)
	fmt.Println(os.Remove("/tmp/a"), os.Remove("/tmp/a/b/c"), os.RemoveAll("/tmp/a"))
	_, err = time.LoadLocation("No/Where")
	fmt.Println(err)
	_, err = os.ReadFile("/tmp")
	fmt.Println(err)
	r, w, _ := os.Pipe()
	r.SetReadDeadline(time.Now().Add(time.Millisecond))
	_, err = r.Read(make([]byte, 1))
	fmt.Println(err, os.IsTimeout(err))
	r.Close()
	_, err = w.Write([]byte("x"))
	fmt.Println(err, err.(*fs.PathError).Err == syscall.EPIPE)
	_, err = os.Stat("/tmp/none")
	fmt.Println(err, errors.Is(fmt.Errorf("once more: %w", err), os.ErrNotExist))
	os.WriteFile("/tmp/one", []byte("text"), 0600)
	fmt.Println(os.Link("/tmp/one", "/tmp/two"))
	fmt.Println(os.Link("/tmp/one", "/tmp/two"), os.Link("/tmp/none", "/tmp/x"))
	fmt.Println(os.Link("/proc/self/maps", "/tmp/x"), os.Link("/tmp", "/tmp/x"))
	one, _ := os.Stat("/tmp/one")
	two, _ := os.Stat("/tmp/two")
	fmt.Println(os.SameFile(one, two), two.Sys().(*syscall.Stat_t).Nlink, os.Remove("/tmp/one"))
	text, err := os.ReadFile("/tmp/two")
	fmt.Println(string(text), err)
	fmt.Println(syscall.NewAkaError(syscall.ENOENT, "") == syscall.ENOENT, syscall.NewAkaError(2, "gone"))
}
"""

SAID = """\
open /no/such: file does not exist
true 2
true true true
true false false true false
true false false false
mkdir /tmp: file exists
true 17
true true true
false true false true false
false true false false
open /file: missing create permission on dir
true 13
true true true
false false true true false
false false true false
chdir {long}: file name too long
true 36
false false false true false
false false false false
<nil> <nil> <nil>
remove /tmp/a: can't remove dir with children <nil> <nil>
unknown time zone No/Where
read /tmp: is a directory
read |0: i/o timeout true
write |1: broken pipe true
stat /tmp/none: walk failed true
<nil>
link /tmp/one /tmp/two: file exists link /tmp/none /tmp/x: walk failed
link /proc/self/maps /tmp/x: invalid cross-device link link /tmp /tmp/x: operation not permitted
true 2 <nil>
text <nil>
true gone
""".format(long="x" * 5000)


def test_errors_through_the_library(fairlead, go_program) -> None:
    ran = fairlead("run", "--port", "akaros", go_program(PROGRAM))
    assert (ran.stdout, ran.stderr, ran.returncode) == (SAID, "", 0)


REVIEWED = {
    # Compared with what carries no words (the call, or this errno of it), or on other systems only.
    "internal/poll/copy_file_range_linux.go", "internal/poll/copy_file_range_unix.go",
    "internal/poll/errno_unix.go", "internal/poll/fd_unix.go", "internal/poll/sendfile_unix.go",
    "internal/poll/splice_linux.go", "internal/syscall/unix/fchmodat_linux.go",
    "internal/syscall/unix/getrandom.go", "internal/testenv/testenv_unix.go", "net/error_unix.go",
    "net/fd_unix.go", "net/internal/socktest/sys_unix.go", "net/ipsock_posix.go",
    "net/mptcpsock_linux.go", "net/sock_linux.go", "net/tcpsock_posix.go",
    "os/exec/internal/fdtest/exists_unix.go", "os/exec/lp_unix.go", "os/exec_unix.go", "os/file_unix.go",
    "os/getwd.go", "os/pidfd_linux.go",
    "os/user/cgo_lookup_unix.go", "os/wait_waitid.go", "syscall/exec_linux.go",
    "syscall/syscall_linux.go", "syscall/syscall_unix.go",
}  # fmt: skip
COMPARISON = re.compile(r"(?:[=!]=|case)\s*(?:syscall\.|unix\.)E(?!INTR|AGAIN|WOULDBLOCK|PIPE)[A-Z0-9]{2,}")


@pytest.mark.slow
def test_every_comparison_in_the_library_is_reviewed_or_edited() -> None:
    """A Go with a comparison at a new place makes this fail: does an error with words come there?"""
    go = find_toolchain()
    listed = subprocess.run(
        [str(go.go), "list", "-f", "{{$d := .Dir}}{{range .GoFiles}}{{$d}}/{{.}}\n{{end}}", "std"],
        env={"GOOS": "linux", "GOARCH": "amd64", "CGO_ENABLED": "0", "HOME": "/tmp", "PATH": "/usr/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    import fairlead_akaros

    edits = Path(fairlead_akaros.__file__).parent / "overlay" / "edits.toml"
    edited = {file.path.removeprefix("src/") for file in read_edits(edits)}
    found = set()
    for name in filter(None, listed.stdout.split()):
        path = Path(name)
        if COMPARISON.search(path.read_text()):
            found.add(path.relative_to(go.goroot / "src").as_posix())
    assert found - edited - REVIEWED == set()
    assert found & edited
