"""The example of docs/contract.md, as a user has it: a port in a distribution of its own, found and run."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from fairlead.hooks import RUNTIME_HOOKS

pytestmark = pytest.mark.slow


def run(fairlead, skiff: Path, *words: str | Path) -> subprocess.CompletedProcess[str]:
    return fairlead(*words, env={"PYTHONPATH": str(skiff)})


def test_it_is_found_beside_the_others(fairlead, skiff: Path) -> None:
    listed = json.loads(run(fairlead, skiff, "ports", "--json").stdout)
    ports = {port["name"]: port for port in listed["ports"]}
    assert {"opensbi", "skiff"} <= set(ports)
    assert ports["skiff"]["distribution"] == "fairlead-skiff 0.1.0"
    assert listed["failures"] == {}


def test_it_takes_the_tour_and_every_hook_is_called(
    fairlead, skiff: Path, examples: Path, tmp_path: Path
) -> None:
    result = tmp_path / "result.json"
    ran = run(fairlead, skiff, "run", "--port", "skiff", f"--result={result}", examples / "tour", "a", "b c")
    assert (ran.stderr, ran.returncode) == ("", 0)
    assert ran.stdout.count("\n") == 10
    assert "FAILED" not in ran.stdout
    record = json.loads(result.read_text())
    assert {hook for hook, count in record["hooks"].items() if count} == set(RUNTIME_HOOKS)
    assert record["unknown_calls"] == {}


def test_its_clock_is_read_without_a_call(fairlead, skiff: Path, go_program, tmp_path: Path) -> None:
    source = 'package main\n\nimport "time"\n\nvar sink time.Duration\n\n'
    source += "func main() { start := time.Now(); for range 1000 { sink += time.Since(start) } }\n"
    result = tmp_path / "result.json"
    ran = run(fairlead, skiff, "run", "--port", "skiff", f"--result={result}", go_program(source))
    assert (ran.stderr, ran.returncode) == ("", 0)
    record = json.loads(result.read_text())
    assert record["hooks"]["nanotime"] > 1000
    assert sum(record["system_calls"].values()) < 1000


def test_its_option_is_understood(fairlead, skiff: Path, examples: Path) -> None:
    words = ("run", "--port", "skiff", "--trace=traps", "--max-time=60ms", "--set=slice=20")
    ran = run(fairlead, skiff, *words, examples / "spin")
    assert ran.returncode == 124
    assert sum(line.startswith("timer: ") for line in ran.stderr.splitlines()) == 2
    ran = run(fairlead, skiff, "run", "--port", "skiff", "--set=slice=0", examples / "spin")
    assert ran.returncode == 2
    assert "--set slice=0: it must be a number from 1 to 1000" in ran.stderr


def test_images_of_other_ports_are_refused(fairlead, skiff: Path, examples: Path, tmp_path: Path) -> None:
    image = tmp_path / "hello.skiff"
    assert run(fairlead, skiff, "build", "--port=skiff", "-o", image, examples / "hello").returncode == 0
    assert run(fairlead, skiff, "run", "--port=skiff", image).returncode == 0
    ran = run(fairlead, skiff, "run", "--port=opensbi", image)
    assert ran.returncode == 125
    assert "was built for port skiff" in ran.stderr


@pytest.mark.parametrize("module", ["plugin", "kernel"])
def test_it_imports_the_core_only(module: str, skiff: Path) -> None:
    code = f"import sys; sys.path.insert(0, {str(skiff)!r}); import fairlead_skiff.{module}\n"
    code += "print(*(each for each in sys.modules if each.startswith(('fairlead_machines', 'unicorn'))))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == ""
