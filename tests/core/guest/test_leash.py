from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from fairlead.guest.leash import Leash
from fairlead.guest.toolchain import Finished, Toolchain


@pytest.fixture
def sleepy(tmp_path: Path) -> Toolchain:
    """A toolchain whose go starts a child that never ends, says so, and waits for it."""
    go = tmp_path / "bin" / "go"
    go.parent.mkdir()
    go.write_text("#!/bin/sh\nsleep 1000 &\necho $!\nwait\nsleep 1000\n")
    go.chmod(0o755)
    return Toolchain(tmp_path, "1.27.3")


def ends(process: str) -> bool:
    """Whether a process is gone; one that was killed takes a moment to go."""
    for _ in range(1000):
        try:
            state = Path(f"/proc/{int(process)}/stat").read_text("ascii").rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state == "Z":
            return True
        time.sleep(0.01)
    return False


def run(toolchain: Toolchain, leash: Leash, lines: list[str]) -> Finished:
    def take(line: bytes) -> None:
        lines.append(line.decode().strip())
        if leash.stop is not None:
            leash.stop.set()

    return toolchain.run([], environment=dict(os.environ), on_line=take, quiet=True, leash=leash)


@pytest.mark.parametrize("leash", [Leash(0.5), Leash(stop=threading.Event())])
def test_a_command_at_the_end_of_its_leash(sleepy: Toolchain, leash: Leash) -> None:
    lines: list[str] = []
    done = run(sleepy, leash, lines)
    assert done.late
    assert done.status != 0
    assert ends(lines[0])


def test_on_a_thread(sleepy: Toolchain) -> None:
    lines: list[str] = []
    done: list[Finished] = []
    thread = threading.Thread(target=lambda: done.append(run(sleepy, Leash(0.5), lines)))
    thread.start()
    thread.join()
    assert done[0].late


def test_a_command_that_ends_in_time(tmp_path: Path) -> None:
    go = tmp_path / "bin" / "go"
    go.parent.mkdir()
    go.write_text("#!/bin/sh\nexit 3\n")
    go.chmod(0o755)
    done = Toolchain(tmp_path, "1").run([], environment={}, leash=Leash(100, threading.Event()))
    assert (done.status, done.late) == (3, False)
