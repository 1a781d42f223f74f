"""Debian's gdb-multiarch on Go programs: what somebody who ports Go types, on every kind of port."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from gdb_client import DebuggedRun

GDB = shutil.which("gdb-multiarch")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(GDB is None, reason="gdb-multiarch is not installed"),
]
every_port = pytest.mark.parametrize("port", ["akaros", "linux-amd64", "linux-riscv64", "opensbi"])

Images = Callable[[str], Path]


def gdb(image: Path, run: DebuggedRun) -> list[str]:
    """The command that attaches to a run, with nothing of the user's own."""
    assert GDB is not None
    words = ["set pagination off", "set confirm off", "set width 0", "set auto-load no"]
    return [
        GDB,
        "-nx",
        "-q",
        *(f"-ex={each}" for each in words),
        str(image),
        f"-ex=target remote :{run.port}",
    ]


def debug(image: Path, run: DebuggedRun, commands: Sequence[str]) -> str:
    """What gdb says to commands."""
    done = subprocess.run(
        [*gdb(image, run), "-batch", *(f"-ex={each}" for each in commands)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    return done.stdout


@every_port
def test_a_go_function_its_arguments_and_the_way_through_it(
    port: str, image_for: Images, expected: str
) -> None:
    image = image_for(port)
    with DebuggedRun(port, image) as run:
        said = debug(
            image,
            run,
            [
                "break main.work",
                "continue",
                "info args",
                "print *b",
                "backtrace",
                "stepi",
                "next",
                "next",
                "info registers",
                "print $pc",
                "finish",
                "info threads",
                "watch 'main.total'",
                "delete 1",
                "continue",
                "delete",
                "continue",
                "print p",
                "continue",
            ],
        )
        assert run.end() == (0, expected, ""), said
    assert re.search(r"hit Breakpoint 1, main\.work \(b=0x[0-9a-f]+, times=4", said), said
    assert re.search(r"^times = 4$", said, re.M)
    assert "n = 3}" in said
    assert re.search(r"^#1 .* in main\.main \(\) at .*main\.go", said, re.M)
    assert re.search(r"^\d+\t\t\tsum \+= i \* b\.n$", said, re.M)
    assert re.search(r"^(rip|pc) +0x[0-9a-f]+", said, re.M)
    assert re.search(r"\$\d+ = .*<main\.work\+\d+>", said)
    assert len(re.findall(r"^[* ] +\d+ +Thread \d+", said, re.M)) > 2
    assert re.search(r"Hardware watchpoint 2: 'main\.total'\n\nOld value = 18\nNew value = \d+\n", said), said
    assert "received signal SIGSEGV, Segmentation fault.\nmain.deref (p=0x0" in said
    assert re.search(r"^\$\d+ = \(int \*\) 0x0$", said, re.M)
    assert "exited normally" in said


@every_port
def test_threads_are_switched_and_seen_apart(port: str, image_for: Images, expected: str) -> None:
    image = image_for(port)
    with DebuggedRun(port, image) as run:
        said = debug(
            image,
            run,
            [
                "break main.work",
                "continue",
                "continue",
                "thread apply all -q print/x $sp",
                "delete",
                "detach",
            ],
        )
        assert run.end() == (0, expected, ""), said
    stacks = re.findall(r"^\$\d+ = (0x[0-9a-f]+)$", said, re.M)
    assert len(stacks) > 2
    assert len(set(stacks)) > len(stacks) // 2


@every_port
def test_memory_and_registers_are_changed(port: str, image_for: Images) -> None:
    image = image_for(port)
    register = "$a1" if port in ("opensbi", "linux-riscv64") else "$rbx"
    with DebuggedRun(port, image) as run:
        said = debug(
            image,
            run,
            [
                "handle SIGSEGV nostop noprint pass",
                "break main.work",
                "continue",
                f"set var {register} = 2",
                "set var 'main.total' = 1000",
                "delete",
                "continue",
            ],
        )
        code, output, _errors = run.end()
    assert code == 0, said
    assert output.startswith("work 3\ntotal 15853 ")


@every_port
def test_control_c_in_gdb(port: str, image_for: Images) -> None:
    image = image_for(port)
    with DebuggedRun(port, image, arguments=("forever",)) as run:
        process = subprocess.Popen(
            [*gdb(image, run), "-ex=continue", "-ex=info threads", "-ex=kill", "-ex=quit"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        try:
            assert process.stdout is not None
            seen = ""
            while "Continuing." not in seen:
                line = process.stdout.readline()
                assert line, seen
                seen += line
            for _ in range(20):
                time.sleep(0.5)  # gdb takes Ctrl-C for itself until it waits for the target
                os.kill(process.pid, signal.SIGINT)
                if process.poll() is not None or run.process.poll() is not None:
                    break
            seen += process.communicate(timeout=60)[0]
        finally:
            process.kill()
        assert re.search(r"received signal SIGINT, Interrupt\.", seen), seen
        assert run.end()[0] == 128 + 9, seen
