"""Deadlines, the clock, the timer, waits and the host's wish to stop."""

from __future__ import annotations

import signal
import threading
import time as host_time
from collections.abc import Callable

import pytest
import rv64asm as a
from riscv64_lab import CODE, DATA, FOREIGN, SECOND, Lab

from fairlead.machine import Stop
from fairlead.trap import Trap, TrapKind

TIME = 0x54494D45
MS = 1_000_000
SPIN = a.addi("t0", "t0", 1) + a.j(-4)


def spinning(make_lab: Callable[..., Lab], **options: object) -> Lab:
    lab = make_lab(**options)
    lab.load(SPIN)
    return lab


@pytest.mark.parametrize(("counter", "per_turn"), [("blocks", 4), ("instructions", 2)])
def test_a_deadline_is_met_exactly(make_lab: Callable[..., Lab], counter: str, per_turn: int) -> None:
    lab = spinning(make_lab, counter=counter)
    clock = lab.machine.clock
    assert clock.kind == counter
    start = clock.now()
    assert start > 0
    for turns in (1, 2, 1000, 123_457):
        before = lab.cpu.get("t0")
        assert lab.machine.run(clock.now() + turns * per_turn, lambda trap: False) is Stop.DEADLINE
        assert lab.cpu.get("t0") - before == turns
    assert clock.now() - start == lab.cpu.get("t0") * per_turn
    assert lab.machine.run(clock.now(), lambda trap: False) is Stop.DEADLINE
    assert lab.machine.run(0, lambda trap: False) is Stop.DEADLINE


def test_slices_do_not_show_in_what_the_guest_does(
    make_lab: Callable[..., Lab], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same work in one run, in many short ones, and with other lengths of slices."""
    code = (
        a.li("a0", DATA),
        a.li("s0", 5_000),
        # loop: an atomic, a store, a time read mixed into a sum
        a.amoadd_d("t1", "s0", "a0"), a.ld("t2", 0, "a0"), a.rdtime("t3"), a.add("s1", "s1", "t3"),
        a.sd("s1", 8, "a0"), a.addi("s0", "s0", -1), a.bne("s0", "zero", -24), a.ecall(),
    )  # fmt: skip
    results = set()
    for step, slices in ((SECOND, 4_000_000), (SECOND, 37), (101, 4_000_000), (4, 50)):
        lab = make_lab()
        lab.machine._slice = slices
        monkeypatch.setattr(lab.machine, "_next_slice", lambda units, took: units)
        lab.load(*code)
        while lab.machine.run(lab.machine.clock.now() + step, lambda trap: False) is Stop.DEADLINE:
            pass
        results.add((lab.machine.clock.now(), lab.word(0), lab.word(8), lab.cpu.get("s1")))
    assert len(results) == 1


def test_the_clock_is_right_inside_a_handler(counted_lab: Lab) -> None:
    lab = counted_lab
    lab.load(*[a.nop()] * 10, a.ecall())
    clock = lab.machine.clock
    start = clock.now()
    seen = []

    def on_trap(trap: Trap) -> bool:
        seen.append(clock.now())
        return False

    lab.machine.run(start + SECOND, on_trap)
    assert seen == [start + 100 + (4 if clock.kind == "blocks" else 11)]
    assert clock.now() == seen[0]


def test_charged_time_counts_towards_the_deadline(counted_lab: Lab) -> None:
    lab = counted_lab
    lab.load(a.ecall(), a.j(-4))
    clock = lab.machine.clock
    deadline = clock.now() + 10 * MS
    calls = 0

    def on_trap(trap: Trap) -> bool:
        nonlocal calls
        calls += 1
        clock.charge(MS)
        return True

    assert lab.machine.run(deadline, on_trap) is Stop.DEADLINE
    assert calls == 10
    assert deadline <= clock.now() < deadline + 2 * MS


def test_odd_charges_are_not_lost(counted_lab: Lab) -> None:
    clock = counted_lab.machine.clock
    start = clock.now()
    for _ in range(1000):
        clock.charge(7)
    assert abs(clock.now() - start - 7000) < 4


def test_idle_time_is_skipped(lab: Lab) -> None:
    clock = lab.machine.clock
    hour = 3600 * SECOND
    then = clock.now() + hour
    before = host_time.monotonic()
    assert clock.idle_until(then)
    assert clock.now() == then
    assert clock.idle_until(then - 5)
    assert clock.now() == then, "never backwards"
    assert host_time.monotonic() - before < 60


def test_the_timer_stops_the_run_and_stays_pending(counted_lab: Lab) -> None:
    lab = counted_lab
    lab.load(SPIN)
    machine, clock = lab.machine, lab.machine.clock
    due = clock.now() // 100 + 50
    assert machine.firmware.call(TIME, 0, due) == (0, 0)
    assert machine.pending_interrupt() is None
    assert lab.run() is Stop.INTERRUPT
    assert due * 100 <= clock.now() < due * 100 + 4
    pending = machine.pending_interrupt()
    assert pending == Trap(TrapKind.TIMER, 1 << 63 | 5, lab.cpu.pc)
    assert lab.run() is Stop.INTERRUPT
    assert machine.firmware.call(TIME, 0, (1 << 64) - 1) == (0, 0)
    assert machine.pending_interrupt() is None
    assert lab.run(MS) is Stop.DEADLINE


def test_a_timer_armed_in_a_handler_shortens_the_run(counted_lab: Lab) -> None:
    lab = counted_lab
    lab.load(a.ecall(), SPIN)
    machine = lab.machine
    armed = []

    def on_trap(trap: Trap) -> bool:
        armed.append(machine.clock.now() // 100 + 1000)
        machine.firmware.call(TIME, 0, armed[0])
        return True

    assert machine.run(1 << 60, on_trap) is Stop.INTERRUPT
    assert armed[0] * 100 <= machine.clock.now() < armed[0] * 100 + 4


def test_a_timer_armed_by_the_guest(counted_lab: Lab) -> None:
    lab = counted_lab
    lab.load(
        a.rdtime("a0"), a.addi("a0", "a0", 500), a.li("a7", TIME), a.addi("a6", "zero", 0), a.ecall(), SPIN
    )
    assert lab.run() is Stop.INTERRUPT
    assert lab.cpu.get("a0") == 0
    assert lab.traps == []
    assert 50_000 <= lab.machine.clock.now() < 60_000


def test_a_timer_already_due_stops_at_once(lab: Lab) -> None:
    lab.load(SPIN)
    lab.machine.firmware.call(TIME, 0, 0)
    assert lab.run() is Stop.INTERRUPT
    assert lab.cpu.get("t0") == 0


def test_waiting_for_the_timer_by_wfi(lab: Lab) -> None:
    lab.load(a.wfi(), SPIN)
    due = lab.machine.clock.now() // 100 + 1_000_000
    lab.machine.firmware.call(TIME, 0, due)
    assert lab.run() is Stop.WAIT
    assert lab.machine.clock.idle_until(due * 100)
    assert lab.run() is Stop.INTERRUPT
    assert lab.cpu.pc == CODE + 4


def test_a_shutdown_by_the_guest_ends_the_run(lab: Lab) -> None:
    lab.load(a.li("a7", 0x53525354), a.addi("a6", "zero", 0), a.ecall(), SPIN)
    assert lab.run() is Stop.SHUTDOWN
    assert lab.cpu.get("t0") == 0


def test_a_shutdown_from_the_host_ends_the_next_run(lab: Lab) -> None:
    lab.load(SPIN)
    lab.machine.firmware.call(0x53525354, 0, 0, 0)
    assert lab.run() is Stop.SHUTDOWN
    assert lab.run(MS) is Stop.DEADLINE


def test_time_reads_come_from_the_source_if_there_is_one(lab: Lab) -> None:
    lab.load(a.rdtime("t0"), a.rdtime("t0"), a.rdtime("zero"), a.csrrc("t1", "time", "zero"), a.ecall())
    lab.machine.time_source = lambda: 123_456_700
    lab.until_call()
    assert (lab.cpu.get("t0"), lab.cpu.get("t1")) == (1_234_567, 1_234_567)
    lab.machine.time_source = None
    lab.cpu.pc = CODE
    before = lab.machine.clock.now()
    lab.until_call()
    assert before // 100 <= lab.cpu.get("t0") <= lab.machine.clock.now() // 100


def test_time_reads_follow_changed_code(lab: Lab) -> None:
    """Time reads are remembered by pc, which must not outlive the code there."""
    lab.machine.time_source = lambda: 4200
    for register, code in (("t0", a.rdtime("t0")), ("t1", a.rdtime("t1")), ("t2", a.addi("t2", "zero", 9))):
        lab.load(code, a.ecall())
        for _ in range(3):
            lab.cpu.pc = CODE
            lab.cpu.set(register, 0)
            lab.until_call()
            assert lab.cpu.get(register) == (9 if register == "t2" else 42)
    lab.load(a.csrrw("zero", "time", "zero"))
    assert lab.trap().kind is TrapKind.ILLEGAL


def test_time_reads_follow_changed_mappings(lab: Lab) -> None:
    from fairlead.machine import PAGE_SIZE, Prot

    lab.machine.time_source = lambda: 4200
    lab.load(a.rdtime("t0"), a.ecall())
    for _ in range(2):
        lab.cpu.pc = CODE
        lab.until_call()
    frame = lab.allocate(PAGE_SIZE)
    lab.write(frame, a.rdtime("t1") + a.ecall())
    lab.mmu.map(CODE, frame, PAGE_SIZE, Prot.READ | Prot.EXEC)
    lab.cpu.set("t0", 0)
    lab.cpu.pc = CODE
    lab.until_call()
    assert (lab.cpu.get("t0"), lab.cpu.get("t1")) == (0, 42)


def test_a_stop_requested_before_the_run(lab: Lab) -> None:
    lab.load(SPIN)
    lab.machine.request_stop()
    assert lab.run() is Stop.HOST
    assert lab.run(MS) is Stop.DEADLINE, "a request stops one run"


def test_a_stop_from_a_signal_handler(lab: Lab) -> None:
    lab.load(SPIN)
    previous = signal.signal(signal.SIGALRM, lambda *_: lab.machine.request_stop())
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.02)
        assert lab.machine.run(1 << 60, lambda trap: False) is Stop.HOST
    finally:
        signal.signal(signal.SIGALRM, previous)


@pytest.mark.parametrize("clock", ["virtual", "host"])
@pytest.mark.parametrize("forever", [True, False])
def test_a_stop_ends_idling(make_lab: Callable[..., Lab], clock: str, forever: bool) -> None:
    machine = make_lab(clock=clock).machine
    if clock == "virtual" and not forever:
        machine.request_stop()
    else:
        threading.Timer(0.02, machine.request_stop).start()
    assert machine.clock.idle_until(None if forever else machine.clock.now() + 600 * SECOND) is False
    assert machine.clock.idle_until(machine.clock.now()), "a request stops one wait"


def test_the_hosts_clock(make_lab: Callable[..., Lab]) -> None:
    lab = spinning(make_lab, clock="host")
    clock = lab.machine.clock
    assert clock.kind == "host"
    start = clock.now()
    assert start > 0
    assert lab.run(5 * MS) is Stop.DEADLINE
    assert clock.now() >= start + 5 * MS
    assert lab.cpu.get("t0") > 1000
    then = clock.now() + 3 * MS
    assert clock.idle_until(then)
    assert clock.now() >= then
    due = clock.now() // 100 + 30_000
    lab.machine.firmware.call(TIME, 0, due)
    assert lab.run() is Stop.INTERRUPT
    assert clock.now() >= due * 100


def test_long_runs_of_slow_blocks_still_notice_the_host(lab: Lab) -> None:
    """Slices follow the host's speed: a block may be 2 or 500 instructions."""
    stores = [a.sd("t0", 8 * n, "a0") for n in range(200)]
    lab.load(*stores, a.addi("t0", "t0", 1), a.j(-804))
    lab.cpu.set("a0", DATA)
    assert lab.run(2 * MS) is Stop.DEADLINE
    slow = lab.machine._slice
    lab.load(SPIN)
    assert lab.run(200 * MS) is Stop.DEADLINE
    assert lab.machine._slice > slow


@pytest.mark.parametrize("clock", ["virtual", "host"])
@pytest.mark.parametrize("counter", ["blocks", "instructions"])
@pytest.mark.parametrize("vector", [0, DATA])
def test_a_storm_of_fetch_faults_ends_at_the_deadline(
    make_lab: Callable[..., Lab], clock: str, counter: str, vector: int
) -> None:
    """No instruction runs, so no counter counts: neither with a handler that changes nothing nor with a
    trap vector that cannot be executed."""
    lab = make_lab(clock=clock, counter=counter)
    lab.load(a.jalr("zero", 0, "zero"))
    lab.cpu.set("stvec", vector)
    deadline = lab.machine.clock.now() + MS
    assert lab.machine.run(deadline, lambda trap: True) is Stop.DEADLINE
    assert lab.machine.clock.now() >= deadline


def test_the_foreign_range_is_not_the_firmwares(lab: Lab) -> None:
    assert lab.machine.firmware.call(FOREIGN, 0) == (-2, 0)
