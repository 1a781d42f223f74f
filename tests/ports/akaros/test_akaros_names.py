"""The guest's own mounts: nbind and nmount put trees onto each other, beside what --mount brings."""

from __future__ import annotations

from pathlib import Path

PROGRAM = """\
package main

import (
	"fmt"
	"os"
	"syscall"
)

func main() {
	os.MkdirAll("/tmp/a/b", 0755)
	os.MkdirAll("/tmp/c", 0755)
	os.WriteFile("/tmp/a/b/file", []byte("x"), 0644)
	os.Symlink("/tmp/a", "/tmp/l")
	fmt.Println(syscall.Nbind("/tmp/a", "/tmp/c", 0))
	d, err := os.ReadFile("/tmp/c/b/file")
	fmt.Println(string(d), err)
	fmt.Println(syscall.Nunmount("", "/tmp/c"))
	_, err = os.ReadFile("/tmp/c/b/file")
	fmt.Println(err)
	f, _ := os.Open("/tmp/a/b")
	fmt.Println(syscall.Nmount(int(f.Fd()), "/tmp/c", 0))
	fmt.Println(syscall.Fd2path(int(f.Fd())))
	d, err = os.ReadFile("/tmp/c/file")
	fmt.Println(string(d), err)
	g, _ := os.Open("/tmp/a/b/file")
	fmt.Println(syscall.Fd2path(int(g.Fd())))
	fmt.Println(syscall.Nbind("/nope", "/tmp/c", 0), syscall.Nbind("/tmp/a", "/tmp/l", 0))
	fmt.Println(syscall.Nbind("/tmp/a", "/tmp/a/b/file", 0))
	fmt.Println(syscall.Nbind("/tmp/a", "/", 0), syscall.Nunmount("", "/tmp/a"))
	fmt.Println(syscall.Block(1000), os.RemoveAll("/tmp/c"))
}
"""

SAID = """\
<nil>
x <nil>
<nil>
open /tmp/c/b/file: walk failed
<nil>
/tmp/a/b <nil>
x <nil>
/tmp/a/b/file <nil>
file does not exist cannot bind a symlink
invalid argument
invalid argument no such file or directory
<nil> unlinkat /tmp/c: device or resource busy
"""


def test_binds_and_mounts_of_the_guest_s(fairlead, go_program) -> None:
    ran = fairlead("run", "--port", "akaros", go_program(PROGRAM))
    assert (ran.stdout, ran.stderr, ran.returncode) == (SAID, "", 0)


ROOT = """\
package main

import (
	"fmt"
	"os"
	"syscall"
)

func main() {
	os.Mkdir("/tmp/root", 0755)
	fmt.Println(syscall.Nbind("/host", "/tmp/root", 0))
	text, err := os.ReadFile("/tmp/root/sub/file")
	fmt.Printf("%s %v\\n", text, err)
	fmt.Println(os.WriteFile("/tmp/root/sub/new", nil, 0600))
	fmt.Println(syscall.Nbind("/tmp", "/host", 0), syscall.Nunmount("", "/host"))
}
"""


def test_a_host_folder_is_bound_where_the_guest_wants_it(fairlead, go_program, tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "file").write_text("from the host")
    ran = fairlead("run", "--port", "akaros", "--mount", f"{tmp_path}:/host:ro", go_program(ROOT))
    assert ran.stdout.splitlines() == [
        "<nil>",
        "from the host <nil>",
        "open /tmp/root/sub/new: read-only file system",
        "device or resource busy no such file or directory",
    ], ran.stderr
