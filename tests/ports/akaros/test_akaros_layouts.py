"""Every structure of Akaros' interface, against what its own headers gave (akaros-abi.json)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fairlead_akaros import abi
from fairlead_akaros.layouts import LAYOUTS

FACTS = json.loads((Path(__file__).parent / "akaros-abi.json").read_text())
STRUCTS = {**FACTS["structs"], **{name: FACTS[name] for name in ("sigaction", "siginfo", "stack_t")}}


@pytest.mark.parametrize("name", STRUCTS)
def test_structure(name: str) -> None:
    expected, layout = STRUCTS[name], LAYOUTS[name]
    assert layout.size == expected["size"]
    assert layout.align == expected.get("align", layout.align)
    got = {field: [layout[field], layout.sizes[field]] for field in layout.offsets}
    if expected["fields"]:
        assert got == expected["fields"]


def test_none_is_left_out() -> None:
    assert set(STRUCTS) == set(LAYOUTS)


@pytest.mark.parametrize("group", ["const", "mman", "open", "event_queue_flags"])
def test_constants(group: str) -> None:
    for name, value in FACTS[group].items():
        if hasattr(abi, name):
            assert getattr(abi, name) in (value, value & 0xFFFF_FFFF_FFFF_FFFF), name


@pytest.mark.parametrize(
    ("group", "table"),
    [("syscalls", abi.Sys), ("events", abi.Ev), ("errno", abi.Errno)],
)
def test_numbers(group: str, table: type) -> None:
    prefix = {"syscalls": "SYS_", "events": "EV_", "errno": ""}[group]
    ours = {prefix + name: int(value) for name, value in table.__members__.items()}
    assert ours.items() <= FACTS[group].items()
    assert group == "errno" or len(ours) == len(FACTS[group])


def test_signal_numbers() -> None:
    from fairlead.signal import Sig

    assert {each.name: each.value for each in Sig}.items() <= FACTS["signals"].items()
