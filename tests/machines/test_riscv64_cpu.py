"""Registers, batches and saved contexts of the riscv64 hart."""

from __future__ import annotations

import pytest
import rv64asm as a
from hypothesis import given, settings
from hypothesis import strategies as st
from riscv64_lab import CODE, DATA, Lab

from fairlead.errors import MachineError
from fairlead_machines.engine.riscv64_registers import GENERAL

ABI = [name for name in a.X if name != "zero"]
FLOATS = [f"f{n}" for n in range(32)]


def test_the_abi_names_are_the_numbered_registers(lab: Lab) -> None:
    for name in ABI:
        lab.cpu.set(name, a.X[name] * 0x0101_0101_0101_0101)
    assert lab.cpu.general() == tuple(n * 0x0101_0101_0101_0101 for n in range(1, 32))
    lab.cpu.set("x8", 88)
    assert lab.cpu.get("s0") == lab.cpu.get("fp") == 88
    for number, name in [
        (0, "ft0"),
        (7, "ft7"),
        (8, "fs0"),
        (10, "fa0"),
        (18, "fs2"),
        (28, "ft8"),
        (31, "ft11"),
    ]:
        lab.cpu.set(f"f{number}", number + 1000)
        assert lab.cpu.get(name) == number + 1000


def test_values_wrap_at_64_bits(lab: Lab) -> None:
    lab.cpu.set("a0", -1)
    assert lab.cpu.get("a0") == (1 << 64) - 1
    lab.cpu.set("a0", 1 << 64 | 5)
    assert lab.cpu.get("a0") == 5
    batch = lab.cpu.batch(["a0", "pc"])
    batch.write([-2, CODE])
    assert tuple(batch.read()) == ((1 << 64) - 2, CODE)


def test_the_zero_register_stays_zero(lab: Lab) -> None:
    assert lab.cpu.get("x0") == lab.cpu.get("zero") == 0
    with pytest.raises(MachineError, match="x0"):
        lab.cpu.set("x0", 1)


@pytest.mark.parametrize("name", ["rax", "", "x32", "mstatus", "A0"])
def test_unknown_registers_are_named(lab: Lab, name: str) -> None:
    context = lab.cpu.save()
    for use in (
        lambda: lab.cpu.get(name),
        lambda: lab.cpu.set(name, 0),
        lambda: lab.cpu.batch([name]),
        lambda: lab.cpu.peek(context, name),
        lambda: lab.cpu.poke(context, name, 0),
    ):
        with pytest.raises(MachineError, match="has no register"):
            use()


def test_control_registers(lab: Lab) -> None:
    cpu = lab.cpu
    assert cpu.get("priv") == 1
    assert cpu.get("sstatus") >> 13 & 3, "the floating-point unit is on"
    assert cpu.get("satp") >> 60 == 8
    for name in ("sscratch", "sepc", "stval", "scause"):
        cpu.set(name, 0x1230)
        assert cpu.get(name) == 0x1230
    cpu.set("fcsr", 0xE1)
    assert (cpu.get("fcsr"), cpu.get("frm"), cpu.get("fflags")) == (0xE1, 7, 1)
    cpu.set("sstatus", 0)
    assert cpu.get("fcsr") == 0
    before = cpu.get("satp")
    cpu.set("satp", 3 << 60 | 5)
    assert cpu.get("satp") == before, "an unknown mode changes nothing"


def test_a_blank_context_is_a_user_threads(lab: Lab) -> None:
    lab.load(a.fld(1, 0, "a0"), a.ecall())
    context = lab.cpu.blank()
    assert all(lab.cpu.peek(context, name) == 0 for name in (*GENERAL, *FLOATS, "pc", "fcsr"))
    lab.cpu.poke(context, "pc", CODE)
    lab.cpu.poke(context, "a0", DATA)
    lab.cpu.poke(context, "a7", 0x0A00_0000)
    lab.cpu.restore(context)
    lab.until_call()


def test_restoring_drops_the_reservation(lab: Lab) -> None:
    lab.load(a.lr_d("t0", "a0"), a.ecall(), a.sc_d("t1", "t0", "a0"), a.ecall())
    lab.cpu.set("a0", DATA)
    lab.until_call()
    lab.until_call()
    assert lab.cpu.get("t1") == 0
    lab.cpu.pc = CODE
    lab.until_call()
    lab.cpu.restore(lab.cpu.save())
    lab.until_call()
    assert lab.cpu.get("t1") == 1


def test_a_context_carries_no_address_space_and_no_time(lab: Lab) -> None:
    lab.load(a.ecall())
    context = lab.cpu.save()
    satp = lab.cpu.get("satp")
    lab.cpu.set("satp", 0)
    then = lab.machine.clock.now()
    lab.machine.clock.charge(1000)
    lab.cpu.restore(context)
    assert lab.cpu.get("satp") == 0
    assert lab.machine.clock.now() == then + 1000
    lab.cpu.set("satp", satp)
    lab.until_call()


def test_user_mode_hides_nothing_from_the_host(lab: Lab) -> None:
    cpu = lab.cpu
    cpu.set("stvec", 0x1230)
    status = cpu.get("sstatus")
    supervisor = cpu.save()
    cpu.set("priv", 0)
    assert cpu.get("stvec") == 0x1230
    cpu.set("sscratch", 99)
    assert cpu.get("sscratch") == 99
    user = cpu.save()
    assert cpu.peek(user, "sstatus") == status
    assert cpu.peek(user, "priv") == 0
    cpu.restore(supervisor)
    assert (cpu.get("priv"), cpu.get("sstatus")) == (1, status)
    cpu.poke(user, "sstatus", status | 1 << 18)
    cpu.restore(user)
    assert cpu.get("priv") == 0
    cpu.restore(user)
    assert cpu.get("sstatus") == status | 1 << 18
    cpu.restore(supervisor)
    assert cpu.get("sstatus") == status


def test_a_context_of_something_else_is_refused(lab: Lab) -> None:
    with pytest.raises(MachineError, match="not a context"):
        lab.cpu.save(object())


values = st.integers(0, (1 << 64) - 1)


@settings(max_examples=30, deadline=None)
@given(general=st.lists(values, min_size=31, max_size=31), floats=st.lists(values, min_size=32, max_size=32))
def test_contexts_keep_everything(general: list[int], floats: list[int]) -> None:
    cpu = _LAB.cpu
    for name, value in zip((*GENERAL, *FLOATS), (*general, *floats), strict=True):
        cpu.set(name, value)
    cpu.set("fcsr", general[0] & 0xFF)
    cpu.pc = general[1]
    context = cpu.save(_LAB_CONTEXT)
    assert context is _LAB_CONTEXT
    for name in (*GENERAL, *FLOATS):
        cpu.set(name, 1)
    cpu.set("fcsr", 0)
    cpu.restore(context)
    assert list(cpu.general()) == general
    assert [cpu.get(name) for name in FLOATS] == floats
    assert (cpu.pc, cpu.get("fcsr")) == (general[1], general[0] & 0xFF)
    assert [cpu.peek(context, name) for name in GENERAL] == general
    cpu.poke(context, "a0", -3)
    cpu.restore(context)
    assert cpu.get("a0") == (1 << 64) - 3


_LAB = Lab()
_LAB_CONTEXT = _LAB.cpu.save()
