"""Stock programs are run as they are: nothing is built into them, and what they do is what Linux does."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from fairlead.guest.toolchain import find_toolchain

PORTS = {"linux-amd64": "amd64", "linux-riscv64": "riscv64"}
HERE = sys.platform == "linux" and platform.machine() == "x86_64"

THREADS = """\
package main

import (
	"fmt"
	"runtime"
	"syscall"
)

// thread runs a goroutine on a thread of its own, which ends with it, and hands out the thread's number.
func thread() int {
	number := make(chan int)
	go func() {
		runtime.LockOSThread()
		number <- syscall.Gettid()
	}()
	return <-number
}

func main() {
	runtime.LockOSThread()
	fmt.Println(syscall.Gettid() == syscall.Getpid())
	last, rising := syscall.Getpid(), true
	for range 50 {
		number := thread()
		rising = rising && number > last
		last = number
	}
	fmt.Println(rising, last < 1<<22)
}
"""

NUMBERS = """\
package main

import (
	"fmt"
	"syscall"
)

func main() {
	for _, number := range []uintptr{0, 1, 2, 3, 4, 5, 6, 7, 8, 0x10, 0x44424e, 0x53525354, 0xa464000} {
		_, _, failed := syscall.RawSyscall6(number, 'x', ^uintptr(0), 1, 0, 0, 0)
		fmt.Println(number, failed != 0)
	}
}
"""

SPIN = """\
package main

import (
	"fmt"
	"runtime"
	"time"
)

func main() {
	runtime.GOMAXPROCS(2)
	go func() {
		for {
		}
	}()
	start := time.Now()
	for time.Since(start) < 30*time.Millisecond {
	}
	fmt.Println("done")
}
"""


def go(*words: str, arch: str, cwd: Path) -> None:
    """The stock go command, with nothing of Fairlead's in its environment."""
    stock = {"GOOS": "linux", "GOARCH": arch, "CGO_ENABLED": "0", "GOTOOLCHAIN": "local"}
    environment = {**os.environ, **stock, "GOFLAGS": "-buildvcs=false"}
    subprocess.run([find_toolchain().go, *words], cwd=cwd, env=environment, check=True, timeout=300)


@pytest.mark.parametrize("port", PORTS)
def test_what_is_built_is_what_stock_go_builds(
    port: str, examples: Path, tmp_path: Path, fairlead: Any
) -> None:
    """Byte for byte; and what stock Go has built is run."""
    ours, stock = tmp_path / "ours", tmp_path / "stock"
    assert fairlead("build", "--port", port, "-o", ours, examples / "hello").returncode == 0
    go("build", "-o", str(stock), "./hello", arch=PORTS[port], cwd=examples)
    assert ours.read_bytes() == stock.read_bytes()
    ran = fairlead("run", "--port", port, stock)
    assert (ran.stdout, ran.stderr, ran.returncode) == (f"hello, go1.27.3 {PORTS[port]}\n", "", 0)


@pytest.mark.skipif(not HERE, reason="the host is no Linux on x86-64")
def test_the_host_runs_the_same_image_to_the_same_output(
    examples: Path, tmp_path: Path, fairlead: Any
) -> None:
    image = tmp_path / "tour"
    assert fairlead("build", "--port", "linux-amd64", "-o", image, examples / "tour").returncode == 0
    native = subprocess.run([image, "a", "b c"], capture_output=True, text=True, timeout=60, check=True)
    ran = fairlead("run", "--port", "linux-amd64", image, "a", "b c")
    assert (ran.stdout, ran.stderr, ran.returncode) == (native.stdout, native.stderr, 0)


@pytest.mark.parametrize("port", PORTS)
def test_the_first_thread_s_number_is_the_process_s_and_numbers_are_not_soon_used_again(
    port: str, go_program: Any, fairlead: Any
) -> None:
    ran = fairlead("run", "--port", port, go_program(THREADS))
    assert (ran.stdout, ran.stderr) == ("true\ntrue true\n", "")


def test_no_call_of_a_program_s_reaches_the_firmware(go_program: Any, fairlead: Any) -> None:
    """Numbers that would be SBI calls of S-mode, a put character and a shutdown among them."""
    ran = fairlead("run", "--port", "linux-riscv64", go_program(NUMBERS))
    assert ran.returncode == 0
    lines = ran.stdout.splitlines()
    assert len(lines) == 13
    assert all(line.endswith(" true") for line in lines), ran.stdout


def test_images_of_other_ports_and_architectures_are_refused(
    examples: Path, tmp_path: Path, fairlead: Any
) -> None:
    image = tmp_path / "hello"
    assert fairlead("build", "--port", "opensbi", "-o", image, examples / "hello").returncode == 0
    refused = fairlead("run", "--port", "linux-riscv64", image)
    assert refused.returncode == 125
    assert refused.stderr == f"fairlead: {image} was built for port opensbi; run it with --port opensbi\n"
    refused = fairlead("run", "--port", "linux-amd64", image)
    assert refused.returncode == 125
    assert "is for riscv64, port linux-amd64 is for amd64: foreign architecture" in refused.stderr
    go("build", "-o", str(image), "./hello", arch="amd64", cwd=examples)
    refused = fairlead("run", "--port", "linux-riscv64", image)
    assert "is for x86_64, port linux-riscv64 is for riscv64: foreign architecture" in refused.stderr


def test_a_program_that_is_not_go_s_is_refused(fairlead: Any) -> None:
    refused = fairlead("run", "--port", "linux-amd64", Path(sys.executable).resolve())
    assert refused.returncode == 125
    assert refused.stderr.startswith("fairlead: ")
    assert "Traceback" not in refused.stderr


@pytest.mark.parametrize("port", PORTS)
def test_a_slice_is_as_long_as_it_is_said(port: str, go_program: Any, fairlead: Any) -> None:
    program = go_program(SPIN)
    counts = {}
    for milliseconds in (1, 10):
        ran = fairlead("run", "--port", port, f"--set=slice={milliseconds}", "--trace=traps", program)
        assert ran.stdout == "done\n"
        counts[milliseconds] = ran.stderr.count("has had its slice")
    assert 20 <= counts[1] <= 80
    assert 2 <= counts[10] <= 8


@pytest.mark.parametrize("port", PORTS)
def test_a_program_sees_the_processors_that_are_set(port: str, go_program: Any, fairlead: Any) -> None:
    program = go_program('package main\n\nimport "runtime"\n\nfunc main() { println(runtime.NumCPU()) }\n')
    for words, count in (((), 1), (("--set=processors=4",), 4), (("--set=processors=64",), 64)):
        ran = fairlead("run", "--port", port, *words, program)
        assert (ran.stderr, ran.returncode) == (f"{count}\n", 0)


@pytest.mark.parametrize(
    ("option", "most", "text"),
    [
        *(("slice", 1000, text) for text in ("0", "1001", "4ms", "-1", "", "٤")),
        ("processors", 64, "65"),
    ],
)
def test_an_option_that_makes_no_sense_is_refused(
    option: str, most: int, text: str, go_program: Any, fairlead: Any
) -> None:
    refused = fairlead("run", "--port", "linux-amd64", f"--set={option}={text}", go_program(SPIN))
    assert refused.returncode == 2
    assert f"it must be a number from 1 to {most}" in refused.stderr
