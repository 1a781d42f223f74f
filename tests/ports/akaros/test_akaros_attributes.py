"""What Go asks of files goes to Akaros' own calls: stat messages of 9P, entries of directories, taps."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

ERRNO = json.loads((Path(__file__).parent / "akaros-abi.json").read_text())["errno"]

LIBRARY = """\
package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"time"
)

func show(err error) {
	var number syscall.Errno
	var words *syscall.AkaError
	fmt.Println(err, errors.As(err, &number), int(number), errors.As(err, &words))
}

func attributes() {
	os.WriteFile("/tmp/file", []byte("0123456789"), 0o600)
	os.Symlink("file", "/tmp/link")
	fmt.Println(os.Chmod("/tmp/link", 0o641), os.Truncate("/tmp/link", 4))
	then := time.Unix(1<<33, 987654321)
	fmt.Println(os.Chtimes("/tmp/link", time.Time{}, then))
	info, _ := os.Stat("/tmp/file")
	fmt.Println(info.Mode(), info.Size(), info.ModTime().Equal(then))
	fmt.Println(os.Chtimes("/tmp/file", time.Now(), time.Unix(-1, 0)))
	fmt.Println(os.Chtimes("/tmp/file", then, time.Time{}))
	info, _ = os.Stat("/tmp/file")
	fmt.Println(info.ModTime().Unix(), info.Sys().(*syscall.Stat_t).Atim.Nano() == then.UnixNano())
	f, _ := os.OpenFile("/tmp/file", os.O_RDWR, 0)
	fmt.Println(f.Truncate(7), f.Chmod(0o600), f.Sync(), syscall.Fdatasync(int(f.Fd())))
	info, _ = f.Stat()
	fmt.Println(info.Mode(), info.Size())
	fmt.Println(os.Chmod("/tmp/file", 0o755|fs.ModeSticky))
	info, _ = f.Stat()
	fmt.Println(info.Mode())
	message := append(make([]byte, 0, 49), strings.Repeat("\\xff", 41)...)
	message = append(message, make([]byte, 8)...)
	message[0], message[1] = 47, 0
	copy(message[33:], []byte{3, 0, 0, 0, 0, 0, 0, 0})
	fmt.Println(syscall.Wstat("/tmp/link", message, 8))
	info, _ = f.Stat()
	fmt.Println(info.Size(), info.Mode())
	copy(message[33:], []byte{9, 0, 0, 0, 0, 0, 0, 0})
	fmt.Println(syscall.Fwstat(int(f.Fd()), message, 8), syscall.Wstat("/tmp/none", message, 8))
	info, _ = f.Stat()
	fmt.Println(info.Size())
	long := strings.Repeat("x", 200)
	fmt.Println(os.Symlink(long, "/tmp/long"))
	text, err := os.Readlink("/tmp/long")
	fmt.Println(text == long, err)
}

func directories() {
	os.MkdirAll("/tmp/many/sub", 0o755)
	for i := range 300 {
		os.WriteFile(fmt.Sprintf("/tmp/many/%03d%s", i, strings.Repeat("n", i%252)), nil, 0o600)
	}
	entries, err := os.ReadDir("/tmp/many")
	fmt.Println(len(entries), err, entries[0].Name(), entries[300].Name(), entries[300].IsDir())
	f, _ := os.Open("/tmp/many")
	total := 0
	for {
		names, err := f.Readdirnames(7)
		total += len(names)
		if err != nil {
			fmt.Println(total, err == io.EOF, len(names))
			break
		}
	}
	f.Seek(0, io.SeekStart)
	names, err := f.Readdirnames(-1)
	fmt.Println(len(names), err)
	f.Close()
	os.Mkdir("/tmp/none", 0o755)
	entries, err = os.ReadDir("/tmp/none")
	fmt.Println(len(entries), err)
	for _, name := range []string{"/tmp/many", "/tmp/none"} {
		text, err := os.ReadFile(name)
		fmt.Println(len(text), err, errors.Is(err, syscall.EISDIR))
	}
	_, err = os.ReadDir("/tmp/many/000")
	fmt.Println(err)
	os.WriteFile("/tmp/280", make([]byte, 280), 0o600)
	text, err := os.ReadFile("/tmp/280")
	fmt.Println(len(text), err)
	fmt.Println(os.RemoveAll("/tmp/many"))
	_, err = os.Stat("/tmp/many")
	fmt.Println(errors.Is(err, fs.ErrNotExist))
}

func words() {
	os.MkdirAll("/tmp/dir/sub", 0o755)
	os.WriteFile("/tmp/dir/file", nil, 0o600)
	show(os.Chmod("/tmp/nothing", 0o600))
	show(os.Truncate("/no", 0))
	show(os.Chtimes("/tmp/dir/file/x", time.Now(), time.Now()))
	show(os.Truncate("/tmp/dir", 1))
	root, _ := os.OpenRoot("/tmp/dir")
	_, err := root.Open("none")
	show(err)
	_, err = root.Stat("sub/none")
	show(err)
	show(root.Mkdir("sub", 0o700))
	show(root.Remove("none"))
	_, err = root.OpenFile("file", os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	show(err)
	root.Mkdir("sub/sub", 0o700)
	show(root.Remove("sub"))
	show(root.MkdirAll("sub/sub/more", 0o700))
	root.Symlink("away", "link")
	_, err = root.ReadFile("link")
	show(err)
	show(root.RemoveAll("sub"))
	var space syscall.Statfs_t
	show(syscall.Statfs("/tmp/nothing", &space))
	show(syscall.Mkfifo("/tmp/dir/file", 0o600))
	_, err = syscall.Pread(77, make([]byte, 1), 0)
	show(err)
	f, _ := os.OpenFile("/tmp/dir/file", os.O_WRONLY, 0)
	_, err = f.ReadAt(make([]byte, 1), 0)
	show(err)
	show(syscall.EpollCtl(77, 1, 0, &syscall.EpollEvent{}))
	show(os.Chmod("/dev/null", 0o600))
}

func main() {
	switch os.Args[1] {
	case "attributes":
		attributes()
	case "directories":
		directories()
	case "words":
		words()
	}
}
"""

SAID = {
    "attributes": """\
<nil> <nil>
<nil>
-rw-r----x 4 true
<nil>
<nil>
-1 true
<nil> <nil> <nil> <nil>
-rw------- 7
<nil>
trwxr-xr-x
<nil>
3 trwxr-xr-x
<nil> walk failed
9
<nil>
true <nil>
""",
    "directories": """\
301 <nil> 000 sub true
301 true 0
301 <nil>
0 <nil>
0 read /tmp/many: is a directory true
0 read /tmp/none: is a directory true
open /tmp/many/000: not a directory
280 <nil>
<nil>
true
""",
    "words": """\
chmod /tmp/nothing: walk failed true 2 true
truncate /no: file does not exist true 2 true
chtimes /tmp/dir/file/x: walk failed true 20 true
truncate /tmp/dir: is a directory true 21 false
openat none: file does not exist true 2 true
statat sub/none: file does not exist true 2 true
mkdirat sub: file exists true 17 true
removeat none: file does not exist true 2 true
openat file: file exists true 17 true
removeat sub: can't remove dir with children true 39 true
<nil> false 0 false
openat link: file does not exist true 2 true
<nil> false 0 false
walk failed true 2 true
file exists true 17 true
bad file descriptor true 9 false
read /tmp/dir/file: FD access mode failure: chan mode 0x2, wanted 0x1 (opened with 0 instead of O_READ?) """
    """true 9 true
bad file descriptor true 9 false
chmod /dev/null: operation not permitted true 1 false
""",
}


@pytest.fixture(scope="module")
def library(fairlead, go_program, tmp_path_factory):
    image = tmp_path_factory.mktemp("library") / "library"
    built = fairlead("build", "--port", "akaros", "-o", image, go_program(LIBRARY))
    assert built.returncode == 0, built.stderr
    return lambda *options: fairlead("run", "--port", "akaros", *options[1:], image, options[0])


@pytest.mark.parametrize("what", SAID)
def test_the_library_s_calls(library, what: str) -> None:
    ran = library(what)
    assert ran.stdout == SAID[what]
    assert (ran.stderr, ran.returncode) == ("", 0)


def test_they_are_the_kernel_s_own_calls(library, tmp_path: Path) -> None:
    made = {"attributes": {"wstat", "fwstat", "fcntl"}, "directories": {"read", "fstat", "llseek"}}
    for what, calls in made.items():
        trace = tmp_path / what
        assert library(what, f"--strace={trace}").returncode == 0
        names = {line.split()[2].partition("(")[0] for line in trace.read_text().splitlines()}
        assert calls <= names
        assert not {f"posix_{each}" for each in ("fchmod", "ftruncate", "truncate", "fsync")} & names
