"""The kit as a pytest plugin: what a port's own test suite has of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

SUITE = """\
import pytest

@pytest.mark.fairlead_ports("opensbi", "akaros")
def test_conformance(fairlead_trial):
    fairlead_trial()
"""


def suite(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    (folder / "test_port.py").write_text(SUITE)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *words, "test_port.py"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)


def test_a_port_s_own_suite_is_every_check(tmp_path: Path) -> None:
    ran = suite(tmp_path, "--collect-only")
    assert ran.returncode == 0, ran.stdout
    assert "test_conformance[opensbi-newosproc.ids]" in ran.stdout
    assert "test_conformance[akaros-newosproc.ids]" in ran.stdout
    assert "linux" not in ran.stdout


def test_a_check_runs_and_passes(tmp_path: Path) -> None:
    ran = suite(tmp_path, "--fairlead-port=opensbi", "--fairlead-only=newosproc.ids")
    assert (ran.returncode, "1 passed" in ran.stdout) == (0, True), ran.stdout


def test_a_check_that_fails_says_what_holds(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(
        "import fairlead.testing.checks.newosproc as group, dataclasses\n"
        "group.CHECKS = tuple(dataclasses.replace(each, calls=10**6) for each in group.CHECKS)\n"
    )
    ran = suite(tmp_path, "--fairlead-port=opensbi", "--fairlead-only=newosproc.ids")
    assert ran.returncode == 1
    assert "hook newosproc was called" in ran.stdout
    assert "A thread's id is unique" in ran.stdout
