"""A machine made for a program in user mode: nothing of S-mode is in its reach, and all traps come out."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import rv64asm as a
from riscv64_lab import CODE, DATA, NOWHERE, Lab

from fairlead.machine import Prot, Stop
from fairlead.trap import TrapKind


@pytest.fixture
def user(make_lab: Callable[..., Lab]) -> Lab:
    return make_lab(user=True)


@pytest.mark.parametrize("number", [0, 1, 2, 8, 0x10, 0x5449_4D45, 0x5352_5354, 0x0A00_0000])
def test_no_call_is_the_firmware_s(user: Lab, number: int) -> None:
    user.load(a.ecall())
    for register, value in (("a7", number), ("a6", 0), ("a0", ord("x"))):
        user.cpu.set(register, value)
    trap = user.trap()
    assert (trap.kind, trap.cause, trap.pc, user.cpu.pc) == (TrapKind.SYSCALL, 8, CODE, CODE + 4)
    assert [user.cpu.get(name) for name in ("a7", "a6", "a0")] == [number, 0, ord("x")]
    assert user.wire.sent == b""


@pytest.mark.parametrize(
    "code",
    [
        *(a.csrrs("t0", name, "zero") for name in ("sstatus", "stvec", "satp", "sie", "sepc", "mstatus")),
        a.csrrw("zero", "stvec", "t0"),
        a.csrrw("zero", "satp", "t0"),
        a.sfence_vma(),
        a.sret(),
        a.wfi(),
    ],
)
def test_what_belongs_to_the_kernel_is_illegal(user: Lab, code: bytes) -> None:
    user.load(code)
    user.cpu.set("t0", CODE)
    trap = user.trap()
    assert (trap.kind, trap.pc, user.cpu.pc) == (TrapKind.ILLEGAL, CODE, CODE)
    assert user.cpu.get("stvec") == 0
    assert user.cpu.get("priv") == 0


def test_faults_in_user_pages_come_out_with_their_address(user: Lab) -> None:
    for code, kind, address in (
        (a.sd("t0", 0, "t1"), TrapKind.STORE_FAULT, CODE),
        (a.ld("t0", 0, "t1"), TrapKind.LOAD_FAULT, NOWHERE),
        (a.jalr("zero", 0, "t1"), TrapKind.FETCH_FAULT, DATA),
    ):
        user.load(code)
        user.cpu.set("t1", address)
        trap = user.trap()
        assert (trap.kind, trap.address) == (kind, address)


@pytest.mark.parametrize("code", [a.ebreak(), a.c_ebreak()])
def test_breakpoints(user: Lab, code: bytes) -> None:
    user.load(code)
    trap = user.trap()
    assert (trap.kind, trap.pc, user.cpu.pc) == (TrapKind.BREAKPOINT, CODE, CODE)


def test_supervisor_pages_are_out_of_reach(user: Lab, lab: Lab) -> None:
    """The tables have U set for a program only; a kernel could not run from such pages."""
    user.load(a.ecall())
    user.mmu.protect(CODE, 0x4000, Prot.READ | Prot.EXEC)
    assert user.trap().kind is TrapKind.SYSCALL
    lab.load(a.ecall())
    lab.cpu.set("priv", 0)
    assert lab.trap().kind is TrapKind.FETCH_FAULT


def test_time_and_counters_are_read_in_place(user: Lab) -> None:
    user.load(a.rdtime("t0"), a.rdcycle("t1"), a.j(-8))
    assert user.run(100_000) is Stop.DEADLINE
    assert 0 < user.cpu.get("t0") * 100 <= user.machine.clock.now()
    assert 0 < user.cpu.get("t1") <= user.machine.clock.now()
    user.machine.time_source = lambda: 123_456_700
    user.cpu.pc = CODE
    user.run(100_000)
    assert user.cpu.get("t0") == 1_234_567
    assert user.traps == []


def test_the_timer_stops_a_loop(user: Lab) -> None:
    user.load(a.j(0))
    user.machine.arm_timer(50_000)
    assert user.run() is Stop.INTERRUPT
    trap = user.machine.pending_interrupt()
    assert trap is not None
    assert (trap.kind, trap.pc) == (TrapKind.TIMER, CODE)
    assert 50_000 <= user.machine.clock.now() < 60_000
    user.machine.arm_timer(None)
    assert user.machine.pending_interrupt() is None
    assert user.run(50_000) is Stop.DEADLINE


def test_threads_are_switched_with_their_floats_and_stay_in_user_mode(user: Lab) -> None:
    user.load(a.fld(1, 0, "t1"), a.ecall(), a.fsd(1, 8, "t1"), a.sret())
    cpu = user.cpu
    contexts = []
    for number in range(3):
        context = cpu.blank()
        assert cpu.peek(context, "priv") == 0
        cpu.poke(context, "pc", CODE)
        cpu.poke(context, "t1", DATA + 16 * number)
        contexts.append(context)
        user.write(user.data_frame + 16 * number, (number + 7).to_bytes(8, "little"))
    for context in contexts:
        cpu.restore(context)
        assert user.trap().kind is TrapKind.SYSCALL
        cpu.save(context)
    for context in contexts:
        cpu.restore(context)
        assert cpu.get("priv") == 0
        assert user.trap().kind is TrapKind.ILLEGAL
    assert [user.word(16 * number + 8) for number in range(3)] == [7, 8, 9]
