"""The kit on trial: each fault planted in a port is caught, by the check that names its hook."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from mutant import Mutant, plant
from own_checks import OWN_CHECKS, PROGRAMS

from fairlead.hooks import RUNTIME_HOOKS
from fairlead.plugins import find_port
from fairlead.testing.check import Check
from fairlead.testing.checks import every_check
from fairlead.testing.runner import Runner
from fairlead.testing.trial import GUEST, try_check
from mutants import MUTANTS

pytestmark = pytest.mark.slow

PLANTED = Path(__file__).parent / "planted.py"
CHECKS: Mapping[str, Check] = {each.name: each for each in (*every_check(), *OWN_CHECKS)}
PAIRS = [(mutant, port) for mutant in MUTANTS.values() for port in mutant.ports]
SECONDS = 60.0

Build = Callable[[str, str], Path]


@pytest.fixture(scope="session")
def kit(tmp_path_factory: pytest.TempPathFactory) -> Build:
    """The program that a check runs, built for a port."""
    folder = tmp_path_factory.mktemp("kit")

    def build(check: str, port: str) -> Path:
        program = PROGRAMS.get(check, GUEST)
        image = folder / f"{program.stem}.{port}"
        if not image.exists():
            built = Runner(seconds=900).run(
                "build", f"--port={port}", "-o", str(image), str(program), record=False
            )
            assert built.code == 0, built.last_words
        return image

    return build


def tried(name: str, limit: str) -> Check:
    """A check, with an end to the guest's time if it is given one."""
    check = CHECKS[name]
    return replace(check, options=(*check.options, f"--max-time={limit}")) if limit else check


@pytest.mark.parametrize(("mutant", "port"), PAIRS, ids=[f"{port}: {mutant.name}" for mutant, port in PAIRS])
def test_a_fault_is_caught(mutant: Mutant, port: str, kit: Build) -> None:
    image = kit(mutant.check, port)
    runner = Runner((sys.executable, str(PLANTED), mutant.name), seconds=SECONDS)
    outcome = try_check(find_port(port), tried(mutant.check, mutant.limit), image, runner)
    assert not outcome.passed, f"{mutant.check} does not see it"
    assert outcome.hook == mutant.hook
    assert "internal error" not in outcome.why
    assert "within its time on the host" not in outcome.why
    if not outcome.why.startswith("printed "):
        # The check's part said nothing: was it at work at all, or did the program not even start?
        ran = runner.run("run", f"--port={port}", str(kit("", port)))
        assert (ran.code == 0) is mutant.boots, ran.last_words


@pytest.mark.parametrize(
    ("check", "port", "limit"),
    sorted({(mutant.check, port, mutant.limit) for mutant, port in PAIRS}),
    ids=str,
)
def test_without_a_fault_the_check_passes(check: str, port: str, limit: str, kit: Build) -> None:
    outcome = try_check(find_port(port), tried(check, limit), kit(check, port), Runner(seconds=SECONDS))
    assert outcome.why == ""


def test_there_are_faults_of_every_hook_and_every_port() -> None:
    assert len(MUTANTS) >= 100
    assert {each.hook for each in MUTANTS.values()} == set(RUNTIME_HOOKS)
    assert {port for _, port in PAIRS} == {"akaros", "linux-amd64", "linux-riscv64", "opensbi"}


def test_a_fault_whose_place_is_gone_is_an_error() -> None:
    some = next(iter(MUTANTS.values()))
    for target in (
        "fairlead.services.futex:FutexTable.sleep",
        "fairlead.services.linux.threads:HANDLERS[nap]",
        "fairlead.services.nowhere:Anything.at_all",
    ):
        with pytest.raises((LookupError, ImportError)):
            plant(replace(some, target=target))
