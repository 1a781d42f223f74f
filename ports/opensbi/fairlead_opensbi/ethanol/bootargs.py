"""Arguments and environment on their way through the device tree.

`chosen/bootargs` holds them as a kernel command line does: words separated by blanks, where KEY=value is
environment and the rest arguments ("ethanol arg1 arg2 GODEBUG=schedtrace=1"). What such a line cannot carry
(blanks, quotes, an argument with an equals sign, an empty one, great length) travels beside it in two
properties of our own, which then count: a byte 1, then the strings, each ended by NUL.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from fairlead.machine import BoardOptions
from fairlead.port import Program

__all__ = ["describe", "join", "split", "unpack"]

ARGUMENTS = "fairlead,arguments"
ENVIRONMENT = "fairlead,environment"

_MOST = 2048
"""Bytes of bootargs that a boot loader passes on: COMMAND_LINE_SIZE is 512 to 2048 in the kernels about."""


def join(arguments: Sequence[str], environment: Mapping[str, str]) -> str:
    """The command line that says it, as far as one can."""
    return " ".join((*arguments, *(f"{key}={value}" for key, value in environment.items())))


def split(line: str) -> tuple[list[str], dict[str, str]]:
    """Arguments and environment of a command line."""
    arguments: list[str] = []
    environment: dict[str, str] = {}
    for word in line.split():
        key, equals, value = word.partition("=")
        if equals and key:
            environment[key] = value
        else:
            arguments.append(word)
    return arguments, environment


def describe(program: Program, options: BoardOptions) -> BoardOptions:
    """Put a program's arguments and environment into the device tree's /chosen."""
    arguments, environment = list(program.arguments), dict(program.environment)
    line = join(arguments, environment)
    fits = len(_encode(line)) < _MOST and line.isascii() and line.isprintable()
    if fits and split(line) == (arguments, environment):
        return options._replace(bootargs=line)
    pairs = [f"{key}={value}" for key, value in environment.items()]
    properties = {**options.properties, ARGUMENTS: _pack(arguments), ENVIRONMENT: _pack(pairs)}
    return options._replace(bootargs=line if fits else arguments[0] if fits else "", properties=properties)


def unpack(line: str, properties: Mapping[str, bytes]) -> tuple[list[str], dict[str, str]]:
    """Arguments and environment as the guest gets them, from what /chosen says."""
    if ARGUMENTS not in properties:
        return split(line)
    pairs = _strings(properties.get(ENVIRONMENT, b"\1"))
    return _strings(properties[ARGUMENTS]), dict(pair.split("=", 1) for pair in pairs if "=" in pair)


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _pack(strings: Iterable[str]) -> bytes:
    return b"\1" + b"".join(_encode(each) + b"\0" for each in strings)


def _strings(data: bytes) -> list[str]:
    return [each.decode("utf-8", "surrogateescape") for each in data[1:].split(b"\0")[:-1]]
