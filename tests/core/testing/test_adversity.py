"""What the kit's program asks for by calls of its own: served exactly, and only where the run is for that."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from fairlead.plugins import find_port
from fairlead.testing.runner import Runner
from fairlead.testing.trial import build_kit

pytestmark = pytest.mark.slow

SWEEP = ("--adversity", "--counter=instructions")

NONSENSE = """\
package main

import (
	"runtime"
	"sync"
	"syscall"
)

func main() {
	extremes := []uintptr{0, 1, 1 << 31, 1 << 62, 1<<63 - 1, 1 << 63, ^uintptr(0)}
	for call := uintptr(0x4B495400); call < 0x4B495400+10; call++ {
		if call == 0x4B495405 { // threads that are refused for ever end the program, as they should
			continue
		}
		for _, a := range extremes {
			for _, b := range extremes {
				syscall.RawSyscall(syscall.SYS_WRITE, call, a, b)
			}
		}
	}
	var group sync.WaitGroup
	for range 5 {
		group.Go(func() { runtime.LockOSThread() })
	}
	group.Wait()
}
"""


@pytest.fixture(scope="module")
def kit(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    folder = tmp_path_factory.mktemp("kit")

    def build(port: str) -> Path:
        image = folder / port
        assert image.exists() or build_kit(find_port(port), image, Runner(seconds=900)) == ""
        return image

    return build


def test_a_sweep_interrupts_every_instruction_of_its_window(
    kit: Callable[[str], Path], fairlead, tmp_path: Path
) -> None:
    result = tmp_path / "result.json"
    words = ("run", "--port=opensbi", *SWEEP, f"--result={result}", kit("opensbi"), "traps.sweep_signals")
    ran = fairlead(*words)
    assert (ran.stdout, ran.stderr, ran.returncode) == ("ok\n", "", 0)
    first = json.loads(result.read_text())
    window = 16 * 4  # its loads and stores alone are more, each at least two bytes long
    assert first["hooks"]["deliver_signal"] > window
    fairlead(*words)
    assert json.loads(result.read_text()) == first


@pytest.mark.parametrize("counter", ["blocks", "instructions"])
def test_time_that_is_skipped_by_decades_leaves_the_counter_whole(
    counter: str, kit: Callable[[str], Path], fairlead
) -> None:
    words = ("--adversity", f"--counter={counter}")
    ran = fairlead("run", "--port=opensbi", *words, kit("opensbi"), "nanotime.years")
    assert (ran.stdout, ran.stderr, ran.returncode) == ("ok\n", "", 0)


def test_without_the_option_the_program_says_so(kit: Callable[[str], Path], fairlead) -> None:
    for part in ("traps.sweep_signals", "newosproc.greeted", "nanotime.years"):
        ran = fairlead("run", "--port=linux-amd64", kit("linux-amd64"), part)
        assert ran.returncode == 2
        assert "run it with --adversity" in ran.stderr


@pytest.mark.parametrize("port", ["akaros", "opensbi"])
def test_whatever_is_asked_for_the_host_survives(port: str, go_program, fairlead) -> None:
    ran = fairlead("run", f"--port={port}", "--adversity", "--max-time=9000000000s", go_program(NONSENSE))
    assert "internal error" not in ran.stderr
    assert ran.returncode in (0, 124, 128 + 12), ran.stderr  # SIGUSR2 ends a program that has no handler
    ran = fairlead("run", f"--port={port}", go_program(NONSENSE))
    assert (ran.stderr, ran.returncode) == ("", 0)


@pytest.mark.parametrize("part", ["traps.sweep_calls", "traps.sweep_faults"])
def test_signals_on_the_way_into_akaros_keep_off_its_stacks(
    part: str, kit: Callable[[str], Path], fairlead
) -> None:
    """The way to foreign code wrote below the stack pointer, where Akaros puts a signal's data."""
    ran = fairlead("run", "--port=akaros", *SWEEP, kit("akaros"), part)
    assert (ran.stdout, ran.stderr, ran.returncode) == ("ok\n", "", 0)
