"""A user's go command line, made to build for a port and to run there."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass

from fairlead.errors import UsageError
from fairlead.guest.flags import join, link_flags
from fairlead.port import Port

__all__ = ["COMMANDS", "adapt", "runner"]

COMMANDS = ("build", "install", "list", "run", "test", "vet")
"""The go commands that build guest code; all others are about the host."""

_LINK = ("build", "install", "run", "test")
_EXEC = ("run", "test")
_OURS = ("exec", "ldflags", "overlay")
# Flags without a value (`go help build`, `testflag`, `list`, `vet`): the word after one is not its value.
_BOOLEAN = frozenset((
    "a", "artifacts", "asan", "benchmem", "buildvcs", "c", "compiled", "cover", "deps", "diff", "e", "export",
    "failfast", "find", "fix", "fullpath", "json", "linkshared", "m", "modcacherw", "msan", "n", "race",
    "retracted", "short", "test", "trimpath", "u", "v", "versions", "work", "x",
))  # fmt: skip
# Flags whose value, as a word of its own, may begin with a dash.
_DASHED = frozenset(("asmflags", "gcflags", "gccgoflags", "toolexec", *_OURS))


def runner(port: Port, build_hash: str, options: Sequence[str] = ()) -> str:
    """The value of -exec; `build_hash` makes go forget results that other versions of us have given."""
    words = [
        sys.executable,
        "-P",
        "-m",
        "fairlead",
        "exec",
        f"--port={port.name}",
        f"--build-hash={build_hash}",
    ]
    return join([*words, *options])


@dataclass(slots=True)
class _Line:
    """A go command line taken apart: what is left of it, and the flags that are ours to give."""

    words: list[str]
    link: list[str]
    executes: bool = False


def adapt(
    words: Sequence[str],
    port: Port,
    overlay: Sequence[str],
    run_by: str,
    users_link: Sequence[str] = (),
    *,
    vets: bool = True,
) -> list[str]:
    """The words after `go`, with overlay, -exec and link flags added where the command takes them.

    Unless it `vets`, go test leaves vet out where the user does not ask for it.

    A user's -ldflags (and `users_link`, from GOFLAGS) are joined with the port's, an -exec of the user's own
    is kept; an -overlay of the user's own is a UsageError.
    """
    front, rest = _folder_flag(words)
    if not rest or rest[0] not in COMMANDS:
        return list(words)
    command = rest[0]
    folder, rest = _folder_flag(rest[1:])  # go wants -C in front of all other flags
    line = _take(command, rest, [*users_link])
    added = list(overlay)
    if command in _LINK:
        added += link_flags(port.guest.link_flags, line.link)
    if command in _EXEC and not line.executes:
        added.append(f"-exec={run_by}")
    if command == "test" and not vets:
        added.append("-vet=off")
    return [*front, command, *folder, *added, *line.words]


def _folder_flag(words: Sequence[str]) -> tuple[list[str], list[str]]:
    if words and words[0] in ("-C", "--C"):
        return list(words[:2]), list(words[2:])
    if words and words[0].startswith(("-C=", "--C=")):
        return [words[0]], list(words[1:])
    return [], list(words)


def _take(command: str, words: Sequence[str], link: list[str]) -> _Line:
    line = _Line([], link)
    at = 0
    while at < len(words):
        word = words[at]
        if not word.startswith("-") or word in ("-", "--"):
            if command != "test":  # what follows a package belongs to the program; go test takes flags there
                break
            line.words.append(word)
            at += 1
            continue
        name, equals, value = word.removeprefix("-").removeprefix("-").partition("=")
        if name == "args":
            break
        at += 1
        apart = not equals and at < len(words) and _has_value(name, words[at])
        if name in _OURS and (equals or apart) and (name != "ldflags" or command in _LINK):
            _ours(line, name, words[at] if apart else value, word)
        else:
            line.words += [word, words[at]] if apart else [word]
        at += apart
    line.words += words[at:]
    return line


def _has_value(name: str, following: str) -> bool:
    return name in _DASHED or (name not in _BOOLEAN and not following.startswith("-"))


def _ours(line: _Line, name: str, value: str, word: str) -> None:
    if name == "overlay":
        raise UsageError(
            f"{word}: a port needs its own overlay", hint="put your files in a copy of the module"
        )
    if name == "ldflags":
        line.link.append(value)
    else:
        line.executes = True
        line.words.append(f"-exec={value}")
