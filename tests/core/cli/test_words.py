"""What the command says: it fits a terminal of 80 columns, and an error teaches the way out."""

from __future__ import annotations

from collections.abc import Callable
from subprocess import CompletedProcess

import pytest

from fairlead.cli.main import COMMANDS

Fairlead = Callable[..., CompletedProcess[str]]


@pytest.mark.parametrize("command", ["", *sorted(COMMANDS)])
def test_help_fits_a_terminal(fairlead: Fairlead, command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    done = fairlead(*command.split(), "--help")
    assert (done.stderr, done.returncode) == ("", 0)
    assert done.stdout.startswith(f"Usage: fairlead {command}".rstrip())
    assert max(map(len, done.stdout.splitlines())) <= 80


@pytest.mark.parametrize("command", ["ports", "boards"])
def test_lists_fit_a_terminal(fairlead: Fairlead, command: str) -> None:
    lines = fairlead(command).stdout.splitlines()
    assert len(lines) > 3
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["run", "x"], "missing option '--port' (installed: "),
        (["run", "--port=opensbi"], "missing argument 'PROGRAM|IMAGE'; see fairlead run --help"),
        (["run", "--port=opensbi", "./gone"], "./gone: no such file or folder; name a Go package folder"),
        (["run", "--port=opensbi", "--env==x", "x"], "--env '=x' names no variable; write it as NAME=VALUE"),
        (["run", "--port=opensbi", "--memory=3", "x"], "--memory 3 cannot be had; take from 64M to 64G"),
        (["run", "--port=opensbi", "--result=/gone/r", "x"], "--result /gone/r: there is no folder /gone"),
        (["run", "--port=opensbi", "--max-time=3", "x"], "'3' is not a duration; write it as 10s, "),
    ],
)
def test_what_cannot_be_understood(fairlead: Fairlead, arguments: list[str], line: str) -> None:
    done = fairlead(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"fairlead: {line}")
    assert done.stderr.count("\n") == 1


def test_an_option_of_the_port_s_says_what_it_takes(fairlead: Fairlead) -> None:
    for value in ("x", "0", "-1", ""):
        done = fairlead("run", "--port=opensbi", f"--set=lives={value}", "x")
        assert done.returncode == 2
        assert done.stderr.startswith(f"fairlead: --set lives={value}: it must be a number from 1 to 2**40; ")
