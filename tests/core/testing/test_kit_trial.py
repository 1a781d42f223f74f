"""Trials: every pair gets one outcome, whatever the runs come to."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from fairlead.plugins import find_port
from fairlead.testing.check import GROUPS, Check, CheckFailed, Outcome
from fairlead.testing.checks import every_check
from fairlead.testing.lab import Lab
from fairlead.testing.runner import Runner
from fairlead.testing.trial import put_on_trial, try_check

FAKE = """
import json, pathlib, sys
options = dict(word[2:].split("=", 1) for word in sys.argv if word.startswith("--") and "=" in word)
words = [word for word in sys.argv[1:] if not word.startswith("-")]
if words[0] == "build":
    if options["port"] == "akaros":
        sys.exit("fairlead: no such luck")
    pathlib.Path(words[1]).write_text("image")
else:
    assert pathlib.Path(words[1]).read_text() == "image"
    hooks = {"syscall": 3, "nanotime": 1}
    record = {"hooks": hooks, "guest_time_ns": 5}
    pathlib.Path(options["result"]).write_text(json.dumps(record))
    print("ok" if words[2:] != ["syscall.bad"] else sorted(options))
"""
"""A `fairlead` whose programs print ok, and which cannot build for akaros."""
COMMAND = (sys.executable, "-c", FAKE)


def check(name: str, **settings) -> Check:
    return Check(name=name, hook=name.partition(".")[0], sentence="It holds.", source="here", **settings)


def outcome_of(tmp_path: Path, one: Check) -> Outcome:
    image = tmp_path / "image"
    image.write_text("image")
    return try_check(find_port("opensbi"), one, image, Runner(COMMAND))


def test_what_the_runs_took_is_summed_up(tmp_path: Path) -> None:
    def probe(lab: Lab) -> None:
        for _ in range(2):
            lab.run("syscall.x").must_say("ok\n")

    outcome = outcome_of(tmp_path, check("syscall.x", probe=probe, calls=6))
    assert (outcome.passed, outcome.why, outcome.calls, outcome.guest_time_ns) == (True, "", 6, 10)
    assert outcome.host_seconds > 0
    assert (outcome.check, outcome.hook, outcome.port) == ("syscall.x", "syscall", "opensbi")


def test_a_hook_that_was_not_called_often_enough_fails_the_check(tmp_path: Path) -> None:
    outcome = outcome_of(tmp_path, check("syscall.x", calls=4))
    assert outcome.why == "hook syscall was called 3 times where the trial makes 4 calls or more"
    outcome = outcome_of(tmp_path, check("newosproc.x"))
    assert outcome.why == "hook newosproc was called 0 times where the trial makes 1 calls or more"


def test_what_the_program_found_fails_the_check(tmp_path: Path) -> None:
    outcome = outcome_of(tmp_path, check("syscall.bad", options=("--seed=3",)))
    assert not outcome.passed
    assert outcome.why == """printed "['max-time', 'port', 'result', 'seed']\\n" where 'ok\\n' is due"""


def test_a_probe_says_in_its_own_words_what_is_wrong(tmp_path: Path) -> None:
    def probe(lab: Lab) -> None:
        raise CheckFailed(f"{lab.port.name} is too small")

    assert outcome_of(tmp_path, check("syscall.x", probe=probe)).why == "opensbi is too small"


def test_every_pair_has_an_outcome_in_order() -> None:
    checks = [check("syscall.x"), check("nanotime.x"), check("syscall.bad")]
    told: list[Outcome] = []
    ports = [find_port(name) for name in ("opensbi", "akaros", "linux-amd64")]
    outcomes = put_on_trial(ports, checks, command=COMMAND, tell=told.append)
    assert [(each.port, each.check) for each in outcomes] == [
        (port.name, one.name) for port in ports for one in checks
    ]
    assert sorted(told, key=outcomes.index) == outcomes
    assert [each.passed for each in outcomes] == [True, True, False, False, False, False, True, True, False]
    for each in outcomes[3:6]:
        assert each.why == "the kit's program does not build: no such luck"


def test_nothing_to_try_is_no_outcome() -> None:
    assert put_on_trial([], [check("syscall.x")], command=COMMAND) == []
    assert put_on_trial([find_port("opensbi")], [], command=COMMAND) == []


def test_an_interrupt_comes_out_and_ends_the_rest() -> None:
    def interrupted(outcome: Outcome) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        put_on_trial([find_port("opensbi")], [check("syscall.x")] * 3, command=COMMAND, tell=interrupted)


def test_the_kits_checks_are_told_apart_and_stand_in_their_groups() -> None:
    checks = every_check()
    assert len({each.name for each in checks}) == len(checks)
    assert [each.group for each in checks] == sorted((each.group for each in checks), key=GROUPS.index)
    for each in checks:
        assert each.sentence.endswith("."), each.name
        assert each.source, each.name
        assert each.calls >= 1, each.name
