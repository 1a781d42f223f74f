"""The record of one run, as --result writes it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import cattrs

from fairlead.observe.counters import Counters
from fairlead.observe.hooktimes import HookTimes
from fairlead.services.linux.numbers import name_of
from fairlead.system import Exit, System

__all__ = ["SCHEMA", "RunResult", "result_json"]

SCHEMA = "fairlead/run"


@dataclass(frozen=True, slots=True)
class RunResult:
    schema: str
    version: int
    port: str
    board: str
    go: str
    seed: int
    clock: str
    """What counted guest time: "blocks", "instructions" or "host"; times of unlike kinds do not compare."""
    exit_code: int
    signal: int
    guest_time_ns: int
    work: int
    """What the guest executed, in units of `clock`; 0 for "host". Guest time is that, what traps and the like
    are charged with, and idling."""
    hooks: Mapping[str, int]
    traps: Mapping[str, int]
    system_calls: Mapping[str, int]
    unknown_calls: Mapping[str, int]
    hook_host_ns: Mapping[str, int]
    """The host's CPU time in each hook, where it was asked for: alone in this record it differs each run."""


def result_json(system: System, outcome: Exit, counters: Counters, times: HookTimes | None = None) -> str:
    """The run as one JSON document."""
    name = system.port.call_name or partial(name_of, system.machine.cpu.arch)
    record = system.program.image.record
    result = RunResult(
        schema=SCHEMA,
        version=1,
        port=system.port.name,
        board=system.port.board,
        go=record.go_version if record is not None else "",
        seed=system.seed,
        clock=system.machine.clock.kind,
        exit_code=outcome.code,
        signal=outcome.signal,
        guest_time_ns=system.machine.clock.now(),
        work=system.machine.clock.work,
        hooks=dict(sorted(counters.hooks.items())),
        traps=dict(sorted(counters.traps.items())),
        system_calls={name(number): count for number, count in sorted(counters.calls.items())},
        unknown_calls=dict(sorted(system.unknown_calls.items())),
        hook_host_ns=dict(sorted(times.spent.items())) if times is not None else {},
    )
    return json.dumps(cattrs.unstructure(result), indent=2) + "\n"
