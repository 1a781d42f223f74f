"""The first stack of a program, read back as a program reads it."""

from __future__ import annotations

from pathlib import Path
from struct import pack
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fairlead.errors import LimitError
from fairlead.guest.image import Image, Layout, Segment
from fairlead.machine import Prot
from fairlead.services.linux.start import STACK_SIZE, initial_stack

PHDR, PHENT, PHNUM, PAGESZ, ENTRY, UID, HWCAP, CLKTCK, SECURE, RANDOM, EXECFN = (
    3,
    4,
    5,
    6,
    9,
    11,
    16,
    17,
    23,
    25,
    31,
)


def image(headers_loaded: bool = True) -> Image:
    header = pack("<32xQ16xH6x", 64, 2)
    first = Segment(0x10000, 4096, 0 if headers_loaded else 4096, 4096, Prot.READ)
    layout = Layout("riscv64", 0x11000, (first,))
    return Image(Path("program"), header + bytes(8192), "", layout, None, True)


def strings(desk: Any, at: int) -> tuple[list[bytes], int]:
    """A vector of strings that ends with a null pointer; what follows it."""
    found = []
    while address := desk.memory.read_u64(at):
        found.append(desk.memory.read_cstring(address, 1 << 20))
        at += 8
    return found, at + 8


def read_back(desk: Any, sp: int) -> tuple[list[bytes], list[bytes], dict[int, int]]:
    count = desk.memory.read_u64(sp)
    arguments, at = strings(desk, sp + 8)
    assert len(arguments) == count
    environment, at = strings(desk, at)
    vector = {}
    while key := desk.memory.read_u64(at):
        vector[key] = desk.memory.read_u64(at + 8)
        at += 16
    return arguments, environment, vector


def test_a_program_finds_what_it_was_given(desk: Any) -> None:
    sp = initial_stack(desk.memory, ["prog", "a b", "é\udcff"], {"HOME": "/", "EMPTY": ""}, image(), seed=5)
    assert sp % 16 == 0
    assert sp.bit_length() + 1 == 39  # what runtime.mallocinit takes for Sv39
    arguments, environment, vector = read_back(desk, sp)
    assert arguments == [b"prog", b"a b", b"\xc3\xa9\xff"]
    assert environment == [b"HOME=/", b"EMPTY="]
    expected = {
        PAGESZ: 4096,
        ENTRY: 0x11000,
        UID: 1000,
        CLKTCK: 100,
        SECURE: 0,
        PHDR: 0x10040,
        PHENT: 56,
        PHNUM: 2,
    }
    assert {key: vector[key] for key in expected} == expected
    assert vector[HWCAP] == 0x112D  # IMAFDC
    assert desk.memory.read_cstring(vector[EXECFN], 100) == b"prog"
    assert any(desk.memory.read(vector[RANDOM], 16))
    desk.memory.write(sp - STACK_SIZE // 2, b"room below")


def test_chance_at_the_start_comes_from_the_seed(desk: Any) -> None:
    seen = []
    for seed in (1, 1, 2):
        sp = initial_stack(desk.memory, ["p"], {}, image(), seed=seed)
        seen.append(desk.memory.read(read_back(desk, sp)[2][RANDOM], 16))
        desk.memory.munmap(desk.memory.high - 4096 - STACK_SIZE, STACK_SIZE)
    assert seen[0] == seen[1] != seen[2]


def test_headers_that_are_not_loaded_are_not_told(desk: Any) -> None:
    sp = initial_stack(desk.memory, [], {}, image(headers_loaded=False))
    arguments, environment, vector = read_back(desk, sp)
    assert (arguments, environment) == ([], []) and PHDR not in vector


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    arguments=st.lists(
        st.binary(max_size=50).map(lambda b: b.replace(b"\0", b"").decode("latin-1")), max_size=9
    ),
    values=st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])), max_size=5),
)
def test_any_strings_arrive(desk: Any, arguments: list[str], values: list[str]) -> None:
    environment = {f"K{n}": value for n, value in enumerate(values)}
    sp = initial_stack(desk.memory, arguments, environment, image())
    got = read_back(desk, sp)
    assert sp % 16 == 0
    assert [each.decode() for each in got[0]] == arguments
    assert [each.decode() for each in got[1]] == [f"{k}={v}" for k, v in environment.items()]
    desk.memory.munmap(desk.memory.high - 4096 - STACK_SIZE, STACK_SIZE)


@pytest.mark.parametrize("arguments", [["x" * (128 << 10)], ["x" * 100_000] * 30, [""] * 300_000])
def test_too_much_is_one_clear_line(desk: Any, arguments: list[str]) -> None:
    with pytest.raises(LimitError, match="too long for a program"):
        initial_stack(desk.memory, arguments, {}, image())


def test_no_memory_for_the_stack_is_one_clear_line(desk: Any) -> None:
    desk.memory.mmap(0, desk.memory.frames.free - (8 << 20), 3)
    with pytest.raises(LimitError, match="no memory in the guest"):
        initial_stack(desk.memory, [], {}, image())
