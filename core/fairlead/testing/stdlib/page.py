"""The page that says what passes and what does not, written from what was measured."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from fairlead.errors import UsageError
from fairlead.guest.cache import write_atomically
from fairlead.testing.stdlib.events import Outcome
from fairlead.testing.stdlib.lists import REASONS, Lists
from fairlead.testing.stdlib.results import Measured, Results
from fairlead.testing.stdlib.session import Found

__all__ = ["MARK", "write_page"]

MARK = "<!-- what follows is written by nox -s stdlib -->"
"""What stands above this line in the page is kept."""
_FAILED: tuple[Outcome, ...] = ("fail", "cut", "missing")


def write_page(path: Path, results: Results, lists: Lists, found: Found) -> None:
    """Put the tables under the page's mark; UsageError if the page or its mark is not there."""
    try:
        head, mark, _ = path.read_text("utf-8").partition(MARK)
        if not mark:
            raise UsageError(f"{path} has no line {MARK!r}", hint="it says where the tables go")
        body = "\n".join(_body(results, lists, found))
        write_atomically(path, f"{head}{MARK}\n\n{body}\n".encode())
    except OSError as error:
        raise UsageError(f"{path} cannot be rewritten: {error.strerror or error}") from error


def _body(results: Results, lists: Lists, found: Found) -> Iterable[str]:
    ports = sorted(results.ports, key=lambda port: (-len(results.ports[port]), port))
    yield from _sums(results, lists, found, ports)
    yield from _packages(results, found, ports)
    yield from _gaps(results, lists, ports)
    yield from _left_out(results, lists)


def _sums(results: Results, lists: Lists, found: Found, ports: Sequence[str]) -> Iterable[str]:
    yield f"## In sum, Go {results.go}"
    yield ""
    yield f"| port | packages | names | passed | {' | '.join(REASONS)} | not listed | not in time |"
    yield f"| --- |{' ---: |' * (len(REASONS) + 5)}"
    for port in ports:
        measured = results.ports[port]
        reasons = Counter(
            reason for verdict in found.by_port[port].values() for reason in verdict.reasons.values()
        )
        unlisted = sum(len(verdict.unlisted) for verdict in found.by_port[port].values())
        late = sum(len(verdict.late) for verdict in found.by_port[port].values())
        names = sum(each.names for each in measured.values())
        names -= sum(len(verdict.foreign) for verdict in found.by_port[port].values())
        passed = sum(each.passed for each in measured.values())
        counts = [len(measured), names, passed, *(reasons[reason] for reason in REASONS), unlisted, late]
        yield f"| {port} | {' | '.join(_number(count) for count in counts)} |"
    yield ""
    yield _steady(results, ports)
    yield ""


def _steady(results: Results, ports: Sequence[str]) -> str:
    """One sentence on what stock Linux gives to compare with."""
    measured = {package for port in ports for package in results.ports[port]}
    stock = [results.stock[package] for package in sorted(measured)]
    passed, unsteady = sum(each.passed for each in stock), sum(each.unsteady for each in stock)
    return (
        f"Stock Linux passes {_number(passed)} names of {_number(len(stock))} packages; {_number(unsteady)} "
        "more do not end in the same way both times."
    )


def _packages(results: Results, found: Found, ports: Sequence[str]) -> Iterable[str]:
    yield "## By package"
    yield ""
    yield f"| package | stock Linux | {' | '.join(ports)} |"
    yield f"| --- | --- |{' --- |' * len(ports)}"
    for package in sorted({package for port in ports for package in results.ports[port]}):
        stock = results.stock[package]
        cells = [_counts(stock.passed, stock.failed, stock.skipped)]
        for port in ports:
            measured = results.ports[port].get(package)
            cells.append(_cell(measured, found, port, package) if measured else "–")
        yield f"| {package} | {' | '.join(cells)} |"
    yield ""


def _cell(measured: Measured, found: Found, port: str, package: str) -> str:
    verdict = found.by_port[port][package]
    apart = {*verdict.foreign, *verdict.late}
    ends = Counter(outcome for test, outcome in measured.unlike.items() if test not in apart)
    text = _counts(measured.passed, sum(ends[each] for each in _FAILED), ends["skip"])
    for names, what in ((verdict.unlisted, "not listed"), (verdict.late, "not in time")):
        text += f", {_number(len(names))} {what}" if names else ""
    return text


def _counts(passed: int, failed: int, skipped: int) -> str:
    """Passed, then failed and skipped if any is."""
    return f"{_number(passed)} / {failed} / {skipped}" if failed or skipped else _number(passed)


def _gaps(results: Results, lists: Lists, ports: Sequence[str]) -> Iterable[str]:
    yield "## Not measured"
    yield ""
    everything = {package for package in results.packages if not lists.excluded(package)}
    for port in ports:
        measured = results.ports[port]
        gone = sorted(everything - measured.keys())
        late = sorted(package for package, each in measured.items() if each.status == "limit")
        yield f"- {port}: {_several(gone)}"
        if late:
            yield f"- {port}, not to the end, for want of time: {_several(late)}"
    yield ""


def _several(packages: Sequence[str]) -> str:
    return f"{len(packages)} of the packages: {', '.join(packages)}" if packages else "nothing"


def _left_out(results: Results, lists: Lists) -> Iterable[str]:
    yield "## Left out"
    yield ""
    yield "| packages | reason | why | names on stock Linux |"
    yield "| --- | --- | --- | ---: |"
    for each in lists.exclusions:
        stock = [results.stock[package].passed for package in each.packages if package in results.stock]
        names = _number(sum(stock)) if len(stock) == len(each.packages) else "not counted"
        yield f"| {', '.join(each.packages)} | {each.reason} | {each.why} | {names} |"


def _number(count: int) -> str:
    return f"{count:,}"
