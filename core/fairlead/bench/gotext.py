"""Go's benchmark format (golang.org/design/14313-benchmark-format): lines in, lines out."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

__all__ = ["Line", "config_lines", "parse", "result_line"]

_RESULT = re.compile(r"Benchmark(\S*)\s+(\d+)((?:\s+\S+\s+\S+)+)\s*")
_CONFIG = re.compile(r"([a-z][^\sA-Z:]*):(?:[ \t]+(.*))?")
_MOST_DIGITS = 18


class Line(NamedTuple):
    """One result, under the configuration lines above it."""

    name: str
    """Without "Benchmark", with the number of CPUs if it is there ("Sort/n=10-4")."""
    iterations: int
    values: Mapping[str, float]
    """Unit to value: "ns/op", "B/op", …"""
    config: Mapping[str, str]


def parse(text: str) -> Iterator[Line]:
    """The results in a benchmark's output; every line that is none, or no configuration, is passed over."""
    config: dict[str, str] = {}
    for line in text.splitlines():
        match = _RESULT.fullmatch(line)
        if match is not None:
            values = _values(match[3].split())
            if values is not None and len(match[2]) <= _MOST_DIGITS:
                yield Line(match[1], int(match[2]), values, dict(config))
            continue
        match = _CONFIG.fullmatch(line)
        if match is not None:
            config[match[1]] = (match[2] or "").strip()


def _values(words: list[str]) -> dict[str, float] | None:
    """Value, unit, value, unit…; None if that is not what the words are."""
    try:
        found = {unit: float(value) for value, unit in zip(words[::2], words[1::2], strict=True)}
    except ValueError:
        return None
    return found if all(math.isfinite(value) for value in found.values()) else None


def config_lines(config: Mapping[str, str]) -> Iterable[str]:
    return (f"{key}: {value}" for key, value in config.items())


def result_line(name: str, iterations: int, values: Mapping[str, float]) -> str:
    shown = "\t".join(f"{_number(value)} {unit}" for unit, value in values.items())
    return f"Benchmark{name}\t{iterations}\t{shown}"


def _number(value: float) -> str:
    """Six digits, never with an exponent, which readers of the format need not know."""
    if value == int(value) and abs(value) < 1e15:
        return str(int(value))
    digits = max(0, 6 - len(str(int(abs(value)))))
    return f"{value:.{digits}f}"
