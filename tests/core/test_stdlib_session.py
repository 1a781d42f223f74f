from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from fairlead.errors import UsageError
from fairlead.testing.stdlib.events import Outcome
from fairlead.testing.stdlib.judge import Compared
from fairlead.testing.stdlib.lists import read_lists
from fairlead.testing.stdlib.page import MARK, write_page
from fairlead.testing.stdlib.results import Measured, Results, Stock
from fairlead.testing.stdlib.session import verdicts

ROOT = Path(__file__).resolve().parent.parent.parent

DIFFERENCES = """
[[difference]]
package = "os"
reason = "exec"
tests = ["TestStart"]

[[difference]]
package = "os"
reason = "unicorn"
tests = ["TestDivide"]
ports = ["opensbi"]
reproducer = "README.md"
"""
EXCLUSIONS = """
[[exclusion]]
packages = ["net"]
reason = "sockets"
why = "it is one"
"""


def folder(path: Path, differences: str = DIFFERENCES, exclusions: str = EXCLUSIONS) -> Path:
    (path / "README.md").write_text("")
    lists = path / "lists"
    lists.mkdir()
    (lists / "differences.toml").write_text(differences)
    (lists / "exclusions.toml").write_text(exclusions)
    (lists / "architectures.toml").write_text("")
    return lists


def measured(path: Path) -> Results:
    """200 names, of which TestStart and TestDivide differ; and net, which is left out."""
    os_ = Compared(200, 198, {"TestStart": "fail", "TestDivide": "skip"}, 3)
    results = Results("1.27.3", ["io", "net", "os"], {"os": Stock(203, 0, 1, 2), "net": Stock(50, 0, 0, 0)})
    results.ports["opensbi"] = {"os": Measured.of("riscv64", "fail", 1.25, os_)}
    results.save(path / "results.json")
    return Results.load(path / "results.json", "1.27.3")


def test_all_is_listed(tmp_path: Path) -> None:
    lists = read_lists(folder(tmp_path))
    found = verdicts(measured(tmp_path), lists)
    assert found.well
    assert found.lines == ["opensbi: 1 packages, 250 names, of them 1 (0.40 %) under unicorn or toolchain"]
    assert lists.of("os", "akaros") == {"TestStart": "exec"}
    assert lists.excluded("net") is not None
    assert lists.excluded("os") is None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("TestStart", "TestOther"), "os: not listed and not passed: 1 (TestStart)"),
        (('"TestStart"', '"TestStart", "TestGood"'), "os: listed and passed, or not there: TestGood"),
    ],
)
def test_a_list_that_does_not_fit(tmp_path: Path, change: tuple[str, str], said: str) -> None:
    lists = read_lists(folder(tmp_path, DIFFERENCES.replace(*change)))
    found = verdicts(measured(tmp_path), lists)
    assert not found.well
    assert f"opensbi: {said}" in found.lines


def test_too_many_under_a_bounded_reason(tmp_path: Path) -> None:
    lists = read_lists(folder(tmp_path, exclusions=EXCLUSIONS.replace("sockets", "toolchain")))
    found = verdicts(measured(tmp_path), lists)
    assert not found.well
    assert found.lines[-2:] == [
        "opensbi: 1 packages, 250 names, of them 51 (20.40 %) under unicorn or toolchain",
        "opensbi: that is more than 1 %",
    ]


def test_what_was_not_reached_in_time(tmp_path: Path) -> None:
    lists = read_lists(folder(tmp_path))
    results = measured(tmp_path)
    unlike: dict[str, Outcome] = {
        "TestDivide": "skip",
        "TestGone": "missing",
        "TestStart": "fail",
        "TestWrong": "fail",
    }
    results.ports["opensbi"]["os"] = Measured.of("riscv64", "limit", 300.0, Compared(200, 196, unlike, 0))
    found = verdicts(results, lists)
    assert not found.well
    verdict = found.by_port["opensbi"]["os"]
    assert (verdict.unlisted, verdict.late) == (("TestWrong",), ("TestGone",))
    assert "opensbi: os: took too long, 1 names not reached (TestGone)" in found.lines
    page = tmp_path / "page.md"
    page.write_text(MARK)
    write_page(page, results, lists, found)
    assert "| 196 / 2 / 1, 1 not listed, 1 not in time |" in page.read_text()
    assert "- opensbi, not to the end, for want of time: 1 of the packages: os" in page.read_text()


@pytest.mark.parametrize(
    ("differences", "said"),
    [
        ("no toml", "is no TOML"),
        (
            DIFFERENCES.replace('"exec"', '"tired"'),
            "reasons: sockets, exec, cgo, race, words, unicorn, toolchain",
        ),
        (DIFFERENCES.replace('reproducer = "README.md"', ""), "needs its reproducer"),
        (DIFFERENCES.replace("README.md", "gone.go"), "no reproducer gone.go"),
        (DIFFERENCES.replace("TestDivide", "TestStart"), "TestStart of os is listed twice"),
        (DIFFERENCES.replace('"os"', '"net"'), "net is left out, and has differences listed"),
        (DIFFERENCES.replace("tests", "test"), "test"),
    ],
)
def test_lists_that_cannot_be(tmp_path: Path, differences: str, said: str) -> None:
    with pytest.raises(UsageError) as error:
        read_lists(folder(tmp_path, differences))
    assert said in error.value.line()


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"schema": "fairlead/stdlib", "version": 1, "go": 3, "stock": 4}']
)
def test_results_that_cannot_be_read(tmp_path: Path, text: str) -> None:
    path = tmp_path / "results.json"
    path.write_text(text)
    with pytest.raises(UsageError, match=r"results\.json"):
        Results.load(path, "1.27.3")


def test_results_of_another_go_are_none(tmp_path: Path) -> None:
    measured(tmp_path)
    assert Results.load(tmp_path / "results.json", "1.28").stock == {}


def test_the_page(tmp_path: Path) -> None:
    lists = read_lists(folder(tmp_path))
    page = tmp_path / "page.md"
    page.write_text(f"# Kept\n\n{MARK}\nold\n")
    results = measured(tmp_path)
    write_page(page, results, lists, verdicts(results, lists))
    text = page.read_text()
    assert text.startswith(f"# Kept\n\n{MARK}\n\n## In sum, Go 1.27.3\n")
    assert "| os | 203 / 0 / 1 | 198 / 1 / 1 |" in text
    assert "| opensbi | 1 | 200 | 198 | 0 | 1 | 0 | 0 | 0 | 1 | 0 | 0 | 0 |" in text
    assert "| net | sockets | it is one | 50 |" in text
    assert "- opensbi: 1 of the packages: io\n" in text
    assert "old" not in text
    write_page(page, results, lists, verdicts(results, lists))
    assert page.read_text() == text
    page.write_text("no mark")
    with pytest.raises(UsageError, match="has no line"):
        write_page(page, results, lists, verdicts(results, lists))


def session(lists: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "fairlead.testing.stdlib", f"--lists={lists}", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


def test_usage(tmp_path: Path) -> None:
    done = session(folder(tmp_path), "--port", "nosuch")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("fairlead: there is no port 'nosuch'; installed: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.slow
def test_a_package_on_a_port(tmp_path: Path) -> None:
    lists = folder(tmp_path, "")
    said = tmp_path / "said"
    done = session(lists, "--port", "opensbi", "--only", "context", f"--output={said}")
    assert done.returncode == 1, done.stderr
    assert "opensbi: context: not listed and not passed: 1 (ExampleAfterFunc_connection)" in done.stdout
    assert "not supported" in (said / "opensbi-context.txt").read_text()
    told = json.loads((lists / "results.json").read_text())
    (context,) = told["ports"]["opensbi"].values()
    assert context["unlike"] == {"ExampleAfterFunc_connection": "fail"}
    assert context["passed"] + 1 == context["names"] > 40
    assert told["stock"]["context"]["passed"] == context["names"]
    (lists / "differences.toml").write_text(
        '[[difference]]\npackage = "context"\ntests = ["ExampleAfterFunc_connection"]\nreason = "sockets"\n'
    )
    # Listed, the test runs in the end, by itself; what was measured is not measured again.
    for words in (["--unlisted"], ["--judge"], ["--missing"], []):
        done = session(lists, "--port", "opensbi", "--only", "context", *words)
        assert done.returncode == 0, done.stdout + done.stderr
        assert ("1/1 opensbi context: " in done.stderr) == (not words)


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_told_to_end_it_ends_what_it_started(tmp_path: Path, number: int, code: int) -> None:
    lists = folder(tmp_path, "")
    command = [sys.executable, "-m", "fairlead.testing.stdlib", f"--lists={lists}", "--port=opensbi"]
    words = ["--jobs=1", "--only=errors", "--only=os"]
    with subprocess.Popen([*command, *words], stderr=subprocess.PIPE, text=True) as run:
        assert run.stderr is not None
        assert run.stderr.readline().startswith("1/2 opensbi errors: ")
        run.send_signal(number)
        assert "Traceback" not in run.stderr.read()
        assert run.wait() == code
    assert [*json.loads((lists / "results.json").read_text())["ports"]["opensbi"]] == ["errors"]
