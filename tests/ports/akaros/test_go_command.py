"""The go command of `fairlead env`, where guest and host are both linux/amd64 to Go."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

Fairlead = Callable[..., "CompletedProcess[str]"]
Shell = Callable[[str], "CompletedProcess[str]"]

FILES = {
    "go.mod": "module m\n\ngo 1.24\n",
    "main.go": """\
package main

//go:generate go run ./gen zgen.go

import (
	"fmt"
	"os"
	"syscall"
	"usys"
)

func main() {
	_, err := os.Open("/no/such")
	fmt.Println(err, generated, usys.Constant(usys.MAX_VCORES), syscall.IsErrno(err, syscall.ENOENT))
}
""",
    "zgen.go": "package main\n\nconst generated = 0\n",
    "main_test.go": """\
package main

import (
	"os"
	"testing"
)

func TestKernel(t *testing.T) {
	if _, err := os.Stat("/no"); err.Error() != "stat /no: file does not exist" {
		t.Fatal(err)
	}
}

func BenchmarkSum(b *testing.B) {
	for sum := range b.N {
		for i := range 1000 {
			sum += i
		}
	}
}
""",
    "gen/main.go": """\
package main

import "os"

func main() {
	text := []byte("package main\\n\\nconst generated = 42\\n")
	if err := os.WriteFile(os.Args[1], text, 0o666); err != nil {
		panic(err)
	}
}
""",
}


@pytest.fixture
def shell(fairlead: Fairlead, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """A shell that has taken in the lines of `fairlead env`, in a module."""
    for name in ("GOFLAGS", "GOTOOLCHAIN", "CGO_ENABLED"):
        monkeypatch.delenv(name, raising=False)
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    done = fairlead("env", "--port", "akaros")
    assert (done.returncode, done.stderr) == (0, "")

    def shell(script: str) -> CompletedProcess[str]:
        command = ["sh", "-c", f"{done.stdout}\n{script}"]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)

    return shell


@pytest.mark.slow
def test_go_run_runs_on_akaros(shell: Shell) -> None:
    ran = shell("go run .")
    assert ran.stdout == "open /no/such: file does not exist 0 4 false\n", ran.stderr
    assert ran.returncode == 0


@pytest.mark.slow
def test_go_generate_runs_its_helper_on_the_host(shell: Shell, tmp_path: Path) -> None:
    """What a helper writes stays, which it would not on the port."""
    ran = shell("go generate ./... && go run .")
    assert "const generated = 42" in (tmp_path / "zgen.go").read_text()
    assert " 42 " in ran.stdout, ran.stderr


@pytest.mark.slow
def test_go_test_and_its_profile(shell: Shell, tmp_path: Path) -> None:
    ran = shell("go test -bench . -benchtime 1000x -cpuprofile cpu.prof . && go tool pprof -top cpu.prof")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "\nok  \tm\t" in ran.stdout
    assert "flat%" in ran.stdout
    assert (tmp_path / "cpu.prof").stat().st_size > 0


@pytest.mark.slow
def test_go_tool_nm_reads_an_image(shell: Shell) -> None:
    ran = shell("go build -o image . && go tool nm image")
    names = {line.split()[-1] for line in ran.stdout.splitlines()}
    assert {"main.main", "usys.functions", "usys.extended"} <= names


@pytest.mark.slow
def test_go_vet_knows_what_only_the_port_has(shell: Shell, tmp_path: Path) -> None:
    """usys has no folder in GOROOT, where vet would go; what vet says of the program is said."""
    ran = shell("go vet ./...")
    assert (ran.stdout, ran.stderr, ran.returncode) == ("", "", 0)
    (tmp_path / "bad.go").write_text('package main\n\nimport "fmt"\n\nfunc bad() { fmt.Printf("%d", "x") }\n')
    ran = shell("go vet .")
    assert ran.returncode == 1
    assert "bad.go:5:" in ran.stderr and "wrong type string" in ran.stderr
    assert "chdir" not in ran.stderr
    (tmp_path / "bad.go").write_text("package main\n\nfunc bad() { nosuch() }\n")
    ran = shell("go vet -v .")
    assert ran.returncode == 1
    assert "undefined: nosuch" in ran.stderr
