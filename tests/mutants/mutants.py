"""All mutants by name."""

from __future__ import annotations

from dataclasses import replace

import mutants_akaros
import mutants_calls
import mutants_frames
import mutants_memory
import mutants_signals
import mutants_switches
import mutants_threads
import mutants_time
import mutants_traps
import mutants_waits
from mutant import Mutant

__all__ = ["MUTANTS"]

_GROUPS = (
    mutants_threads,
    mutants_time,
    mutants_traps,
    mutants_switches,
    mutants_calls,
    mutants_waits,
    mutants_signals,
    mutants_frames,
    mutants_memory,
    mutants_akaros,
)

MUTANTS: dict[str, Mutant] = {
    each.name: replace(each, hook=each.hook or group.HOOK) for group in _GROUPS for each in group.MUTANTS
}

assert len(MUTANTS) == sum(len(group.MUTANTS) for group in _GROUPS), "two mutants have one name"
