"""Signals from the host, Ctrl-C first of all: whatever the guest does, it gets one and a second ends it."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent

LATEST = 20.0
"""Seconds that tell an end from a hang on the busiest machine; on an idle one it is 0.05 (the aim: 0.2)."""

PROGRAM = """\
package main

import (
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

// handle prints each signal; told to, it leaves after some time with exit code 7, as a graceful end does.
func handle(leave bool) {
	caught := make(chan os.Signal, 1)
	signal.Notify(caught, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	go func() {
		for each := range caught {
			fmt.Fprintln(os.Stderr, "caught", each)
			time.Sleep(20 * time.Millisecond)
			if leave {
				os.Exit(7)
			}
		}
	}()
}

var busy = map[string]func(){
	"spin":  func() { for {} },
	"read":  func() { io.Copy(io.Discard, os.Stdin) },
	"sleep": func() { for { time.Sleep(10 * 365 * 24 * time.Hour) } },
	"tick":  func() { for range time.Tick(time.Millisecond) {} },
	"write": func() {
		data := make([]byte, 1<<30)
		for {
			if n, err := os.Stdout.Write(data); err != nil || n != len(data) {
				fmt.Fprintln(os.Stderr, "wrote", n, err)
				os.Exit(8)
			}
		}
	},
	"lock": func() {
		var lock sync.Mutex
		for i := range 4 {
			go func() {
				for {
					lock.Lock()
					time.Sleep(time.Duration(i) * time.Microsecond)
					lock.Unlock()
				}
			}()
		}
		select {}
	},
}

func main() {
	if len(os.Args) > 2 {
		handle(os.Args[2] == "leave")
	}
	fmt.Fprintln(os.Stderr, "ready")
	busy[os.Args[1]]()
}
"""


class Run:
    """A run of the program that has said it is ready, its input open and silent."""

    def __init__(self, image: Path, port: str, *arguments: str, stdout: Any = subprocess.PIPE, **more: Any):
        self.started = time.monotonic()
        self.input, self._keep = os.pipe()
        words = [sys.executable, "-m", "fairlead", "run", "--port", port, str(image), *arguments]
        self.process = subprocess.Popen(
            words, stdin=self.input, stdout=stdout, stderr=subprocess.PIPE, text=True, cwd=ROOT, **more
        )
        self.line("ready")
        time.sleep(0.15)  # from there it takes a moment until the guest is really at it

    def line(self, wanted: str) -> None:
        assert self.process.stderr is not None
        assert self.process.stderr.readline() == f"{wanted}\n"

    def send(self, number: int) -> None:
        self.started = time.monotonic()
        self.process.send_signal(number)

    def end(self) -> tuple[int, str]:
        """Wait for the end, which must come soon after the last signal; exit code and what else was said."""
        try:
            assert self.process.stderr is not None
            code = self.process.wait(30)
            took = time.monotonic() - self.started
            print(f"ended {took:.3f} s after the signal")
            assert took < LATEST
            return code, self.process.stderr.read()
        finally:
            self.close()

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()
        for end in (self.input, self._keep):
            if end >= 0:
                os.close(end)
        self.input = self._keep = -1


Start = Callable[..., Run]


@pytest.fixture(scope="module")
def images(go_program, fairlead, tmp_path_factory) -> dict[str, Path]:
    return {"program": go_program(PROGRAM), "folder": tmp_path_factory.mktemp("images")}


@pytest.fixture
def start(images: dict[str, Path], port: str, fairlead) -> Iterator[Start]:
    image = images["folder"] / f"program.{port}"
    if not image.exists():
        built = fairlead("build", "--port", port, "-o", image, images["program"])
        assert built.returncode == 0, built.stderr
    runs: list[Run] = []

    def begin(*arguments: str, **more: Any) -> Run:
        runs.append(Run(image, port, *arguments, **more))
        return runs[-1]

    yield begin
    for each in runs:
        each.close()


BUSY = ["spin", "read", "sleep", "tick", "write", "lock"]


@pytest.mark.parametrize("at", BUSY)
def test_ctrl_c_ends_a_program_that_does_not_care(port: str, at: str, start: Start) -> None:
    run = start(at)
    run.send(signal.SIGINT)
    assert run.end() == (130, "")


@pytest.mark.parametrize("at", BUSY)
def test_a_program_that_cares_gets_it_and_a_second_ends_the_run(port: str, at: str, start: Start) -> None:
    run = start(at, "stay")
    run.send(signal.SIGINT)
    run.line("caught interrupt")
    assert time.monotonic() - run.started < LATEST
    run.send(signal.SIGINT)
    assert run.end() == (130, "")


def test_a_graceful_end_takes_its_time_and_its_exit_code(port: str, start: Start) -> None:
    run = start("read", "leave")
    run.send(signal.SIGINT)
    assert run.end() == (7, "caught interrupt\n")


def test_a_write_to_a_device_stops_too(port: str, start: Start) -> None:
    with Path("/dev/null").open("w") as null:
        run = start("write", stdout=null)
        run.send(signal.SIGINT)
        assert run.end() == (130, "")


@pytest.mark.parametrize(("number", "name"), [(signal.SIGTERM, "terminated"), (signal.SIGHUP, "hangup")])
def test_other_signals_go_to_the_guest_too(port: str, number: int, name: str, start: Start) -> None:
    run = start("read")
    run.send(number)
    assert run.end() == (128 + number, "")
    run = start("sleep", "leave")
    run.send(number)
    assert run.end() == (7, f"caught {name}\n")


@pytest.mark.parametrize("at", ["spin", "read"])
def test_quit_shows_every_goroutine(port: str, at: str, start: Start) -> None:
    run = start(at, "stay")
    run.send(signal.SIGQUIT)
    code, said = run.end()
    assert code == 2
    assert said.startswith("SIGQUIT: quit\nPC=")
    assert said.count("\ngoroutine ") >= 2
    # Another thread may run the main goroutine at that moment: Go says so, and cannot show its stack.
    assert "main.main()" in said or "goroutine running on other thread; stack unavailable" in said
    assert "Traceback" not in said


def test_a_reader_that_leaves_ends_a_writer_by_sigpipe(port: str, start: Start) -> None:
    run = start("write")
    assert run.process.stdout is not None
    run.process.stdout.close()
    run.process.stdout = None
    run.started = time.monotonic()
    assert run.end() == (128 + signal.SIGPIPE, "")


@pytest.mark.parametrize("at", ["spin", "read"])
def test_the_terminal_s_key_does_it_and_the_terminal_is_as_before(port: str, at: str, start: Start) -> None:
    control, terminal = pty.openpty()
    try:
        before = termios.tcgetattr(terminal)

        def take_terminal() -> None:
            os.setsid()
            os.close(os.open(os.ttyname(terminal), os.O_RDWR))  # a session's first terminal is its own

        run = start(at, "stay", stdout=terminal, preexec_fn=take_terminal)
        os.write(control, b"\x03")
        run.line("caught interrupt")
        run.started = time.monotonic()
        os.write(control, b"\x03")
        assert run.end() == (130, "")
        assert termios.tcgetattr(terminal) == before
    finally:
        os.close(control)
        os.close(terminal)


def test_nothing_is_left_behind(port: str, start: Start, tmp_path: Path) -> None:
    folder = tmp_path / "temporary"
    folder.mkdir()
    run = start("spin", env={**os.environ, "TMPDIR": str(folder)}, start_new_session=True)
    group = run.process.pid
    run.send(signal.SIGINT)
    assert run.end() == (130, "")
    assert list(folder.iterdir()) == []
    with pytest.raises(ProcessLookupError):
        os.killpg(group, 0)
