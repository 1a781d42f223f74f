from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from xml.etree import ElementTree as Xml

import pytest

from fairlead.cli.test import _at_a_time

Fairlead = Callable[..., "CompletedProcess[str]"]

FILES = {
    "go.mod": "module m\n\ngo 1.24\n",
    "fine/fine_test.go": """package fine

import "testing"

func TestFine(t *testing.T) {}
func TestOdd(t *testing.T) { t.Skip("not here") }
""",
    "hang/hang_test.go": """package hang

import "testing"

func TestBefore(t *testing.T) {}
func TestHang(t *testing.T) { for {} }
""",
    "none/none.go": "package none\n",
}


@pytest.fixture
def module(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        path = tmp_path / "m" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "m"


@pytest.mark.slow
def test_a_package_that_hangs_ends_alone(fairlead: Fairlead, module: Path) -> None:
    done = fairlead(
        "test", "--port", "opensbi", "--package-time", "5s", "--junit", "out.xml", "--json", "./...",
        cwd=module,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    document = json.loads(done.stdout)
    assert (document["schema"], document["version"], document["ok"]) == ("fairlead/test", 1, False)
    told = {
        each["package"]: (each["status"], each["passed"], each["failures"]) for each in document["packages"]
    }
    assert told == {
        "m/fine": ("pass", 1, []),
        "m/hang": ("fail", 1, ["TestHang"]),
        "m/none": ("skip", 0, []),
    }
    lines = [line for line in done.stderr.splitlines() if "/3 m/" in line]
    assert len(lines) == 3
    assert any(": fail, 1 passed, 1 failed, 0 skipped, " in line for line in lines)
    assert "took more than 5 s of host time; --package-time gives a package more" in done.stderr
    assert "hang_test.go:6" in done.stderr  # where it hung
    suites = Xml.parse(module / "out.xml").getroot()
    assert (suites.attrib["tests"], suites.attrib["errors"], suites.attrib["skipped"]) == ("4", "1", "1")


@pytest.mark.slow
def test_an_interrupt_says_what_had_ended(module: Path) -> None:
    command = [sys.executable, "-m", "fairlead", "test", "--port", "opensbi", "--junit", "out.xml"]
    with subprocess.Popen(
        [*command, "./...", "--", "-p=1"],
        cwd=module,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as run:
        assert run.stdout is not None and run.stderr is not None
        assert run.stdout.readline().startswith("ok  \tm/fine\t")  # packages come by name
        run.send_signal(signal.SIGINT)
        said = run.stderr.read()
        assert run.wait() == 130
    assert "fairlead: interrupted after 1 packages had ended" in said or "after 2 packages" in said
    assert "Traceback" not in said
    assert "m/fine" in said
    suites = {suite.attrib["name"]: suite for suite in Xml.parse(module / "out.xml").getroot()}
    assert suites["m/fine"].attrib["errors"] == "0"


@pytest.mark.parametrize(
    "arguments",
    [["--junit", "gone/file.xml"], ["--package-time", "long"], ["--package-time", ""]],
)
def test_usage(fairlead: Fairlead, arguments: list[str]) -> None:
    done = fairlead("test", "--port", "opensbi", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("fairlead: ")
    assert done.stderr.count("\n") == 1


def test_guests_fit_into_memory() -> None:
    assert _at_a_time(1 << 60) == 1
    assert _at_a_time(1) >= 1
