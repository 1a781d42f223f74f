"""The commands that the documentation shows: all of them parse, and what a console shows is what happens."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest
from markdown_pages import PAGES, ROOT, Listing, listings, spans

from fairlead.cli.main import cli

_COMMAND = re.compile(r"(?:^|(?<=[\s/(]))fairlead (?=[a-z-])")
_END = re.compile(r"&&|[;|)]|2>|\s>|\s#")
_ELISION = "…"
_ADDRESS = r"\b0x[0-9a-f]{5,}\b"

pages = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
consoles = pytest.mark.parametrize(
    "listing",
    [each for page in PAGES for each in listings(page) if each.kind == "console"],
    ids=lambda listing: listing.where,
)


def commands(text: str) -> list[str]:
    """The fairlead commands in shell text, without what they are redirected or piped to."""
    found = []
    for match in _COMMAND.finditer(text):
        rest = text[match.end() :].replace("\\\n", " ").partition("\n")[0]
        end = _END.search(rest)
        found.append(rest[: end.start()] if end else rest)
    return found


def parse(command: str, *, whole: bool) -> None:
    """Parse without running; what is mentioned in passing (`fairlead run`) need not be whole."""
    words = shlex.split(command)
    try:
        with cli.make_context("fairlead", words) as context:
            name, found, rest = cli.resolve_command(context, words)
            assert found is not None
            found.make_context(name, rest, parent=context)
    except click.exceptions.Exit:
        pass  # --help, --version
    except click.MissingParameter:
        assert not whole, f"fairlead {command} lacks an argument"


def test_a_command_that_is_none_is_noticed() -> None:
    for wrong in ("runn", "run --portt=opensbi x", "build"):
        with pytest.raises((click.UsageError, AssertionError)):
            parse(wrong, whole=True)
    assert commands('x && fairlead run "a;b" | head; $(fairlead env)') == ['run "a', "env"]


@pages
def test_commands_in_listings_parse(page: Path) -> None:
    for listing in listings(page):
        if listing.kind in ("sh", "console"):
            typed = listing.text
            if listing.kind == "console":
                typed = "".join(command for command, _ in session(listing))
            for command in commands(typed):
                parse(command, whole=True)


@pages
def test_commands_in_prose_parse(page: Path) -> None:
    for span in spans(page):
        for command in commands(span):
            parse(command, whole=False)


def session(listing: Listing) -> list[tuple[str, list[str]]]:
    """What is typed after each `$ `, with the lines that answer it."""
    typed: list[tuple[str, list[str]]] = []
    lines = iter(listing.text.splitlines())
    for line in lines:
        if line.startswith("$ "):
            command = line[2:]
            while command.endswith("\\"):
                command = command[:-1] + next(lines).strip()
            typed.append((command + "\n", []))
        else:
            typed[-1][1].append(line)
    return typed


def pattern(shown: list[str]) -> str:
    """What a shown answer stands for: `…` is any text in a line, or any lines; addresses, which depend on the
    names of folders, are only the same where the same is shown."""
    labels: dict[str, str] = {}
    made = ""
    for line in shown:
        if line == _ELISION:
            made += r"(?:.*\n)*"
            continue
        for part in re.split(rf"({_ADDRESS}|{_ELISION})", line.rstrip()):
            if part == _ELISION:
                made += ".*"
            elif part in labels:
                made += rf"(?P={labels[part]})"
            elif re.fullmatch(_ADDRESS, part):
                others = "".join(rf"(?!(?P={label})\b)" for label in labels.values())
                labels[part] = f"address_{len(labels)}"
                made += rf"{others}(?P<{labels[part]}>{_ADDRESS})"
            else:
                made += re.escape(part)
        made += r" *\n"
    return made


def answers(shown: list[str], said: str) -> bool:
    return re.fullmatch(pattern(shown), said) is not None


def test_what_is_shown_stands_for() -> None:
    assert answers(["a", "…", "c"], "a\nb\nb\nc\n")
    assert answers(["…"], "")
    assert answers(["a … c"], "a b c\n")
    assert not answers(["a", "…", "c"], "a\nb\n")
    assert not answers(["a"], "a\nb\n")
    shown = ["at 0x12345", "at 0xabcde", "at 0x12345", "0x12"]
    assert answers(shown, "at 0x77777\nat 0x88888\nat 0x77777\n0x12\n")
    assert not answers(shown, "at 0x77777\nat 0x77777\nat 0x77777\n0x12\n")
    assert not answers(shown, "at 0x77777\nat 0x88888\nat 0x88888\n0x12\n")


@pytest.mark.slow
@consoles
def test_what_a_console_shows_is_what_happens(listing: Listing, skiff: Path, tmp_path: Path) -> None:
    """In the repository's folder, with a /tmp of its own; the contract's page has the example port."""
    shell = f'fairlead() {{ {shlex.quote(sys.executable)} -P -m fairlead "$@"; }}; exec 2>&1\n'
    environment = {**os.environ, "COLUMNS": "80"}
    if listing.page.name == "contract.md":
        environment["PYTHONPATH"] = str(skiff)
    for command, shown in session(listing):
        command = command.replace("/tmp/", f"{tmp_path}/")
        shown = [line.replace("/tmp/", f"{tmp_path}/") for line in shown]
        ran = subprocess.run(
            ["bash", "-c", shell + command], cwd=ROOT, env=environment, capture_output=True, text=True,
            timeout=300, check=False,
        )  # fmt: skip
        assert answers(shown, ran.stdout), f"$ {command}{ran.stdout}"
