"""A port tried with a Go version, in passes: its edits apply, programs build, tests build, tests run."""

from __future__ import annotations

import hashlib
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path

from fairlead.errors import FairleadError
from fairlead.guest.build import go_environment
from fairlead.guest.cache import Cache
from fairlead.guest.edits import FileEdits, misfits, read_edits
from fairlead.guest.flags import take_goflags
from fairlead.guest.gocommand import adapt, runner
from fairlead.guest.gotest import TestRun
from fairlead.guest.identity import host_hash
from fairlead.guest.known import Pair
from fairlead.guest.overlay import make_overlay
from fairlead.guest.toolchain import Finished, Toolchain
from fairlead.port import Port

__all__ = ["PACKAGES", "PASSES", "Pass", "Problem", "Trial", "try_version"]

PASSES = ("edits apply", "programs build", "tests build", "tests run")
PACKAGES = ("errors", "io", "sort", "strings")
"""Packages of the standard library whose tests need nothing that a port might not have."""

_PROGRAM = """\
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"sync"
	"syscall"
	"text/template"
	"time"
)

var _ = []any{
	json.Marshal, os.Getwd, exec.Command, signal.Notify, runtime.NumCPU, debug.SetGCPercent,
	pprof.StartCPUProfile, sync.NewCond, syscall.Getpid, template.New, time.Now,
}

func main() { fmt.Println(runtime.Version()) }
"""
_SHOWN = 20
"""Lines of go's messages that a problem keeps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Why a pass failed; what is about an edit names its anchor and how often it was there."""

    what: str
    output: str = ""
    """What go said of it."""
    file: str = ""
    edit: str = ""
    anchor: str = ""
    found: int = 0
    expected: int = 0
    nearest: str = ""
    """Where the anchor is not there at all: the line that looks most like its first, as LINE: TEXT."""


@dataclass(frozen=True, slots=True)
class Pass:
    """One pass: "ok", "failed", or "not reached" after one that failed."""

    name: str
    status: str = "not reached"
    note: str = ""
    seconds: float = 0.0
    """On the host's clock."""
    problems: tuple[Problem, ...] = ()


@dataclass(slots=True)
class Trial:
    """A port and a Go version."""

    port: str
    go: str
    goroot: str
    passes: list[Pass] = field(default_factory=list)
    pairs: list[Pair] = field(default_factory=list)
    """Empty unless the edits apply."""

    @property
    def ok(self) -> bool:
        return all(each.status == "ok" for each in self.passes)

    @property
    def breaks(self) -> str:
        """The pass that failed, or nothing."""
        return next((each.name for each in self.passes if each.status == "failed"), "")


class _Failed(Exception):
    def __init__(self, *problems: Problem) -> None:
        super().__init__()
        self.problems = problems


def try_version(
    port: Port,
    toolchain: Toolchain,
    cache: Cache,
    *,
    packages: Sequence[str] = PACKAGES,
    programs: Sequence[Path] = (),
    tell: Callable[[str], None] = lambda _: None,
) -> Trial:
    """All passes up to the first that fails; `tell` is given words on what is being done.

    `programs` are package folders or .go files to build besides one of our own.
    """
    trial = Trial(port.name, toolchain.version, str(toolchain.goroot))
    with tempfile.TemporaryDirectory(prefix="fairlead-upgrade-") as name:
        bench = _Bench(port, toolchain, cache, Path(name), packages, programs, tell)
        for title, run in zip(
            PASSES, (bench.edits, bench.programs, bench.build_tests, bench.run_tests), strict=True
        ):
            if trial.breaks:
                trial.passes.append(Pass(title))
                continue
            tell(title)
            before = time.monotonic()
            status, note = "ok", ""
            problems: tuple[Problem, ...] = ()
            try:
                note = run()
            except _Failed as failure:
                status, problems = "failed", failure.problems
            except FairleadError as error:
                status, problems = "failed", (Problem(what=error.what),)
            seconds = round(time.monotonic() - before, 1)
            trial.passes.append(Pass(title, status, note, seconds, problems))
        if trial.passes[0].status == "ok":
            trial.pairs = bench.pairs
    return trial


class _Bench:
    """What the passes of one trial share."""

    def __init__(
        self,
        port: Port,
        toolchain: Toolchain,
        cache: Cache,
        folder: Path,
        packages: Sequence[str],
        programs: Sequence[Path],
        tell: Callable[[str], None],
    ) -> None:
        self._port = port
        self._toolchain = toolchain
        self._cache = cache
        self._folder = folder
        self._packages = packages
        self._programs = programs
        self._tell = tell
        self._link, self._environment = take_goflags(go_environment(port, toolchain, cache))
        self._overlay: list[str] = []
        self.pairs: list[Pair] = []

    def edits(self) -> str:
        source = self._port.guest.overlay
        if source is None:
            return "none needed"
        files = read_edits(source / "edits.toml")
        problems = [problem for file in files for problem in self._try_edits(file)]
        if problems:
            raise _Failed(*problems)
        overlay = make_overlay(self._port, self._toolchain, self._cache, allow_untested=True)
        self._overlay = overlay.flags()
        return f"{sum(max(1, len(file.edit)) for file in files)} in {len(files)} files"

    def _try_edits(self, file: FileEdits) -> list[Problem]:
        path = self._toolchain.goroot / file.path
        try:
            data = path.read_bytes()
            text = data.decode("utf-8")
        except (OSError, UnicodeDecodeError):
            return [Problem(what=f"{file.path}: this Go has no such file", file=file.path)]
        sha256 = hashlib.sha256(data).hexdigest()
        version = self._toolchain.version
        listed = any((known.go, known.sha256) == (version, sha256) for known in file.known)
        self.pairs.append(Pair(file.path, version, sha256, listed))
        return [
            Problem(
                what=f"{file.path}: the anchor of edit {edit.name!r} is there {found} times, "
                f"{edit.matches} expected",
                file=file.path,
                edit=edit.name,
                anchor=edit.anchor,
                found=found,
                expected=edit.matches,
                nearest="" if found or edit.regex else _nearest(edit.anchor, text),
            )
            for edit, found in misfits(file, text)
        ]

    def programs(self) -> str:
        ours = self._folder / "program"
        ours.mkdir()
        (ours / "go.mod").write_text("module program\n\ngo 1.20\n")
        (ours / "main.go").write_text(_PROGRAM)
        for program in (ours, *self._programs):
            folder, word = (program, ".") if program.is_dir() else (program.parent, program.name)
            out = self._folder / "image"
            done = self._go(["build", "-buildvcs=false", "-o", str(out), word], folder)
            if done.status != 0:
                named = "a program of our own" if program is ours else str(program)
                raise _Failed(Problem(what=f"{named} does not build", output=_head(done.messages)))
        return f"{1 + len(self._programs)}"

    def build_tests(self) -> str:
        out = self._folder / "tests"
        out.mkdir()
        done = self._go(["test", "-c", "-vet=off", "-o", f"{out}/", *self._packages], self._folder)
        if done.status != 0:
            raise _Failed(Problem(what="the tests do not build", output=_head(done.messages)))
        return f"{len(self._packages)} package{'s' if len(self._packages) != 1 else ''}"

    def run_tests(self) -> str:
        written: list[str] = []
        tests = TestRun(written.append)

        def take(line: bytes) -> None:
            tests.take(line)
            passed = sum(each.passed for each in tests.packages.values())
            self._tell(f"{PASSES[3]}: {passed} passed")

        words = ["test", "-json", "-vet=off", "-count=1", "-short", *self._packages]
        done = self._go(words, self._folder, take)
        packages = tests.finish()
        bad = [each for each in packages if each.status not in ("pass", "skip")]
        if done.status != 0 or bad:
            named = [f"{each.package}: {', '.join(each.failures) or each.status}" for each in bad]
            output = _head("".join(written).encode())
            what = "; ".join(named) or f"go test failed (exit code {done.status})"
            raise _Failed(Problem(what=what, output=output))
        passed = sum(each.passed for each in packages)
        if not passed:
            raise _Failed(Problem(what="no test ran"))
        return f"{passed} passed"

    def _go(
        self, words: Sequence[str], folder: Path, on_line: Callable[[bytes], None] | None = None
    ) -> Finished:
        run_by = runner(self._port, host_hash()) if on_line is not None else "true"
        command = adapt(words, self._port, self._overlay, run_by, self._link)
        return self._toolchain.run(command, environment=self._environment, cwd=folder, on_line=on_line)


def _head(messages: bytes) -> str:
    lines = messages.decode("utf-8", "replace").rstrip().splitlines()
    more = [f"… {len(lines) - _SHOWN} more lines"] if len(lines) > _SHOWN else []
    return "\n".join([*lines[:_SHOWN], *more])


def _nearest(anchor: str, text: str) -> str:
    """The line that looks most like the anchor's first, as LINE: TEXT."""
    first = next((line for line in anchor.splitlines() if line.strip()), anchor)
    lines = text.splitlines()
    with suppress(IndexError):
        best = get_close_matches(first, lines, n=1)[0]
        return f"{lines.index(best) + 1}: {best.strip()}"
    return ""
