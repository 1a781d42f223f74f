"""What a trial comes to: the document, the matrix and the page say the same."""

from __future__ import annotations

import io
import json
from html.parser import HTMLParser

import pytest

from fairlead.testing.check import Check, Outcome
from fairlead.testing.report import Cell, Report, failure_text, html, json_text, matrix

CHECKS = [
    Check(name="newosproc.one", hook="newosproc", sentence="It holds.", source="runtime <here>"),
    Check(name="memory.two", hook="syscall", sentence="So does this.", source="runtime there"),
]


def outcome(check: str, port: str, why: str = "") -> Outcome:
    return Outcome(
        check=check,
        hook="syscall",
        port=port,
        passed=not why,
        why=why,
        guest_time_ns=1_500_000_000,
        host_seconds=0.25,
        calls=3,
    )


@pytest.fixture
def report() -> Report:
    outcomes = [
        outcome(
            check.name, port, "it was <b>otherwise</b>" if (port, check.name) == ("b", "memory.two") else ""
        )
        for port in "ab"
        for check in CHECKS
    ]
    return Report.of(CHECKS, "ab", outcomes, {})


def text_of(report: Report) -> str:
    from rich.console import Console

    out = io.StringIO()
    Console(file=out, width=80).print(matrix(report))
    return out.getvalue()


def test_one_failure_is_a_failure(report: Report) -> None:
    assert not report.ok
    assert Report.of(CHECKS, "a", [each for each in report.outcomes if each.passed], {}).ok
    assert not Report.of(CHECKS, "a", [], {"lost": "ImportError: no"}).ok


def test_the_matrix_counts_by_row_and_in_all(report: Report) -> None:
    assert report.groups == ["newosproc", "memory"]
    assert report.cell("b", "memory") == Cell(0, 1, 1_500_000_000, 0.25)
    assert report.cell("b") == Cell(1, 2, 3_000_000_000, 0.5)
    lines = text_of(report).splitlines()
    (memory,) = [line for line in lines if line.strip().startswith("memory")]
    assert memory.split() == ["memory", "1", "passed", "0", "of", "1"]
    (everything,) = [line for line in lines if line.strip().startswith("all")]
    assert everything.split() == ["all", "2", "passed", "1", "of", "2"]
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize(
    ("nanoseconds", "said"),
    [(0, "0.0 ms"), (2_000_000, "2.0 ms"), (90 * 10**9, "90.0 s"), (3 * 86_400 * 10**9, "3.0 days")],
)
def test_guest_time_in_its_unit(nanoseconds: int, said: str) -> None:
    assert Cell(1, 1, nanoseconds, 0).guest == f"guest {said}"


def test_the_document_holds_everything(report: Report) -> None:
    document = json.loads(json_text(report))
    assert (document["schema"], document["version"], document["ok"]) == ("fairlead/check", 1, False)
    assert [each["name"] for each in document["checks"]] == ["newosproc.one", "memory.two"]
    assert document["outcomes"][3]["why"] == "it was <b>otherwise</b>"


def test_a_failure_says_how_to_see_it_again(report: Report) -> None:
    text = failure_text(report, report.outcome("b", "memory.two"))
    assert "what holds: So does this." in text
    assert "fairlead check --port b --only memory.two" in text


class Page(HTMLParser):
    """Tags and text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, _attributes: object) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def test_the_page_shows_what_a_port_says_as_text(report: Report) -> None:
    page = Page(html(report))
    said = " ".join(page.words)
    assert "it was <b>otherwise</b>" in said
    assert "runtime <here>" in said
    assert "b" not in page.tags
    assert page.tags.count("table") == 3
    assert not {"script", "link", "img"} & set(page.tags)
