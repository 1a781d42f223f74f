"""A run of `fairlead` in a process of its own, bounded in time and memory: what a port does ends there."""

from __future__ import annotations

import hashlib
import json
import os
import re
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

from fairlead.hooks import RUNTIME_HOOKS
from fairlead.testing.check import CheckFailed

__all__ = ["FAIRLEAD", "Ran", "Runner"]

FAIRLEAD = (sys.executable, "-m", "fairlead")
_SHOWN = 300
"""Characters of an output that a sentence quotes."""
_MOST = 1 << 20
"""Bytes of an output that are looked at."""
_LARGEST = 1 << 30
"""Bytes of the largest file that a run may write, its output too."""
_END = 1 << 16
_ABORT_TIME = 5.0
"""Seconds that a run which is ended for its slowness has for saying where it is."""
_GO = ("fatal error: ", "panic: ", "SIG")
"""How the Go runtime begins to say why it gives a program up."""
_DUMP = "Fatal Python error: "
_FRAME = re.compile(r'  File ".*", line \d+ in (\w+)$')


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
    digest: str = ""
    """SHA-256 of all that went to standard output, of which `stdout` may be a part only."""

    @property
    def hooks(self) -> Mapping[str, int]:
        """How often each hook was called."""
        counts: Mapping[str, int] = self.record.get("hooks", {})
        return counts

    @property
    def hook(self) -> str:
        """The hook that a process which did not end by itself was in; empty if it was in none."""
        _, dumped, stack = self.stderr.rpartition(_DUMP)
        if not dumped or (self.code >= 0 and not self.timed_out):
            return ""
        frames = (found[1] for line in stack.splitlines() if (found := _FRAME.match(line)))
        return next((name for name in frames if name in RUNTIME_HOOKS), "")

    @property
    def last_words(self) -> str:
        """What `fairlead` said of the end, or what Go did, or else the last line on standard error."""
        said = self.stderr.rpartition(_DUMP)[0] if self.code < 0 and _DUMP in self.stderr else self.stderr
        lines = [line for line in said.splitlines() if line.strip()]
        own = [line.removeprefix("fairlead: ") for line in lines if line.startswith("fairlead: ")]
        go = [line for line in lines if line.startswith(_GO)]
        return (own[-1:] or go[:1] or lines[-1:] or [""])[0]

    def must_say(self, text: str, code: int = 0) -> None:
        """CheckFailed unless the run printed exactly this and ended so."""
        self.must_end(code)
        if self.stdout != text:
            raise CheckFailed(f"printed {_quote(self.stdout)} where {_quote(text)} is due")

    def must_end(self, code: int = 0) -> None:
        """CheckFailed unless the run ended with this exit code."""
        if self.timed_out or self.code < 0:
            end = "did not end within its time on the host"
            if not self.timed_out:
                end = f"its process was ended by {_signal_name(-self.code)}"
            where = f": it was in hook {self.hook}" if self.hook else ""
            raise CheckFailed(f"{end}{where}; {self.last_words or 'silence'}")
        if self.code != code:
            said = f": {self.last_words}" if self.last_words else ""
            printed = f", printed {_quote(self.stdout)}" if self.stdout else ""
            raise CheckFailed(f"ended with {self.code} where {code} is due{printed}{said}")


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _quote(text: str) -> str:
    return repr(text if len(text) <= _SHOWN else text[:_SHOWN] + "…")


class Runner:
    """Starts runs and ends them: `stop` ends all that are under way, from another thread too."""

    def __init__(
        self,
        command: Sequence[str] = FAIRLEAD,
        *,
        seconds: float = 60.0,
        memory: int = 8 << 30,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """`seconds` of host time and `memory` bytes of address space for each run.

        The guest's memory and the engine's own take 5 GiB of that. A process that a signal ends first writes
        where it was (PYTHONFAULTHANDLER).
        """
        self._command = tuple(command)
        self._seconds = seconds
        self._memory = memory
        self._environment = {**os.environ, "PYTHONFAULTHANDLER": "1", **(environment or {})}
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
                out.seek(0)
                digest = hashlib.file_digest(out, "sha256").hexdigest()
            document = _record(result) if process.returncode >= 0 else {}
            return Ran(words, stdout, stderr, process.returncode, seconds, timed_out, document, digest)

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
            resource.prlimit(process.pid, resource.RLIMIT_CORE, (0, 0))
            resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (_LARGEST, _LARGEST))
        return process

    def _wait(self, process: subprocess.Popen[bytes]) -> tuple[bool, float]:
        """Was it too slow, and the CPU seconds it took; what it left running ends with it."""
        descriptor = os.pidfd_open(process.pid)
        try:
            poll = select.poll()
            poll.register(descriptor, select.POLLIN)
            timed_out = not poll.poll(self._seconds * 1000)
            if timed_out:
                signal.pidfd_send_signal(descriptor, signal.SIGABRT)  # Python says where it is, then ends
                poll.poll(_ABORT_TIME * 1000)
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
    """The beginning and, of a longer output, the end, where the last words are."""
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    text = file.read(_MOST)
    if size > _MOST:
        file.seek(max(_MOST, size - _END))
        text += b"\n" + file.read(_END)
    return text.decode("utf-8", "replace")


def _record(path: Path) -> Mapping[str, Any]:
    try:
        document = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return document if isinstance(document, dict) else {}
