"""The whole comparison: packages by ports, several at a time, each result kept as soon as it is there."""

from __future__ import annotations

import sys
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from pathlib import Path

from fairlead.errors import FairleadError, UsageError
from fairlead.guest.cache import Cache
from fairlead.guest.toolchain import Toolchain
from fairlead.port import Port
from fairlead.testing.stdlib.events import Ran, top
from fairlead.testing.stdlib.judge import Verdict, compare, judge, steady
from fairlead.testing.stdlib.lists import BOUNDED, Lists
from fairlead.testing.stdlib.measure import Bench, Source, measure, packages, stock_bench
from fairlead.testing.stdlib.results import Measured, Results, StockRun, recall, remember

__all__ = ["Found", "Session", "verdicts"]

_SHARE = 100
"""One name in so many may stand under a bounded reason."""
_SHOWN = 20


@dataclass(slots=True)
class Session:
    """Measures into `results`, and writes them to `path` after each package."""

    toolchain: Toolchain
    cache: Cache
    lists: Lists
    results: Results
    path: Path
    jobs: int = 2
    limit: float = 300
    output: Path | None = None
    """A folder for what tests print that differ and are not listed, a file a package."""
    _stop: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _packages: dict[str, threading.Lock] = field(default_factory=dict)

    def run(
        self, ports: Mapping[str, Port], patterns: Sequence[str], *, missing: bool, unlisted: bool
    ) -> None:
        """Measure the packages of the patterns that are not left out on each port, and the others on stock
        Linux only."""
        host = stock_bench(self.toolchain, self.cache, self._stop)
        stock = packages(host, patterns)
        self.results.packages = sorted(stock if [*patterns] == ["std"] else packages(host, ["std"]))
        work: list[tuple[str | None, str]] = []
        benches: dict[str, Bench] = {}
        sources: dict[str, dict[str, Source]] = {}
        for name, port in ports.items():
            benches[name] = Bench.of(port, self.toolchain, self.cache, self._stop)
            sources[name] = packages(benches[name], patterns)
        self._packages = {package: threading.Lock() for package in stock}
        for package in sorted(stock):
            if self.lists.excluded(package):
                if not (missing or unlisted) or (missing and package not in self.results.stock):
                    work.append((None, package))
                continue
            for name in ports:
                if package in sources[name] and self._wanted(name, package, missing, unlisted):
                    work.append((name, package))
        pool = ThreadPoolExecutor(self.jobs)
        todo: dict[Future[str], tuple[str | None, str]] = {}
        try:
            for each in work:
                on, package = each
                bench = benches[on] if on else None
                source = sources[on][package] if on else stock[package]
                todo[pool.submit(self._one, bench, source)] = each
            self._collect(todo)
        finally:
            self._stop.set()
            pool.shutdown(cancel_futures=True)

    def _wanted(self, port: str, package: str, missing: bool, unlisted: bool) -> bool:
        measured = self.results.ports.get(port, {}).get(package)
        if missing or unlisted:
            gone = missing and measured is None
            wrong = unlisted and measured is not None and not _well(measured, self.lists, package, port)
            return gone or wrong
        return True

    def _collect(self, todo: Mapping[Future[str], tuple[str | None, str]]) -> None:
        left = set(todo)
        while left:
            done, left = wait(left, return_when=FIRST_COMPLETED)
            for each in done:
                count = f"{len(todo) - len(left)}/{len(todo)}"
                port, package = todo[each]
                try:
                    said = each.result()
                except FairleadError as error:
                    said = error.line()
                print(f"{count} {port or 'stock'} {package}: {said}", file=sys.stderr, flush=True)

    def _one(self, bench: Bench | None, source: Source) -> str:
        package = source.package
        stock = self._stock(source)
        if bench is None or bench.port is None:
            return f"{stock.counts.passed} pass"
        port = bench.port.name
        listed = self.lists.of(package, port)
        expected = {top(test) for test, outcome in stock.steady.items() if outcome == "pass"} & source.tests
        ran = measure(bench, package, expected, apart=listed, limit=self.limit)
        compared = compare(
            stock.steady,
            ran.steady(),
            source.tests,
            known=frozenset(stock.seen),
            same_architecture=bench.port.guest.goarch == _goarch(),
        )
        measured = Measured.of(bench.port.guest.goarch, ran.status, ran.seconds, compared)
        with self._lock:
            self.results.ports.setdefault(port, {})[package] = measured
            self.results.save(self.path)
        verdict = judge(compared, listed, self.lists.elsewhere(package, measured.goarch))
        if self.output is not None:
            self._keep(f"{port}-{package.replace('/', '_')}.txt", ran, verdict)
        return (
            f"{compared.passed} of {compared.names} pass, {len(verdict.reasons)} listed, "
            f"{len(verdict.unlisted)} not listed{_some(verdict.unlisted)}, {ran.seconds:.0f} s"
        )

    def _keep(self, name: str, ran: Ran, verdict: Verdict) -> None:
        assert self.output is not None
        texts = [
            "".join([f"{test}: {ran.tests.get(test, 'missing')}\n", *ran.output.get(test, ())])
            for test in verdict.unlisted
        ]
        if texts:
            texts.append("".join(["\n", *ran.output.get("", ())]))
        try:
            self.output.mkdir(parents=True, exist_ok=True)
            (self.output / name).write_text("\n".join(texts), "utf-8", "replace")
        except OSError as error:
            raise UsageError(f"{self.output} cannot be written: {error.strerror or error}") from error

    def _stock(self, source: Source) -> StockRun:
        """The package on stock Linux with all CPUs and with one, remembered on this host."""
        package = source.package
        with self._packages[package]:
            run = recall(self.cache, self.toolchain.version, package)
            if run is None:
                runs: list[Ran] = []
                for single in (False, True):
                    bench = stock_bench(self.toolchain, self.cache, self._stop, single=single)
                    runs.append(measure(bench, package, (), limit=self.limit))
                seen = {test for ran in runs for test in ran.steady()}
                run = StockRun(steady(*(ran.steady() for ran in runs)), tuple(sorted(seen)))
                remember(self.cache, self.toolchain.version, package, run)
            with self._lock:
                if self.results.stock.get(package) != run.counts:
                    self.results.stock[package] = run.counts
                    self.results.save(self.path)
            return run


@dataclass(slots=True)
class Found:
    """The verdict on everything measured, and what is to be said of it."""

    by_port: dict[str, dict[str, Verdict]]
    lines: list[str]
    well: bool


def verdicts(results: Results, lists: Lists) -> Found:
    """Hold what was measured against the lists."""
    found = Found({}, [], True)
    for port, measured in sorted(results.ports.items()):
        own = found.by_port[port] = {}
        names = bounded = 0
        for package, each in sorted(measured.items()):
            verdict = own[package] = _verdict(each, lists, package, port)
            names += each.names - len(verdict.foreign)
            bounded += sum(reason in BOUNDED for reason in verdict.reasons.values())
            _say(found, port, package, each, verdict)
        for out in lists.exclusions:
            stock = [results.stock[package].passed for package in out.packages if package in results.stock]
            names += sum(stock)
            bounded += sum(stock) if out.reason in BOUNDED else 0
        share = 100 * bounded / names if names else 0
        found.lines.append(
            f"{port}: {len(measured)} packages, {names} names, of them {bounded} ({share:.2f} %) under "
            f"{' or '.join(BOUNDED)}"
        )
        if bounded * _SHARE > names:
            found.lines.append(f"{port}: that is more than 1 %")
            found.well = False
    return found


def _say(found: Found, port: str, package: str, measured: Measured, verdict: Verdict) -> None:
    if measured.status in ("limit", "build-fail"):
        late = f"took too long, {len(verdict.late)} names not reached{_some(verdict.late)}"
        said = late if measured.status == "limit" else "does not build"
        found.lines.append(f"{port}: {package}: {said}")
        found.well = False
    if verdict.unlisted:
        found.lines.append(
            f"{port}: {package}: not listed and not passed: {len(verdict.unlisted)}{_some(verdict.unlisted)}"
        )
        found.well = False
    if verdict.idle:
        found.lines.append(f"{port}: {package}: listed and passed, or not there: {' '.join(verdict.idle)}")
        found.well = False


def _verdict(measured: Measured, lists: Lists, package: str, port: str) -> Verdict:
    foreign = lists.elsewhere(package, measured.goarch)
    verdict = judge(measured.compared, lists.of(package, port), foreign)
    if measured.status != "limit":
        return verdict
    late = tuple(test for test in verdict.unlisted if measured.unlike[test] in ("cut", "missing"))
    unlisted = tuple(test for test in verdict.unlisted if test not in late)
    return replace(verdict, unlisted=unlisted, late=late)


def _well(measured: Measured, lists: Lists, package: str, port: str) -> bool:
    verdict = _verdict(measured, lists, package, port)
    return not verdict.unlisted and not verdict.idle and measured.status not in ("limit", "build-fail")


def _some(tests: Sequence[str]) -> str:
    """The tests by name, the outermost of them; so many that a line stays one."""
    tops = list(dict.fromkeys(top(test) for test in tests))
    more = f" and {len(tops) - _SHOWN} more" if len(tops) > _SHOWN else ""
    return f" ({' '.join(tops[:_SHOWN])}{more})" if tops else ""


def _goarch() -> str:
    import platform

    return {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
