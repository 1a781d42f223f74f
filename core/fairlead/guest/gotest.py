"""What `go test -json` says, as results by package and as the text that `go test` prints without -json."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Package", "Test", "TestRun"]

_SUMMARY = ("ok  \t", "?   \t", "FAIL\t", "---\t")
_COUNTED = {"pass": "passed", "fail": "failed", "skip": "skipped"}
_KEPT = 16384
"""Characters of a test's output that are kept to explain its end, the last ones."""


@dataclass(slots=True)
class Test:
    """One test, or a subtest by its whole name."""

    __test__ = False  # pytest collects classes by their name

    name: str
    outcome: str = "running"
    """"pass", "fail", "skip"; "running" if it never came to an end."""
    seconds: float = 0.0
    output: str = ""
    """What it printed, for one that did not pass."""


@dataclass(slots=True)
class Package:
    """One package's results; tests are counted without their subtests, failures are named with them."""

    package: str
    status: str = "running"
    """"pass", "fail", "skip" (no test files) or "build-fail"; "running" if it never came to an end."""
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    seconds: float = 0.0
    failures: list[str] = field(default_factory=list)
    tests: dict[str, Test] = field(default_factory=dict)
    """By name, subtests too, as they began; filled where the run keeps them."""
    output: str = ""
    """The end of what the package itself printed, where it failed."""


@dataclass(slots=True)
class TestRun:
    """Takes the events in as they come; text goes to `write`."""

    __test__ = False  # pytest collects classes by their name

    write: Callable[[str], None]
    verbose: bool = False
    """Show the output of tests that pass, too, as -v does."""
    benchmarks: bool = False
    """Show the output of benchmarks, as -bench does."""
    ended: Callable[[Package], None] = lambda package: None
    """Told of each package that has come to its end."""
    keep: bool = False
    """Keep each test, and the output of those that do not pass."""
    packages: dict[str, Package] = field(default_factory=dict)
    _held: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    """By package: the output so far, each piece with its test's name."""
    _passed: dict[str, set[str]] = field(default_factory=dict)
    _begun: dict[str, dict[str, None]] = field(default_factory=dict)
    """By package: the tests under way, in the order in which they began."""

    def take(self, line: bytes) -> None:
        """One line of go's standard output; what is no event is passed on as it is."""
        try:
            event = json.loads(line)
        except ValueError:
            event = None
        if not isinstance(event, dict) or not isinstance(event.get("Action"), str):
            self.write(line.decode("utf-8", "replace"))
            return
        action = event["Action"]
        if action in ("build-output", "build-fail"):
            self.write(str(event.get("Output", "")))
            return
        name = event.get("Package")
        if isinstance(name, str):
            self._take(event, action, self.packages.setdefault(name, Package(name)))

    def _take(self, event: Mapping[str, Any], action: str, package: Package) -> None:
        test = str(event.get("Test", ""))
        if self.keep:
            self._record(event, action, package, test)
        if action == "output":
            self._output(package.package, test, str(event.get("Output", "")))
        elif action == "run":
            self._begun.setdefault(package.package, {})[test] = None
        elif action in _COUNTED and test:
            self._test_ended(package, test, action)
        elif action in _COUNTED:
            package.status = "build-fail" if event.get("FailedBuild") else action
            package.seconds = _seconds(event)
            for test in [*self._begun.pop(package.package, ())]:  # what broke the package off, or stood by
                self._test_ended(package, test, "fail")
            self._package_ended(package)
            self.ended(package)

    def _record(self, event: Mapping[str, Any], action: str, package: Package, test: str) -> None:
        if not test:
            if action == "output":
                package.output = (package.output + str(event.get("Output", "")))[-_KEPT:]
            elif action == "pass":
                package.output = ""
            return
        kept = package.tests.setdefault(test, Test(test))
        if action == "output":
            kept.output = (kept.output + str(event.get("Output", "")))[-_KEPT:]
        elif action in _COUNTED:
            kept.outcome, kept.seconds = action, _seconds(event)
            if action == "pass":
                kept.output = ""

    def _output(self, package: str, test: str, text: str) -> None:
        if self.verbose:
            self.write(text)
        elif self.benchmarks and (not test or test.startswith("Benchmark")):
            if not text.startswith("=== ") and text.strip() != test:  # their mere names are -json's own
                self.write(text)
        else:
            self._held.setdefault(package, []).append((test, text))

    def _test_ended(self, package: Package, test: str, action: str) -> None:
        self._begun.get(package.package, {}).pop(test, None)
        if "/" not in test:
            counter = _COUNTED[action]
            setattr(package, counter, getattr(package, counter) + 1)
        if action == "fail":
            package.failures.append(test)
        else:
            self._passed.setdefault(package.package, set()).add(test)

    def _package_ended(self, package: Package) -> None:
        passed = self._passed.pop(package.package, set())
        for test, text in self._held.pop(package.package, []):
            if package.status == "fail":
                if test not in passed and not text.startswith("=== "):
                    self.write(text)
            elif text.startswith(_SUMMARY):
                self.write(text)

    def finish(self) -> list[Package]:
        """Show what was held back of packages that never ended; all packages by name."""
        for held in self._held.values():
            for _, text in held:
                self.write(text)
        self._held.clear()
        return [self.packages[name] for name in sorted(self.packages)]


def _seconds(event: Mapping[str, Any]) -> float:
    elapsed = event.get("Elapsed", 0.0)
    return round(float(elapsed), 3) if isinstance(elapsed, int | float) else 0.0
