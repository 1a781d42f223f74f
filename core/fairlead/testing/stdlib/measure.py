"""Running a package's tests, on a port or on the host, until every test has ended or will not."""

from __future__ import annotations

import json
import os
import re
import subprocess
import threading
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import CancelledError
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fairlead.errors import ToolError
from fairlead.guest.build import go_environment
from fairlead.guest.cache import Cache
from fairlead.guest.flags import take_goflags
from fairlead.guest.gocommand import adapt, runner
from fairlead.guest.identity import host_hash
from fairlead.guest.leash import Leash
from fairlead.guest.overlay import make_overlay
from fairlead.guest.toolchain import Toolchain
from fairlead.port import Port
from fairlead.testing.stdlib.events import Ran, top

__all__ = ["FLAGS", "Bench", "Source", "measure", "packages", "stock_bench"]

FLAGS = ("-json", "-short", "-vet=off", "-count=1", "-p=2")
_GO_LIMIT = 600
"""Seconds of guest time that go test gives a package; it ends it after a minute more of the host's."""
_ROUNDS = 12
"""Runs of one package at most; each after the first takes what one that broke off has not reached."""
_ALONE = 8
"""Tests that are run by themselves at most, of those that were under way when a run broke off."""
_NEWER = (
    "adx", "avx", "avx2", "avx512bw", "avx512cd", "avx512dq", "avx512f", "avx512vl", "bmi1", "bmi2", "erms",
    "fma", "fsrm", "sha", "vpclmulqdq",
)  # fmt: skip
"""Features of amd64 CPUs, as GODEBUG names them (internal/cpu/cpu_x86.go), that a board's does not have."""
_FUNCTION = re.compile(r"^func ((?:Test|Example|Fuzz)\w*)\(", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Source:
    """A package's tests as its files have them, for one architecture."""

    package: str
    tests: frozenset[str]


@dataclass(slots=True)
class Bench:
    """Where tests are run: the toolchain, with a port's overlay and -exec, or as it is."""

    toolchain: Toolchain
    environment: Mapping[str, str]
    stop: threading.Event
    """Set, it ends what runs."""
    port: Port | None = None
    overlay: Sequence[str] = ()
    link: Sequence[str] = ()
    run_by: str = ""
    cpus: frozenset[int] = field(default_factory=frozenset)
    """The host's CPUs that stock tests may see; all if it is empty."""

    @classmethod
    def of(cls, port: Port, toolchain: Toolchain, cache: Cache, stop: threading.Event) -> Bench:
        """The bench for a port."""
        overlay = make_overlay(port, toolchain, cache)
        link, environment = take_goflags(go_environment(port, toolchain, cache))
        run_by = runner(port, host_hash())
        return cls(toolchain, environment, stop, port, overlay.flags(), link, run_by)

    def command(self, words: Sequence[str]) -> list[str]:
        """The words after `go`."""
        if self.port is None:
            command, *rest = words
            return [command, f"-exec={self.run_by}", *rest] if self.run_by and command == "test" else [*words]
        return adapt(words, self.port, self.overlay, self.run_by, self.link)

    def run(self, words: Sequence[str], limit: float) -> Ran:
        """One `go test`, ended after `limit` seconds of host time: its status is then "limit". CancelledError
        if all is to stop: what ran meanwhile tells nothing."""
        ran = Ran()
        if limit > _GO_LIMIT:
            words = [words[0], f"-timeout={limit:.0f}s", *words[1:]]
        started = time.monotonic()
        allowed = os.sched_getaffinity(0)
        try:
            if self.cpus:
                os.sched_setaffinity(0, self.cpus)  # this thread's, which the command inherits
            done = self.toolchain.run(
                self.command(words),
                environment=self.environment,
                cwd=self.toolchain.goroot / "src",
                on_line=ran.take,
                quiet=True,
                leash=Leash(limit, self.stop),
            )
        finally:
            os.sched_setaffinity(0, allowed)
        if self.stop.is_set():
            raise CancelledError
        ran.seconds = time.monotonic() - started
        if done.late:
            ran.status = "limit"
        elif ran.status == "running":
            ran.status = "fail"
        return ran


def stock_bench(toolchain: Toolchain, cache: Cache, stop: threading.Event, *, single: bool = False) -> Bench:
    """Stock Go on this host: with every CPU and all they can do, as whoever we are; or with a single one that
    can do no more than a board's, and not as root."""
    _, environment = take_goflags(toolchain.environment({}, cache))
    if not single:
        return Bench(toolchain, environment, stop)
    environment["GODEBUG"] = ",".join(f"cpu.{feature}=off" for feature in _NEWER)
    cpu = frozenset(sorted(os.sched_getaffinity(0))[:1])
    return Bench(toolchain, environment, stop, run_by=_as_nobody(), cpus=cpu)


def _as_nobody() -> str:
    """The command that gives up being root (a user namespace in which we are nobody); empty if there is no
    need, or no way."""
    words = ["unshare", "--user"]
    if os.geteuid() != 0:
        return ""
    try:
        done = subprocess.run([*words, "true"], stderr=subprocess.DEVNULL, timeout=20, check=False)
    except (OSError, subprocess.SubprocessError):
        return ""
    return " ".join(words) if done.returncode == 0 else ""


def packages(bench: Bench, patterns: Sequence[str]) -> dict[str, Source]:
    """The packages that have tests, by name, as `go list` finds them for the bench's architecture."""
    done = bench.toolchain.run(
        bench.command(["list", "-json=ImportPath,Dir,TestGoFiles,XTestGoFiles", *patterns]),
        environment=bench.environment,
        cwd=bench.toolchain.goroot / "src",
    )
    if done.status != 0:
        said = done.messages.decode("utf-8", "replace").strip().partition("\n")[0]
        raise ToolError(f"go list {' '.join(patterns)} failed: {said}")
    found = {}
    for each in _documents(done.output.decode("utf-8", "replace")):
        files = [*each.get("TestGoFiles", ()), *each.get("XTestGoFiles", ())]
        if files:
            texts = (Path(each["Dir"], name).read_text("utf-8", "replace") for name in files)
            tests = frozenset(test for text in texts for test in _FUNCTION.findall(text))
            found[str(each["ImportPath"])] = Source(each["ImportPath"], tests)
    return found


def _documents(text: str) -> Iterable[Mapping[str, Any]]:
    decoder = json.JSONDecoder()
    at = 0
    while text[at:].strip():
        at += len(text[at:]) - len(text[at:].lstrip())
        document, at = decoder.raw_decode(text, at)
        yield document


def measure(
    bench: Bench, package: str, expected: Collection[str], *, apart: Collection[str] = (), limit: float = 300
) -> Ran:
    """Run a package's tests: what a run that broke off did not reach runs again without what broke it.

    `expected` are the tests that are to be reached, `apart` those that may break off a run: they come last.
    A run takes at most `limit` seconds of host time, all of them twice that.
    """
    apart = {top(test) for test in apart}
    whole = bench.run(["test", *FLAGS, *_leaving(apart), package], limit)
    if whole.status in ("build-fail", "skip"):
        return whole
    broken: list[str] = []
    for wanted in ({*expected} - apart, apart):
        _reach(bench, package, wanted, whole, broken, limit)
    # Of several that were under way, one broke the run off: each has its say.
    for test in broken[:_ALONE]:
        if whole.seconds < 2 * limit:
            whole.add(bench.run(["test", *FLAGS, _only([test]), package], min(limit, 60)))
    return whole


def _reach(
    bench: Bench, package: str, wanted: Collection[str], whole: Ran, broken: list[str], limit: float
) -> None:
    """Run what of `wanted` has not begun, as long as each run brings something; collects what was under way
    beside others when a run broke off."""
    for _ in range(_ROUNDS):
        left = sorted(set(wanted) - whole.tests.keys())
        if not left or whole.seconds >= 2 * limit:
            break
        more = bench.run(["test", *FLAGS, _only(left), package], limit)
        begun = more.tests.keys() & set(left)
        whole.add(more)
        if not begun:
            break
    cut = [test for test, outcome in whole.tests.items() if outcome == "cut" and "/" not in test]
    broken += [test for test in cut if len(cut) > 1 and test not in broken]


def _leaving(tests: Collection[str]) -> list[str]:
    return [f"-skip=^({'|'.join(sorted(tests))})$"] if tests else []


def _only(tests: Collection[str]) -> str:
    return f"-run=^({'|'.join(sorted(tests))})$"
