"""CPU time of whole programs on a port beside qemu-user on the stock build, pair by pair in one run.

    python benchmarks/against_qemu.py [--port opensbi]... [--runs 7]

prints, for each program of benchmarks/programs, the medians of user plus system CPU and the median, least
and greatest ratio of the pairs. Both images are built before anything is timed. Where qemu-user is not
installed, the port's own figures are printed alone.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from fairlead.guest.build import build_program
from fairlead.guest.toolchain import find_toolchain
from fairlead.plugins import find_port, installed
from fairlead.port import Port

HERE = Path(__file__).resolve().parent
PROGRAMS = HERE / "programs"
PEERS = {"riscv64": "qemu-riscv64", "amd64": "qemu-x86_64"}


class Spent(NamedTuple):
    """CPU seconds, user plus system, and the largest resident set in MiB."""

    cpu: float
    memory: float


def spend(command: list[str]) -> Spent:
    """Run a command to its end, with its output thrown away; it must succeed."""
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(command)} ended with {process.returncode}")
    return Spent(usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def build_stock(name: str, port: Port, folder: Path) -> Path:
    """The same program for stock Linux on the port's architecture."""
    out = folder / f"{name}.{port.guest.goarch}"
    toolchain = find_toolchain()
    environment = {**os.environ, "GOOS": "linux", "GOARCH": port.guest.goarch, "CGO_ENABLED": "0"}
    go = [str(toolchain.go), "build", "-o", str(out), f"./{name}"]
    subprocess.run(go, cwd=PROGRAMS, env=environment, check=True)
    return out


def compare(port: Port, name: str, runs: int, folder: Path) -> str:
    """One row of the table."""
    image = build_program(port, str(PROGRAMS / name), out=folder / f"{name}.{port.name}")
    ours = [sys.executable, "-m", "fairlead", "run", "--port", port.name, str(image)]
    peer = shutil.which(PEERS[port.guest.goarch])
    theirs = [peer, str(build_stock(name, port, folder))] if peer else None
    spend(ours)
    pairs = [(spend(ours), spend(theirs) if theirs else None) for _ in range(runs)]
    cpu = statistics.median(mine.cpu for mine, _ in pairs)
    memory = statistics.median(mine.memory for mine, _ in pairs)
    row = f"| {port.name} | {name} | {cpu:.3f} | {memory:.0f} |"
    if theirs is None:
        return row + " – | – | – |"
    ratios = [mine.cpu / other.cpu for mine, other in pairs if other is not None]
    peer_cpu = statistics.median(other.cpu for _, other in pairs if other is not None)
    spread = f"{min(ratios):.1f}–{max(ratios):.1f}"
    return row + f" {peer_cpu:.3f} | {statistics.median(ratios):.1f} | {spread} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--port", action="append", help="a port (default: every installed one)")
    parser.add_argument("--program", action="append", help="a program (default: all)")
    parser.add_argument("--runs", type=int, default=7, help="pairs of runs per program")
    arguments = parser.parse_args()
    names = arguments.program or sorted(each.name for each in PROGRAMS.iterdir() if each.is_dir())
    go = find_toolchain().version
    print(f"Python {platform.python_version()}, Go {go}, {os.cpu_count()} cores, {platform.machine()}\n")
    print("| port | program | CPU s | MiB | qemu-user CPU s | ratio | least–greatest |")
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: |")
    with tempfile.TemporaryDirectory() as folder:
        for port in arguments.port or sorted(installed().ports):
            for name in names:
                print(compare(find_port(port), name, arguments.runs, Path(folder)), flush=True)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(f"\n{used.ru_utime + used.ru_stime:.0f} s of CPU in all")


if __name__ == "__main__":
    main()
