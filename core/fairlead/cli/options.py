"""Options that run, exec and test share, and what their words mean."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from fairlead.errors import UsageError
from fairlead.launch import Settings
from fairlead.port import Mount

__all__ = [
    "COMMON",
    "GuestCommand",
    "command_words",
    "common_options",
    "parse_duration",
    "parse_size",
    "settings_from",
]

Decorated = TypeVar("Decorated", bound=Callable[..., Any])

_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
_SIZE = re.compile(r"(\d+)\s*([kmgt]?)(?:i?b)?", re.IGNORECASE)
_TIMES = {"ns": 1, "us": 10**3, "µs": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}
_TIME = re.compile(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)")
_ALIGNMENT = 2 << 20
_LAST_EPOCH = 9_183_110_400 * 10**9
"""2261-01-01: clocks count nanoseconds in 63 bits, which end in 2262."""
_KINDS = ("all", "hooks", "sched", "traps")


class GuestCommand(click.Command):
    """A command whose first argument ends its options: what follows belongs to the guest."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"context_settings": {"allow_interspersed_args": False}, **kwargs})

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """A flag that may have a value (--strace) takes it after "=" only, never the program's name."""
        options = {name: each for each in self.params if isinstance(each, click.Option) for name in each.opts}
        words: list[str] = []
        rest = iter(args)
        for word in rest:
            option = options.get(word)
            optional = option is not None and not option.is_flag and option.flag_value == ""
            words.append(f"{word}=" if optional else word)
            if not word.startswith("-") or word == "--":
                break
            if option is not None and not (optional or option.is_flag):
                words.extend(each for each in (next(rest, None),) if each is not None)
        return super().parse_args(ctx, [*words, *rest])


def parse_size(text: str) -> int:
    """Bytes: "512M", "4GiB", "65536"."""
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise UsageError(f"{text!r} is not a size", hint="write it as 512M or 4G")
    return int(match[1]) * _UNITS[match[2].lower()]


def parse_duration(text: str) -> int:
    """Nanoseconds, written as Go does: "1.5s", "2m30s", "100ms"."""
    total, end = 0, 0
    for match in _TIME.finditer(text):
        if match.start() != end:
            break
        total += round(float(match[1]) * _TIMES[match[2]])
        end = match.end()
    if not text or end != len(text):
        raise UsageError(f"{text!r} is not a duration", hint="write it as 10s, 1m30s or 250ms")
    return total


def _parse_epoch(text: str) -> int:
    """Nanoseconds since 1970 of a date (ISO 8601, UTC if it does not say) or of seconds since 1970."""
    from datetime import UTC, datetime

    if re.fullmatch(r"[0-9]{1,20}", text):
        epoch = int(text) * 10**9
    else:
        try:
            time = datetime.fromisoformat(text)
        except ValueError:
            raise UsageError(
                f"--epoch {text!r} is not a time",
                hint="write it as 2026-01-01T00:00:00Z or as seconds since 1970",
            ) from None
        time = time if time.tzinfo else time.replace(tzinfo=UTC)
        since = time - datetime(1970, 1, 1, tzinfo=UTC)
        epoch = (since.days * 86_400 + since.seconds) * 10**9 + since.microseconds * 1000
    if not 0 <= epoch < _LAST_EPOCH:
        raise UsageError(
            f"--epoch {text!r} does not fit", hint="from 1970 to 2261, so that it can be counted"
        )
    return epoch


def _parse_mount(text: str) -> Mount:
    host, _, rest = text.partition(":")
    guest, _, mode = rest.partition(":")
    if not host or not guest.startswith("/") or mode not in ("", "ro", "rw"):
        raise UsageError(f"--mount {text!r} cannot be read", hint="write it as HOST:/GUEST or HOST:/GUEST:rw")
    path = Path(host)
    if not path.exists():
        raise UsageError(f"--mount {text!r}: {host} does not exist on the host")
    return Mount(path.resolve(), os.path.normpath(guest), writable=mode == "rw")


def _parse_pair(option: str, text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise UsageError(f"{option} {text!r} cannot be read", hint="write it as NAME=VALUE")
    return key, value


def _parse_environment(texts: Sequence[str]) -> dict[str, str]:
    environment: dict[str, str] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not key:
            raise UsageError(f"--env {text!r} names no variable", hint="write it as NAME=VALUE or NAME")
        if equals:
            environment[key] = value
        elif key in os.environ:
            environment[key] = os.environ[key]
    return environment


def _parse_trace(text: str) -> dict[str, str]:
    names, _, path = text.partition("=")
    kinds = names.split(",")
    for kind in kinds:
        if kind not in _KINDS:
            raise UsageError(f"--trace {kind!r} is no kind of trace", hint=f"kinds: {', '.join(_KINDS)}")
    return dict.fromkeys(kinds, path)


COMMON: tuple[tuple[tuple[str, ...], dict[str, Any]], ...] = (
    (
        ("--env", "env"),
        {
            "multiple": True,
            "metavar": "K[=V]",
            "help": "Set a variable in the guest's environment, or pass the host's on.",
        },
    ),
    (
        ("--mount", "mount"),
        {
            "multiple": True,
            "metavar": "HOST:GUEST[:ro|rw]",
            "help": "Show a host folder or file to the guest, read-only unless :rw.",
        },
    ),
    (
        ("--seed", "seed"),
        {
            "type": int,
            "default": 0,
            "help": "Seed of everything random: the same seed, the same run.",
            "show_default": True,
        },
    ),
    (
        ("--clock", "clock"),
        {
            "type": click.Choice(["virtual", "host"]),
            "default": "virtual",
            "help": "virtual counts the guest's work and skips idling; host is the wall's.",
            "show_default": True,
        },
    ),
    (
        ("--epoch", "epoch"),
        {
            "metavar": "TIME",
            "help": "Real time at power-on, a date or seconds since 1970.  [default: 2026-01-01T00:00:00Z]",
        },
    ),
    (("--memory", "memory"), {"metavar": "SIZE", "help": "Guest RAM, as in 512M.  [default: 4G]"}),
    (
        ("--max-time", "max_time"),
        {
            "metavar": "DURATION",
            "help": "End the guest after so much guest time (250ms, 1m30s), with exit code 124.",
        },
    ),
    (
        ("--set", "set_"),
        {
            "multiple": True,
            "metavar": "KEY=VALUE",
            "help": "An option of the port's own; `fairlead ports` lists them all.",
        },
    ),
    (
        ("--strace", "strace"),
        {
            "is_flag": False,
            "flag_value": "",
            "metavar": "[=FILE]",
            "help": "Show every system call, with guest time and thread; on standard error without =FILE.",
        },
    ),
    (
        ("--trace", "trace"),
        {
            "multiple": True,
            "metavar": "KIND[,KIND][=FILE]",
            "help": (
                "Show traps (what the port says of them), sched (who runs and waits), hooks (every call of "
                "one) or all (with registers); on standard error without =FILE."
            ),
        },
    ),
    (
        ("--timeline", "timeline"),
        {
            "metavar": "FILE",
            "help": (
                "Write what ran when in guest time, as a Chrome trace that https://ui.perfetto.dev opens: "
                "threads on the CPU, traps, system calls, signals, idling."
            ),
        },
    ),
    (
        ("--check", "check"),
        {
            "multiple": True,
            "metavar": "NAME",
            "help": (
                "Have the guest checked as it runs: stacks finds calls with pointers into a stack that Go "
                "has moved. Which checks there are is the port's."
            ),
        },
    ),
    (
        ("--gdb", "gdb"),
        {
            "metavar": "[HOST:]PORT",
            "help": (
                "Hold the program at its first instruction for a debugger (gdb: target remote :PORT). Port 0 "
                "takes a free one; only this host can reach it unless HOST is named."
            ),
        },
    ),
    (
        ("--result", "result"),
        {
            "metavar": "FILE",
            "help": "Write a JSON record of the run: guest time, and hooks, traps and calls counted.",
        },
    ),
    (
        ("--counter", "counter"),
        {
            "type": click.Choice(["auto", "blocks", "instructions"]),
            "default": "auto",
            "help": "What the virtual clock counts; auto takes blocks where the host can.",
        },
    ),
)


def common_options(function: Decorated) -> Decorated:
    """Add the options that run, exec and test share."""
    for names, attributes in reversed(COMMON):
        flags = [name for name in names if name.startswith("-")]
        function = click.option(*flags, names[-1], **attributes)(function)
    return function


def command_words(values: Mapping[str, Any]) -> list[str]:
    """The words that give these option values again, for a command that is started by another."""
    words: list[str] = []
    for names, attributes in COMMON:
        flag, value = names[0], values.get(names[-1])
        if value is None or value == attributes.get("default"):
            continue
        for each in value if attributes.get("multiple") else (value,):
            words.append(f"{flag}={each}")
    return words


def settings_from(
    values: Mapping[str, Any],
    *,
    environment: Mapping[str, str],
    mounts: Sequence[Mount] = (),
    cwd: str = "/",
) -> Settings:
    """The options' values, understood; UsageError for one that cannot be."""
    memory = parse_size(values["memory"]) if values["memory"] is not None else None
    if memory is not None and (memory % _ALIGNMENT or not 64 << 20 <= memory <= 64 << 30):
        raise UsageError(
            f"--memory {values['memory']} cannot be had", hint="take from 64M to 64G, a multiple of 2M"
        )
    if values["gdb"] is not None:
        from fairlead.debug.wire import parse_address

        parse_address(values["gdb"])  # a wrong one is said before anything is built
    files: dict[str, Path | None] = {}
    for option in ("result", "timeline"):
        files[option] = path = Path(values[option]) if values[option] is not None else None
        if path is not None and not path.parent.is_dir():
            raise UsageError(f"--{option} {path}: there is no folder {path.parent}")
    trace: dict[str, str] = {}
    for text in values["trace"]:
        trace.update(_parse_trace(text))
    return Settings(
        environment={**environment, **_parse_environment(values["env"])},
        mounts=(*mounts, *(_parse_mount(text) for text in values["mount"])),
        cwd=cwd,
        seed=values["seed"],
        clock=values["clock"],
        epoch=_parse_epoch(values["epoch"]) if values["epoch"] is not None else None,
        memory=memory,
        max_time=parse_duration(values["max_time"]) if values["max_time"] is not None else None,
        counter=values["counter"],
        options=dict(_parse_pair("--set", text) for text in values["set_"]),
        strace=values["strace"],
        trace=trace,
        check=values["check"],
        result=files["result"],
        timeline=files["timeline"],
        gdb=values["gdb"],
    )
