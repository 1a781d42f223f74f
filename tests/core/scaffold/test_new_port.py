"""What `fairlead new` writes, as a stranger's distribution: it installs, is found, is clean and passes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from shutil import copytree

import pytest

from fairlead.hooks import RUNTIME_HOOKS

pytestmark = pytest.mark.slow

BOARDS = {"virt": "riscv64", "pc": "amd64"}
PORTS = {"virt": "tug", "pc": "pilot-boat"}
NEXT = """\
fairlead-tug is a port of Go to the board virt (riscv64). Type next:

  pip install -e ./fairlead-tug
  fairlead run --port tug fairlead-tug/hello.go
  fairlead check --port tug

fairlead-tug/README.md says what is where, and a way through.
"""
FAST = ("newosproc.ids", "nanotime.zero", "traps.nil", "syscall.errors", "signals.masks", "memory.zeroes")

Fairlead = Callable[..., "subprocess.CompletedProcess[str]"]
boards = pytest.mark.parametrize("board", BOARDS)


@pytest.fixture(scope="module")
def written(fairlead: Fairlead, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a distribution for each board, as the command wrote them."""
    folder = tmp_path_factory.mktemp("new")
    for board, name in PORTS.items():
        ran = fairlead("new", name, "--board", board, cwd=folder)
        assert (ran.stderr, ran.returncode) == ("", 0)
        if board == "virt":
            assert ran.stdout == NEXT
    return folder


@pytest.fixture(scope="module")
def site(written: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What an installer leaves of them: the packages, and their entry points."""
    return installed(written, tmp_path_factory.mktemp("site"))


def installed(written: Path, site: Path) -> Path:
    for name in PORTS.values():
        source = written / f"fairlead-{name}"
        project = tomllib.loads((source / "pyproject.toml").read_text("utf-8"))["project"]
        package = project["name"].replace("-", "_")
        copytree(source / package, site / package)
        info = site / f"{package}-{project['version']}.dist-info"
        info.mkdir()
        points = project["entry-points"]["fairlead"].items()
        (info / "entry_points.txt").write_text("[fairlead]\n" + "".join(f"{k} = {v}\n" for k, v in points))
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
        )
    return site


def test_they_are_found_beside_the_others(fairlead: Fairlead, site: Path) -> None:
    listed = json.loads(fairlead("ports", "--json", env={"PYTHONPATH": str(site)}).stdout)
    ports = {port["name"]: port for port in listed["ports"]}
    assert listed["failures"] == {}
    assert "opensbi" in ports
    for board, name in PORTS.items():
        assert ports[name]["distribution"] == f"fairlead-{name} 0.1.0"
        assert (ports[name]["board"], ports[name]["goarch"]) == (board, BOARDS[board])


@boards
def test_hello_calls_four_hooks_and_the_tour_all(
    fairlead: Fairlead, written: Path, site: Path, examples: Path, tmp_path: Path, board: str
) -> None:
    name, env = PORTS[board], {"PYTHONPATH": str(site)}
    ran = fairlead("run", "--port", name, written / f"fairlead-{name}" / "hello.go", env=env)
    assert (ran.stderr, ran.returncode) == ("", 0)
    assert ran.stdout.startswith("hello, go")
    assert ran.stdout.endswith(f" {BOARDS[board]}\n")
    result = tmp_path / "result.json"
    ran = fairlead("run", "--port", name, f"--result={result}", examples / "tour", env=env)
    assert (ran.stderr, ran.returncode) == ("", 0)
    assert "FAILED" not in ran.stdout
    record = json.loads(result.read_text())
    assert {hook for hook, count in record["hooks"].items() if count} == set(RUNTIME_HOOKS)
    assert record["unknown_calls"] == {}


@boards
def test_some_checks_pass(fairlead: Fairlead, site: Path, board: str) -> None:
    only = [f"--only={pattern}" for pattern in FAST]
    ran = fairlead("check", "--port", PORTS[board], *only, "--json", env={"PYTHONPATH": str(site)})
    report = json.loads(ran.stdout)
    assert (report["ok"], ran.returncode) == (True, 0), ran.stderr
    assert {each["check"].partition(".")[0] for each in report["outcomes"]} == {
        pattern.partition(".")[0] for pattern in FAST
    }


def test_its_own_suite_passes_every_check(written: Path, site: Path) -> None:
    """As the port's author runs it: pytest in the distribution's folder."""
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=written / "fairlead-tug",
        env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout
    from fairlead.testing.checks import every_check

    assert f"{len(every_check()) + 1} passed" in ran.stdout


@boards
def test_a_hook_that_is_missing_is_told_with_who_asked(
    fairlead: Fairlead, written: Path, tmp_path: Path, board: str
) -> None:
    site, name = installed(written, tmp_path), PORTS[board]
    kernel = site / f"fairlead_{name.replace('-', '_')}" / "kernel.py"
    whole = kernel.read_text("utf-8")
    hook = "    @hookimpl\n    def newosproc("
    assert whole.count(hook) == 1
    kernel.write_text(whole.replace(hook, "    def newosproc("), "utf-8")
    only = ("--only=newosproc.ids", "--only=syscall.streams")
    ran = fairlead("check", "--port", name, *only, env={"PYTHONPATH": str(site)})
    assert ran.returncode == 1
    assert f"port {name}: hook newosproc is missing, and was asked newosproc(NewThread(pc=0x" in ran.stdout
    assert "with the guest in runtime.clone (" in ran.stdout
    assert "runtime.newosproc, runtime.newm1; add a method newosproc marked @hookimpl" in ran.stdout
    assert (
        f"{name}: bring-up: 0 of 2 steps, 0 % of 2 checks\n    next: console: syscall.streams" in ran.stdout
    )
    ran = fairlead(
        "run", "--port", name, written / f"fairlead-{name}" / "hello.go", env={"PYTHONPATH": str(site)}
    )
    assert ran.returncode == 125
    assert ran.stderr.startswith(f"fairlead: port {name}: hook newosproc is missing; add a method newosproc ")


@boards
def test_a_hook_that_raises_is_told_with_who_asked(
    fairlead: Fairlead, written: Path, tmp_path: Path, board: str
) -> None:
    site, name = installed(written, tmp_path), PORTS[board]
    kernel = site / f"fairlead_{name.replace('-', '_')}" / "kernel.py"
    answer = "        return self._services.add_thread(thread).id\n"
    whole = kernel.read_text("utf-8")
    assert whole.count(answer) == 1
    kernel.write_text(whole.replace(answer, '        raise KeyError("lost")\n'), "utf-8")
    ran = fairlead(
        "run", "--port", name, written / f"fairlead-{name}" / "hello.go", env={"PYTHONPATH": str(site)}
    )
    assert ran.returncode == 125
    assert ran.stderr.startswith(
        f"fairlead: port {name}: hook newosproc raised KeyError: 'lost', with the guest in "
    )
    assert "runtime.clone (" in ran.stderr
    assert ran.stderr.count("\n") == 1


@boards
def test_an_image_is_its_own_port_s_only(fairlead: Fairlead, written: Path, site: Path, board: str) -> None:
    name, env = PORTS[board], {"PYTHONPATH": str(site)}
    image = written / f"hello.{name}"
    program = written / f"fairlead-{name}" / "hello.go"
    assert fairlead("build", "--port", name, "-o", image, program, env=env).returncode == 0
    ran = fairlead("run", "--port=opensbi", image, env=env)
    assert ran.returncode == 125
    assert f"was built for port {name}" in ran.stderr


@boards
@pytest.mark.parametrize("command", [("ruff", "check"), ("ruff", "format", "--check"), ("mypy",)])
def test_they_are_clean(written: Path, board: str, command: tuple[str, ...]) -> None:
    if find_spec(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed, and no test dependency")
    ran = subprocess.run(
        [sys.executable, "-m", *command, "."],
        cwd=written / f"fairlead-{PORTS[board]}",
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout


def test_an_installer_takes_all_of_it(written: Path, tmp_path: Path) -> None:
    if find_spec("hatchling") is None or find_spec("pip") is None:
        pytest.skip("hatchling and pip have to be there: nothing is fetched")
    words = ("install", "--no-deps", "--no-build-isolation", "--no-index", "--quiet")
    subprocess.run(
        [sys.executable, "-m", "pip", *words, "--target", tmp_path, written / "fairlead-pilot-boat"],
        capture_output=True,
        timeout=300,
        check=True,
    )
    source = written / "fairlead-pilot-boat" / "fairlead_pilot_boat"
    files = {path.relative_to(source) for path in source.rglob("*") if path.is_file()}
    installed = tmp_path / "fairlead_pilot_boat"
    there = {path.relative_to(installed) for path in installed.rglob("*") if path.is_file()}
    assert {path for path in there if path.suffix != ".pyc"} == {
        path for path in files if path.suffix != ".pyc"
    }
    points = next(tmp_path.glob("fairlead_pilot_boat-*.dist-info")) / "entry_points.txt"
    assert "pilot-boat = fairlead_pilot_boat.plugin" in points.read_text()
