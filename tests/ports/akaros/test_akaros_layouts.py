"""Every structure of Akaros' interface, against what its own headers gave (akaros-abi.json)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fairlead_akaros import abi
from fairlead_akaros.kernel.wstat import STAT_FIX_LEN_9P, STAT_FIX_LEN_AK
from fairlead_akaros.layouts import FD_TAP_REQ, KDIRENT, LAYOUTS

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


def test_structures_of_which_only_the_headers_speak() -> None:
    """ros/fs.h and ros/fdtap.h."""
    assert (KDIRENT.size, KDIRENT.align) == (280, 8)
    assert KDIRENT.offsets == {"d_ino": 0, "d_off": 8, "d_reclen": 16, "d_type": 18, "d_name": 19}
    assert (FD_TAP_REQ.size, FD_TAP_REQ.align) == (32, 8)
    assert FD_TAP_REQ.offsets == {"fd": 0, "cmd": 4, "filter": 8, "ev_id": 12, "ev_q": 16, "data": 24}


def test_stat_messages() -> None:
    """ns.h: what a message of 9P takes without its strings, and Akaros' own."""
    assert (STAT_FIX_LEN_9P, STAT_FIX_LEN_AK) == (49, 127)


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
