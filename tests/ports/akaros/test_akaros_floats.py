"""Floating-point registers that a handler sees, and may change, in a uthread's ancillary state."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fairlead.machine import BoardOptions, Machine
from fairlead.plugins import find_board
from fairlead.services.addressspace import AddressSpace
from fairlead_akaros.abi import BRK_END, ULIM
from fairlead_akaros.layouts import ANCILLARY_STATE, SIGDATA
from fairlead_akaros.parlib.floats import load, saved

_XMM_AT, _MXCSR_AT = 160, 24
"""Offsets in FXSAVE's format."""


class Silent:
    def write(self, data: bytes) -> None:
        raise AssertionError(data)

    def read(self, limit: int) -> bytes | None:
        return None


@pytest.fixture
def machine() -> Iterator[Machine]:
    machine = find_board("pc").build(BoardOptions(console=Silent(), memory=64 << 20))
    yield machine
    machine.close()


def test_registers_are_where_fxsave_has_them(machine: Machine) -> None:
    cpu, memory = machine.cpu, AddressSpace(machine, high=ULIM, base=BRK_END)
    values = [(n + 1) << 120 | n for n in range(16)]
    for n, value in enumerate(values):
        cpu.set(f"xmm{n}", value)
    cpu.set("mxcsr", 0x3F80)
    state = saved(cpu)
    assert len(state) <= ANCILLARY_STATE.size
    assert [
        int.from_bytes(state[at : at + 16], "little") for at in range(_XMM_AT, _XMM_AT + 256, 16)
    ] == values
    assert state[_MXCSR_AT : _MXCSR_AT + 4] == b"\x80\x3f\0\0"

    at = memory.mmap(0, 4096, 3)
    memory.write(at, state)
    memory.write(at + _XMM_AT + 16 * 5, b"\xff" * 16)  # as a handler would
    memory.write(at + _MXCSR_AT, b"\xff" * 4)
    for n in range(16):
        cpu.set(f"xmm{n}", 0)
    load(cpu, memory, at)
    assert [cpu.get(f"xmm{n}") for n in range(16)] == [*values[:5], (1 << 128) - 1, *values[6:]]
    assert cpu.get("mxcsr") == 0xFFFF


def test_the_overlay_finds_it_behind_the_context() -> None:
    from importlib.resources import files

    text = files("fairlead_akaros").joinpath("overlay/files/src/runtime/akaros_linux_amd64.s").read_text()
    assert f"#define ANCILLARY\t{SIGDATA['as']}\n" in text


@pytest.mark.slow
def test_calls_are_injected_into_goroutines(fairlead) -> None:
    ran = fairlead("test", "--port", "akaros", "runtime", "--", "-v", "-run", "^TestDebugCall(GC)?$")
    assert ran.returncode == 0, ran.stdout
    assert ran.stdout.count("--- PASS: ") == 2
