"""What `go test -json` says of one package, test by test, subtests included."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

__all__ = ["Outcome", "Ran", "read_events", "top"]

Outcome = Literal["pass", "fail", "skip", "cut", "missing"]
"""How a test ended: "cut" began and never ended, "missing" never began."""

_ENDS: dict[str, Outcome] = {"pass": "pass", "fail": "fail", "skip": "skip"}
_KEPT_OUTPUT = 40
"""Lines of a package's output that are kept, the last ones."""
_ADDRESS = re.compile(r"0x[0-9a-f]{6,}")


@dataclass(slots=True)
class Ran:
    """One package's run, or several runs of it one after the other."""

    tests: dict[str, Outcome] = field(default_factory=dict)
    status: str = "running"
    """"pass", "fail", "skip" (no tests), "build-fail"; "running" if it never came to an end."""
    seconds: float = 0.0
    output: dict[str, list[str]] = field(default_factory=dict)
    """Test, or "" for the package: the last lines of what it printed."""

    def take(self, line: bytes) -> None:
        """One line of go's standard output; what is no event is output of the package."""
        try:
            event = json.loads(line)
        except ValueError:
            event = None
        if not isinstance(event, dict):
            self._say("", line.decode("utf-8", "replace"))
            return
        action, test = event.get("Action"), event.get("Test", "")
        if not isinstance(test, str):
            return
        if action in ("output", "build-output"):
            self._say(test, str(event.get("Output", "")))
        elif not test:
            if action in _ENDS:
                self.status = "build-fail" if event.get("FailedBuild") else str(action)
        elif action in ("run", "cont"):
            self.tests.setdefault(test, "cut")
        elif action == "pause":  # it waits for its turn; what breaks off the run meanwhile is not its doing
            self.tests.pop(test, None)
        elif action in _ENDS:
            self.tests[test] = _ENDS[action]

    def _say(self, test: str, text: str) -> None:
        lines = self.output.setdefault(test, [])
        lines.append(text)
        del lines[:-_KEPT_OUTPUT]

    def add(self, other: Ran) -> None:
        """Take in a further run of the same package: what ended in either has ended."""
        for test, outcome in other.tests.items():
            if outcome != "cut" or test not in self.tests:
                self.tests[test] = outcome
                self.output[test] = other.output.get(test, [])
        self.output[""] = other.output.get("", [])
        self.seconds += other.seconds
        if other.status not in ("pass", "skip"):
            self.status = other.status

    def steady(self) -> dict[str, Outcome]:
        """The tests whose names hold no address, which is another in each run."""
        return {test: outcome for test, outcome in self.tests.items() if not _ADDRESS.search(test)}


def read_events(lines: Iterable[bytes]) -> Ran:
    """A whole run, from all its lines."""
    ran = Ran()
    for line in lines:
        ran.take(line)
    return ran


def top(test: str) -> str:
    """The test that a subtest belongs to; a test is its own."""
    return test.partition("/")[0]
