"""Flags of the go command: quoting, and a port's link flags joined with a user's own."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from fairlead.errors import UsageError

__all__ = ["join", "link_flags", "split", "take_goflags", "take_option"]

# cmd/internal/quoted: a quote counts at the start of a field only, and nothing is escaped.
_FIELD = re.compile(r"""[ \t\r\n]*(?:"([^"]*)"|'([^']*)'|([^"' \t\r\n][^ \t\r\n]*))""")
_PATTERN = re.compile(r"([^-=][^=]*)=(.*)", re.DOTALL)


def split(text: str) -> list[str]:
    """The fields of a flag that holds a list; UsageError for a quote without its end."""
    fields: list[str] = []
    end = 0
    while text[end:].strip(" \t\r\n"):
        match = _FIELD.match(text, end)
        if match is None:
            raise UsageError(f"a quote has no end in {text!r}")
        fields.append(next(group for group in match.groups() if group is not None))
        end = match.end()
    return fields


def join(fields: Iterable[str]) -> str:
    """A flag's list of fields, quoted where needed; UsageError for one that go cannot be given."""
    words: list[str] = []
    for field in fields:
        if field and not re.search(r"[ \t\r\n'\"]", field):
            words.append(field)
        elif "'" not in field:
            words.append(f"'{field}'")
        elif '"' not in field:
            words.append(f'"{field}"')
        else:
            raise UsageError(
                f"the go command cannot be given {field!r}", hint="it holds both kinds of quotes"
            )
    return " ".join(words)


def link_flags(port_flags: Sequence[str], users: Sequence[str]) -> list[str]:
    """The -ldflags for a port's programs with each of a user's values merged in.

    The go command takes the last value whose package pattern matches, so the port's flags stand alone first
    and again in front of each of the user's.
    """
    ours = join(port_flags)
    if not ours:
        return [f"-ldflags={value}" for value in users]
    flags = [f"-ldflags={ours}"]
    for value in users:
        match = _PATTERN.fullmatch(value.strip())
        pattern, rest = (f"{match[1]}=", match[2]) if match else ("", value.strip())
        flags.append(f"-ldflags={pattern}{ours} {rest}".rstrip())
    return flags


def take_option(words: Sequence[str], name: str) -> tuple[list[str], list[str]]:
    """Values of `-name=VALUE`, and the words without them."""
    values: list[str] = []
    rest: list[str] = []
    for word in words:
        flag, equals, value = word.partition("=")
        if equals and flag in (f"-{name}", f"--{name}"):
            values.append(value)
        else:
            rest.append(word)
    return values, rest


def take_goflags(environment: Mapping[str, str]) -> tuple[list[str], dict[str, str]]:
    """The -ldflags values in GOFLAGS, and the changed environment without them.

    A -ldflags on the command line would silently hide them. An overlay of the user's own cannot be joined
    with a port's: UsageError.
    """
    words = split(environment.get("GOFLAGS", ""))
    overlays, _ = take_option(words, "overlay")
    if overlays:
        raise UsageError("GOFLAGS names an -overlay, and a port needs its own", hint="take it out of GOFLAGS")
    values, rest = take_option(words, "ldflags")
    return values, {**environment, "GOFLAGS": join(rest)} if values else dict(environment)
