"""Reports as documents: what is written can be read, what is no report is refused, and pages are whole."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest
from reports import outcome, report
from rich.console import Console

from fairlead.bench.compare import Comparison
from fairlead.bench.exchange import from_text, to_text
from fairlead.bench.page import html
from fairlead.bench.report import Report, json_text, read_report
from fairlead.bench.table import counts, duration, footnotes, tables
from fairlead.errors import UsageError

FAST = [10.0, 11.0, 10.5, 10.2]
SLOW = [20.0, 21.0, 20.5, 20.2]


def some() -> Report:
    return report(
        outcome("Null", "opensbi", [136.0] * 4, FAST),
        outcome("Null", "akaros", [200.0] * 4, SLOW),
        outcome("a/b.Sort/n=10", "opensbi", [5.0] * 4, FAST),
        outcome("a/b.Sort/n=10", "akaros", [], [], why="ended with 2: no <such> call"),
    )


def test_a_document_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_text(json_text(some()))
    assert read_report(path) == some()


def test_the_text_keeps_every_repetition(tmp_path: Path) -> None:
    path = tmp_path / "report.txt"
    path.write_text(to_text(some()))
    again = read_report(path)
    for each in some().outcomes:
        if not each.why:
            same = again.outcome(each.case, each.column)
            assert same is not None
            assert (same.guest_ns, same.host_ns, same.clock) == (each.guest_ns, each.host_ns, "blocks")
    assert again.outcome("a/b.Sort/n=10", "akaros") is None
    assert Comparison.of(some(), again).claimed == []


def test_the_text_has_the_keys_that_tell_columns_apart() -> None:
    text = to_text(some())
    assert text.startswith("goos: linux\ngoarch: riscv64\npkg: fairlead/bench\ncpu: a cpu\nport: opensbi\n")
    assert text.count("port: ") == 2 and "board: virt\n" in text and "unicorn: 2.1.4\n" in text
    assert "BenchmarkNull\t100\t136 ns/op\t10.2000 host-ns/op\t16 B/op\t3.50000 blocks/op" in text
    assert re.search(r"^pkg: a/b\nBenchmarkSort/n=10\t", text, re.MULTILINE)
    assert all(re.match(r"[a-z]+: |Benchmark", line) for line in text.splitlines())


@pytest.mark.parametrize(
    "content",
    [
        b"", b"\xff\xfe", b"hello\n", b"{", b"[]", b"{}", b'{"schema": "fairlead/check", "version": 1}',
        b'{"schema": "fairlead/bench", "version": 2}', b'{"schema": "fairlead/bench", "version": 1}',
        b'{"a":' * 100_000, b"BenchmarkX 10 7 B/op\n", b"\0" * 100,
    ],
)  # fmt: skip
def test_what_is_no_report_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(UsageError, match="file"):
        read_report(path)


@pytest.mark.parametrize(
    ("key", "value"),
    [("guest_ns", "x"), ("guest_ns", [float("nan")]), ("host_ns", [float("inf")]), ("guest_ns", None),
     ("hooks", [1]), ("case", None), ("more", 1), ("guest_ns", [10**400]), ("metrics", {"B/op": "y"})],
)  # fmt: skip
def test_a_document_with_something_wrong_in_it_is_refused(tmp_path: Path, key: str, value: object) -> None:
    document = json.loads(json_text(some()))
    if key == "case":
        del document["outcomes"][0][key]
    else:
        document["outcomes"][0][key] = value
    path = tmp_path / "file"
    path.write_text(json.dumps(document))
    with pytest.raises(UsageError, match="file"):
        read_report(path)


@pytest.mark.parametrize("name", [".", "nowhere/file"])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        read_report(tmp_path / name)


class Tags(HTMLParser):
    """Which tags are open; `p` and the like all have their ends on our pages."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag not in ("meta", "rect", "line", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in ("rect", "line"):
            assert self.open.pop() == tag


def test_the_page_is_whole_and_needs_nothing_else() -> None:
    page = html(some())
    tags = Tags()
    tags.feed(page)
    assert tags.open == []
    assert not re.search(r"https?://|<script|<link|@import", page)
    assert "no &lt;such&gt; call" in page and "<such>" not in page


def test_bars_are_to_scale() -> None:
    drawings = [
        ElementTree.fromstring(each) for each in re.findall(r"<svg.*?</svg>", html(some()), re.DOTALL)
    ]
    guest, host = drawings[:2]
    lengths = [float(each.get("width", "")) for each in guest.iter("rect")]
    assert lengths[0] / lengths[1] == pytest.approx(136 / 200, rel=1e-3)
    parts = [float(each.get("width", "")) for each in host.iter("rect")]
    assert len(parts) == 4  # each bar in what the hook took, and the rest
    assert parts[0] / parts[1] == pytest.approx(3, rel=1e-2)
    assert sum(parts[2:]) / sum(parts[:2]) == pytest.approx(20.35 / 10.35, rel=1e-2)


def test_the_table_fits_a_terminal_and_names_what_failed() -> None:
    columns = ("akaros", "linux-amd64", "linux-riscv64", "opensbi", "native", "qemu-x86_64", "qemu-riscv64")
    wide = report(*(outcome("ChannelPingPong", each, [1234.0] * 4, SLOW) for each in columns))
    console = Console(width=80, record=True, file=open("/dev/null", "w"))  # noqa: SIM115, PTH123
    for table in tables(wide):
        console.print(table)
    console.file.close()
    shown = console.export_text()
    assert max(map(len, shown.splitlines())) <= 80
    assert shown.count("1.23 µs") == 7 and "ChannelPingPong" in shown
    assert next(iter(counts(some()))) == (
        "Null on opensbi: 3.5 blocks, 0.25 timer interrupt, 1 write, "
        "0.0761 ns of the host's CPU for one of the guest's"
    )
    assert any("akaros fails a/b.Sort/n=10: ended with 2" in line for line in footnotes(some()))


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [(0, "0.00 ns"), (1.234, "1.23 ns"), (99.96, "100 ns"), (999.6, "1.00 µs"), (12_345, "12.3 µs"),
     (999_999, "1.00 ms"), (2.5e9, "2.50 s"), (-1500, "-1.50 µs")],
)  # fmt: skip
def test_durations_have_three_digits(nanoseconds: float, text: str) -> None:
    assert duration(nanoseconds) == text


def test_the_mean_ratio_is_geometric_and_of_what_can_be_compared() -> None:
    made = report(
        outcome("One", "opensbi", [100.0], [10.0]),
        outcome("One", "akaros", [200.0], [40.0]),
        outcome("Two", "opensbi", [100.0], [10.0]),
        outcome("Two", "akaros", [100.0], [10.0], clock="host"),
        outcome("Three", "opensbi", [100.0], [10.0]),
        outcome("Three", "akaros", [], [], why="no"),
    )
    assert made.mean_ratio("akaros", host=False) == pytest.approx(2)
    assert made.mean_ratio("akaros", host=True) == pytest.approx(2)
    assert made.mean_ratio("opensbi", host=True) is None


def test_a_comparison_says_what_changed() -> None:
    new = report(
        outcome("Null", "opensbi", [136.0] * 4, SLOW),
        outcome("Null", "akaros", [], [], why="panic: no"),
        outcome("a/b.Sort/n=10", "akaros", [5.0] * 4, FAST),
        outcome("New", "opensbi", [1.0] * 4, FAST),
        go="1.27.4",
        machine={"cpu": "another"},
    )
    found = Comparison.of(some(), new)
    (difference,) = found.claimed
    assert (difference.case, difference.column, difference.figure) == ("Null", "opensbi", "host")
    assert difference.ratio == pytest.approx(20.35 / 10.35)
    assert found.broke == ["Null on akaros: panic: no"]
    assert found.mended == ["a/b.Sort/n=10 on akaros"]
    assert found.added == ["New on opensbi"] and found.removed == ["a/b.Sort/n=10 on opensbi"]
    assert "go 1.27.3 then, 1.27.4 now" in found.notes
    assert any("another host" in each for each in found.notes)
    assert json.loads(found.json_text())["schema"] == "fairlead/bench-compare"


def test_times_of_unlike_clocks_are_not_compared() -> None:
    old = report(outcome("Null", "opensbi", [136.0] * 4, FAST))
    new = report(outcome("Null", "opensbi", [999.0] * 4, FAST, clock="instructions"))
    found = Comparison.of(old, new)
    assert [each.figure for each in found.differences] == ["host"]
    assert any("blocks counted guest time then, instructions now" in each for each in found.notes)


def test_an_empty_text_tells_of_nothing() -> None:
    assert from_text("").outcomes == []
