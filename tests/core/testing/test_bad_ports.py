"""A port that breaks the contract fails its own checks, by the hook's name, and nobody else's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from testing_wrecks import PROGRAM, installed_wrecks

from fairlead.hooks import RUNTIME_HOOKS
from fairlead.plugins import find_port
from fairlead.testing.check import Check, Outcome
from fairlead.testing.checks import every_check
from fairlead.testing.lab import Lab
from fairlead.testing.runner import Runner
from fairlead.testing.trial import put_on_trial, try_check

pytestmark = pytest.mark.slow

MEMORY = 5300 << 20
"""Bytes of address space: what a run takes, and a little."""

BROKEN = {
    **{f"raises-{hook}": (hook, "raised KeyError: 'lost\\nhold'") for hook in RUNTIME_HOOKS},
    "leaves-handle_trap": ("handle_trap", "raised SystemExit: 0"),
    "leaves-syscall": ("syscall", "raised SystemExit: 0"),
    "silent-newosproc": ("newosproc", "answered None where int is due"),
    "silent-nanotime": ("nanotime", "answered None where int is due"),
    "silent-handle_trap": ("handle_trap", "answered None where Resume is due"),
    "silent-syscall": ("syscall", "answered None where Result or Pending is due"),
    "silent-deliver_signal": ("deliver_signal", "answered None where bool is due"),
    "eats-handle_trap": ("handle_trap", "ran out of the host's memory"),
    "eats-syscall": ("syscall", "ran out of the host's memory"),
    "hoards": ("syscall", "ran out of the host's memory"),
    "zero-id": ("newosproc", "answered 0x0, which is no living thread's id"),
    "no-such-id": ("newosproc", "answered 0x1267, which is no living thread's id"),
    "old-id": ("newosproc", "answered 0x3e8, an older thread's id"),
    "zero-time": ("nanotime", "answered 0, and time is never zero or less"),
    "back-in-time": ("nanotime", "time went backwards"),
    "half-time": ("nanotime", "answered 1e+18 where int is due"),
    "wordy": ("nanotime", "answered 'later\\nlater...ater\\nlater\\n' where int is due"),
    "no-number": ("syscall", "raised TypeError: 'str' object cannot be interpreted as an integer"),
    "no-queues": ("syscall", "raised TypeError: 'NoneType' object is not iterable"),
}
"""Each bad port: the hook that is at fault, and what is said of it."""


def check_of(hook: str) -> Check:
    """The program's run as a check of one hook."""

    def probe(lab: Lab) -> None:
        lab.run().must_say("ok\n")

    return Check(name=f"{hook}.program", hook=hook, sentence="", source="", probe=probe)


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory, fairlead) -> Iterator[Path]:
    """The program, which any of the bad ports can run: its code is Linux'."""
    folder = tmp_path_factory.mktemp("wrecks")
    (folder / "main.go").write_text(PROGRAM)
    with installed_wrecks(folder / "site") as environment:
        image = folder / "program"
        built = fairlead("build", "--port=sound", "-o", image, folder / "main.go", env=environment)
        assert (built.stderr, built.returncode) == ("", 0)
        yield image


@pytest.fixture(scope="module")
def outcomes(image: Path) -> Mapping[str, Outcome]:
    """What comes of all bad ports, tried side by side."""
    runner = Runner(memory=MEMORY)
    with ThreadPoolExecutor(2) as pool:
        trials = {
            name: pool.submit(try_check, find_port(name), check_of(hook), image, runner)
            for name, (hook, _) in {**BROKEN, "sound": ("deliver_signal", "")}.items()
        }
        return {name: trial.result() for name, trial in trials.items()}


@pytest.mark.parametrize("name", BROKEN)
def test_what_a_hook_does_wrong_is_said_with_its_name(name: str, outcomes: Mapping[str, Outcome]) -> None:
    hook, what = BROKEN[name]
    outcome = outcomes[name]
    assert not outcome.passed
    assert outcome.hook == hook
    assert f"port {name}: hook {hook} " in outcome.why
    assert what in outcome.why
    assert "\n" not in outcome.why
    assert "internal error" not in outcome.why


def test_a_sound_port_beside_them_passes(outcomes: Mapping[str, Outcome]) -> None:
    assert outcomes["sound"].why == ""
    assert outcomes["sound"].passed


def test_a_hook_that_never_answers_is_named(image: Path) -> None:
    """All at once: each takes the whole time that a run may take."""
    runner = Runner(seconds=12)
    with ThreadPoolExecutor(len(RUNTIME_HOOKS)) as pool:
        trials = [
            pool.submit(try_check, find_port(f"hangs-{hook}"), check_of(hook), image, runner)
            for hook in RUNTIME_HOOKS
        ]
        for hook, trial in zip(RUNTIME_HOOKS, trials, strict=True):
            outcome = trial.result()
            assert not outcome.passed
            assert f"did not end within its time on the host: it was in hook {hook}" in outcome.why
            assert outcome.host_seconds > 0


def test_the_trials_of_other_ports_go_on(image: Path) -> None:
    (ids,) = (each for each in every_check() if each.name == "newosproc.ids")
    names = ("raises-newosproc", "hangs-newosproc", "sound", "zero-id")
    outcomes = put_on_trial([find_port(name) for name in names], [ids], seconds=12, jobs=2)
    assert [each.port for each in outcomes] == list(names)
    assert [each.passed for each in outcomes] == [False, False, True, False]
    for outcome in outcomes:
        assert outcome.passed or "hook newosproc" in outcome.why
