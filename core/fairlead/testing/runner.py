"""A run of `fairlead` in a process of its own, bounded in time and memory: what a port does ends there."""

from __future__ import annotations

import json
import os
import resource
import select
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from fairlead.testing.check import CheckFailed

__all__ = ["FAIRLEAD", "Ran", "Runner"]

FAIRLEAD = (sys.executable, "-m", "fairlead")
_SHOWN = 300
"""Characters of an output that a sentence quotes."""
_MOST = 1 << 20
"""Bytes of an output that are looked at."""


@dataclass(frozen=True, slots=True)
class Ran:
    """What came of one run."""

    words: tuple[str, ...]
    stdout: str
    stderr: str
    code: int
    """The exit code; below zero if a host signal ended the process."""
    host_seconds: float
    """CPU time, user and system."""
    timed_out: bool = False
    record: Mapping[str, Any] = field(default_factory=dict)
    """What --result wrote (observe/result.py); empty if the run did not come to its end."""

    @property
    def hooks(self) -> Mapping[str, int]:
        """How often each hook was called."""
        counts: Mapping[str, int] = self.record.get("hooks", {})
        return counts

    @property
    def last_words(self) -> str:
        """What `fairlead` said of the end, or else the end of what stands on standard error."""
        lines = [line for line in self.stderr.splitlines() if line.strip()]
        own = [line.removeprefix("fairlead: ") for line in lines if line.startswith("fairlead: ")]
        return (own or lines or [""])[-1]

    def must_say(self, text: str, code: int = 0) -> None:
        """CheckFailed unless the run printed exactly this and ended so."""
        self.must_end(code)
        if self.stdout != text:
            raise CheckFailed(f"printed {_quote(self.stdout)} where {_quote(text)} is due")

    def must_end(self, code: int = 0) -> None:
        """CheckFailed unless the run ended with this exit code."""
        if self.timed_out:
            raise CheckFailed(f"did not end within its time on the host; {self.last_words or 'silence'}")
        if self.code != code:
            said = f": {self.last_words}" if self.last_words else ""
            printed = f", printed {_quote(self.stdout)}" if self.stdout else ""
            raise CheckFailed(f"ended with {self.code} where {code} is due{printed}{said}")


def _quote(text: str) -> str:
    return repr(text if len(text) <= _SHOWN else text[:_SHOWN] + "…")


class Runner:
    """Starts runs and ends them: `stop` ends all that are under way, from another thread too."""

    def __init__(
        self,
        command: Sequence[str] = FAIRLEAD,
        *,
        seconds: float = 60.0,
        memory: int = 12 << 30,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """`seconds` of host time and `memory` bytes of address space for each run."""
        self._command = tuple(command)
        self._seconds = seconds
        self._memory = memory
        self._environment = {**os.environ, **(environment or {})}
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[bytes]] = set()
        self._stopped = False

    def stop(self) -> None:
        """End every run under way, and start no other."""
        with self._lock:
            self._stopped = True
            for each in self._running:
                _kill(each)

    def run(self, *words: str, stdin: bytes = b"", cwd: Path | None = None, record: bool = True) -> Ran:
        """`fairlead WORDS`; with `record`, the first word takes --result and the record is read back."""
        with tempfile.TemporaryDirectory(prefix="fairlead-run-") as name:
            folder = Path(name)
            result = folder / "result.json"
            extra = [f"--result={result}"] if record else []
            (folder / "in").write_bytes(stdin)
            with (
                (folder / "in").open("rb") as source,
                (folder / "out").open("w+b") as out,
                (folder / "err").open("w+b") as err,
            ):
                command = [*self._command, *words[:1], *extra, *words[1:]]
                process = self._start(command, cwd, source, out, err)
                timed_out, seconds = self._wait(process)
                stdout, stderr = _text(out), _text(err)
            document = _record(result) if process.returncode >= 0 else {}
            return Ran(words, stdout, stderr, process.returncode, seconds, timed_out, document)

    def _start(
        self, command: Sequence[str], cwd: Path | None, source: IO[bytes], out: IO[bytes], err: IO[bytes]
    ) -> subprocess.Popen[bytes]:
        with self._lock:
            if self._stopped:
                raise KeyboardInterrupt
            process = subprocess.Popen(
                command,
                stdin=source,
                stdout=out,
                stderr=err,
                cwd=cwd,
                env=self._environment,
                start_new_session=True,
            )
            self._running.add(process)
        with suppress(ProcessLookupError):
            resource.prlimit(process.pid, resource.RLIMIT_AS, (self._memory, self._memory))
        return process

    def _wait(self, process: subprocess.Popen[bytes]) -> tuple[bool, float]:
        """Was it too slow, and the CPU seconds it took; what it left running ends with it."""
        descriptor = os.pidfd_open(process.pid)
        try:
            poll = select.poll()
            poll.register(descriptor, select.POLLIN)
            timed_out = not poll.poll(self._seconds * 1000)
        finally:
            os.close(descriptor)
        with self._lock:
            # Before it is waited for: until then the number of its group cannot be another's.
            _kill(process)
            _, status, used = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            self._running.discard(process)
        return timed_out, used.ru_utime + used.ru_stime


def _kill(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read(_MOST).decode("utf-8", "replace")


def _record(path: Path) -> Mapping[str, Any]:
    try:
        document = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return document if isinstance(document, dict) else {}
