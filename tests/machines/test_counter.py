"""Which counter a host gets, and that counters stop where they say."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest
import rv64asm as a
from hypothesis import given, settings
from hypothesis import strategies as st
from riscv64_lab import DATA, Lab

from fairlead.errors import MachineError
from fairlead.machine import Stop
from fairlead_machines.engine import counter as module


def pretend(monkeypatch: pytest.MonkeyPatch, machine: str, system: str) -> None:
    real = os.uname()
    host = os.uname_result((system, real.nodename, real.release, real.version, machine))
    monkeypatch.setattr(os, "uname", lambda: host)


def test_hosts_without_native_code_count_instructions(
    make_lab: Callable[..., Lab], monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend(monkeypatch, "s390x", "Linux")
    assert make_lab().machine.clock.kind == "instructions"
    with pytest.raises(MachineError, match="s390x"):
        make_lab(counter="blocks")


@pytest.mark.parametrize(
    ("machine", "system", "start"),
    [
        ("x86_64", "Linux", "48897108"),
        ("amd64", "FreeBSD", "48897108"),
        ("aarch64", "Linux", "610400f9"),
        ("arm64", "Darwin", None),
    ],
)
def test_native_code_by_host(
    monkeypatch: pytest.MonkeyPatch, machine: str, system: str, start: str | None
) -> None:
    pretend(monkeypatch, machine, system)
    code = module.counting_callback(0x1122334455667788)
    if start is None:
        assert code is None
    else:
        assert code is not None
        assert code.hex().startswith(start) and "8877665544332211" in code.hex()


def test_atomics_are_done_once_however_often_the_run_stops(counted_lab: Lab) -> None:
    lab = counted_lab
    lab.load(a.amoadd_d("t1", "t0", "a0"), a.addi("t2", "t2", 1), a.bne("t2", "s0", -8), a.ecall())
    lab.cpu.set("a0", DATA)
    lab.cpu.set("t0", 1)
    lab.cpu.set("s0", 3000)
    stops = 0
    while lab.machine.run(lab.machine.clock.now() + 7, lambda trap: False) is Stop.DEADLINE:
        stops += 1
    assert stops > 1000
    assert (lab.word(), lab.cpu.get("t2")) == (3000, 3000)


def test_reservations_survive_stops(counted_lab: Lab) -> None:
    """A store-conditional must not fail because the host looked after its own affairs."""
    lab = counted_lab
    lab.load(
        a.lr_d("t0", "a0"), a.addi("t0", "t0", 1), a.j(4), a.sc_d("t1", "t0", "a0"),
        a.add("t3", "t3", "t1"), a.addi("t2", "t2", 1), a.bne("t2", "s0", -24), a.ecall(),
    )  # fmt: skip
    lab.cpu.set("a0", DATA)
    lab.cpu.set("s0", 500)
    while lab.machine.run(lab.machine.clock.now() + 3, lambda trap: False) is Stop.DEADLINE:
        pass
    assert (lab.word(), lab.cpu.get("t3")) == (500, 0)


steps = st.lists(
    st.one_of(
        st.tuples(st.just("run"), st.integers(0, 2000)),
        st.tuples(st.just("charge"), st.integers(0, 5000)),
        st.tuples(st.just("idle"), st.integers(-1000, 5000)),
        st.tuples(st.just("arm"), st.integers(0, 100)),
        st.tuples(st.just("switch"), st.just(0)),
    ),
    max_size=40,
)


@settings(max_examples=40, deadline=None)
@given(steps)
def test_time_never_goes_back(sequence: list[tuple[str, int]]) -> None:
    lab = _LAB
    machine, clock = lab.machine, lab.machine.clock
    other = lab.cpu.save()
    last = clock.now()
    seen = []

    def on_trap(trap: object) -> bool:
        seen.append(clock.now())
        clock.charge(len(seen) % 9)
        return len(seen) % 5 != 0

    for action, value in sequence:
        before = clock.now()
        if action == "run":
            stop = machine.run(before + value, on_trap)
            assert stop in (Stop.DEADLINE, Stop.HANDLER, Stop.INTERRUPT)
            assert clock.now() <= max(before + value, before) + 200
        elif action == "charge":
            clock.charge(value)
            assert abs(clock.now() - before - value) < 4
        elif action == "idle":
            clock.idle_until(before + value)
            assert clock.now() == max(before, before + value)
        elif action == "arm":
            machine.firmware.call(0x54494D45, 0, before // 100 + value)
        else:
            other = lab.cpu.save(other)
            lab.cpu.restore(other)
            assert clock.now() == before
        assert sorted(seen) == seen
        assert clock.now() >= last
        last = clock.now()
    machine.firmware.call(0x54494D45, 0, -1)


_LAB = Lab()
_LAB.load(a.addi("t0", "t0", 1), a.ecall(), a.rdtime("t1"), a.j(-12))
