"""Deadlines, the clock, the timer and exact stops on the `pc` board."""

from __future__ import annotations

import signal
from collections.abc import Callable

import pytest
from riscv64_lab import Lab
from x86_64_lab import CODE, DATA, SECOND, STACK, PcLab

from fairlead.errors import MachineError
from fairlead.machine import Prot, Stop
from fairlead.trap import Trap, TrapKind

MS = 1_000_000
SPIN = "48ffc0 ebfb"  # inc rax; jmp
INCREMENT = "48ff07 ebfb"  # inc qword [rdi]; jmp


def nothing(trap: Trap) -> bool:
    raise AssertionError(trap)


@pytest.mark.parametrize(("counter", "per_turn"), [("blocks", 4), ("instructions", 2)])
def test_a_deadline_is_met_exactly(make_pc: Callable[..., PcLab], counter: str, per_turn: int) -> None:
    lab = make_pc(counter=counter)
    lab.load(SPIN)
    clock = lab.machine.clock
    assert clock.kind == counter
    start = clock.now()
    assert start > 0
    for turns in (1, 2, 1000, 123_457):
        before = lab.cpu.get("rax")
        assert lab.machine.run(clock.now() + turns * per_turn, nothing) is Stop.DEADLINE
        assert lab.cpu.get("rax") - before == turns
    assert clock.now() - start == lab.cpu.get("rax") * per_turn
    assert lab.machine.run(clock.now(), nothing) is Stop.DEADLINE


@pytest.mark.parametrize(("counter", "per_turn"), [("blocks", 1), ("instructions", 2)])
def test_work_is_what_the_guest_has_executed(
    make_pc: Callable[..., PcLab], counter: str, per_turn: int
) -> None:
    """Neither what was charged nor what was idled away."""
    lab = make_pc(counter=counter)
    lab.load(SPIN)
    clock = lab.machine.clock
    assert clock.work == 0
    for charge, idle in ((0, 0), (1000, 0), (3, 500), (0, 7 * SECOND)):
        clock.charge(charge)
        clock.idle_until(clock.now() + idle)
        lab.machine.run(clock.now() + 400, nothing)
        assert clock.work == lab.cpu.get("rax") * per_turn > 0


@pytest.mark.parametrize("counter", ["blocks", "instructions"])
def test_traps_and_time_reads_are_charged_and_are_no_work(
    make_pc: Callable[..., PcLab], counter: str
) -> None:
    lab = make_pc(counter=counter)
    lab.load("0f31 48ffc1 cd30 ebf7")  # rdtsc; inc rcx; int 0x30; jmp
    clock = lab.machine.clock

    def turns(count: int) -> int:
        before = clock.work
        lab.machine.run(clock.now() + SECOND, lambda trap: lab.cpu.get("rcx") % count != 0)
        return clock.work - before

    turns(10)
    spent = clock.now()
    work = turns(10)
    assert 0 < work <= 60
    assert work == turns(10) == turns(10)
    assert clock.now() - spent > 3 * work * 4


def test_the_hosts_clock_counts_no_work(make_pc: Callable[..., PcLab]) -> None:
    lab = make_pc(clock="host")
    lab.load(SPIN)
    lab.machine.run(lab.machine.clock.now() + MS, nothing)
    assert lab.machine.clock.work == 0


@pytest.mark.parametrize("counter", ["blocks", "instructions"])
def test_stops_do_not_split_instructions(make_pc: Callable[..., PcLab], counter: str) -> None:
    """An increment in memory is done once however often the run is cut; facts count 271 lost in 300 stops."""
    lab = make_pc(counter=counter)
    per_turn = 4 if counter == "blocks" else 2
    lab.load(INCREMENT)
    lab.cpu.set("rdi", DATA)
    clock = lab.machine.clock
    start = clock.now()
    for slices in range(3000):
        step = (slices * 7 % 50 + 1) * per_turn
        assert lab.machine.run(clock.now() + step, nothing) is Stop.DEADLINE
    assert lab.word() == (clock.now() - start) // per_turn


def test_stops_between_the_steps_of_a_repetition(pc: PcLab) -> None:
    pc.load("f348ab cd30")
    for step in (4, 12, 1000):
        pc.cpu.pc = CODE
        pc.cpu.set("rdi", DATA)
        pc.cpu.set("rcx", 1024)
        pc.cpu.set("rax", step)
        runs = 0
        while pc.machine.run(pc.machine.clock.now() + step, lambda trap: False) is Stop.DEADLINE:
            runs += 1
            assert pc.cpu.get("rdi") + 8 * pc.cpu.get("rcx") == DATA + 8192
        assert runs >= 1024 * 4 // step - 1
        assert pc.word(DATA) == pc.word(DATA + 8184) == step


# A loop with a call, memory, SSE, a time read, a system call and a branch that depends on memory.
MIXED = (
    "b9d0070000"  # mov ecx, 2000
    "e80c000000"  # loop: call +12
    "0f31 4801c3"  # rdtsc; add rbx, rax
    "cd30"
    "ffc9 75f0"  # dec ecx; jnz loop
    "cd31"
    "f0480fc11f"  # lock xadd [rdi], rbx
    "f20f58c1"  # addsd xmm0, xmm1
    "f60701 7404"  # test byte [rdi], 1; jz +4
    "48ff4708"  # inc qword [rdi+8]
    "c3"
)


def run_mixed(lab: PcLab, step: int, slices: int) -> tuple[object, ...]:
    lab.machine._slice = slices
    lab.machine._next_slice = lambda units, took: units
    lab.load(MIXED)
    lab.cpu.set("rdi", DATA)
    lab.cpu.set("xmm1", 0x3FB9_9999_9999_999A)
    times: list[int] = []

    def on_trap(trap: Trap) -> bool:
        times.append(lab.machine.clock.now())
        return trap.cause != 0x31

    while lab.machine.run(lab.machine.clock.now() + step, on_trap) is Stop.DEADLINE:
        pass
    assert len(times) == 2001
    return (tuple(times), lab.cpu.general(), lab.cpu.get("xmm0"), lab.word(), lab.word(DATA + 8))


@pytest.mark.parametrize("counter", ["blocks", "instructions"])
def test_slices_do_not_show_in_what_the_guest_does(make_pc: Callable[..., PcLab], counter: str) -> None:
    """The same work in one run, in many short ones, and with other lengths of slices."""
    results = {
        run_mixed(make_pc(counter=counter), step, slices)
        for step, slices in ((SECOND, 4_000_000), (SECOND, 37), (101, 4_000_000), (1000, 50))
    }
    assert len(results) == 1


def test_translating_anew_does_not_show(make_pc: Callable[..., PcLab]) -> None:
    """The count of blocks does not depend on what is translated or chained already."""
    first, second = make_pc(), make_pc()
    expected = run_mixed(first, SECOND, 4_000_000)
    flush = second.machine.unicorn.flush_blocks
    second.machine.arm_timer(None)
    charge = second.machine._charge

    def flushing(nanoseconds: int) -> None:
        flush()
        charge(nanoseconds)

    second.machine._charge = flushing
    assert run_mixed(second, SECOND, 4_000_000) == expected


def test_traps_and_charges_count_towards_the_deadline(counted_pc: PcLab) -> None:
    lab = counted_pc
    lab.load("cd30 ebfc")
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


@pytest.mark.parametrize("code", ["cd30", "0f05", "0f0b", "fa", "488b00"])
def test_the_clock_is_right_inside_a_handler(counted_pc: PcLab, code: str) -> None:
    lab = counted_pc
    lab.load("90" * 10, code)
    lab.cpu.set("rax", 0)
    start = lab.machine.clock.now()
    seen = []

    def on_trap(trap: Trap) -> bool:
        seen.append(lab.machine.clock.now())
        return False

    lab.machine.run(start + SECOND, on_trap)
    assert seen == [start + 100 + (4 if lab.machine.clock.kind == "blocks" else 11)]
    assert lab.machine.clock.now() == seen[0]


def test_the_timer_stops_the_run_and_stays_pending(counted_pc: PcLab) -> None:
    lab = counted_pc
    lab.load(SPIN)
    machine, clock = lab.machine, lab.machine.clock
    due = clock.now() + 5000
    machine.arm_timer(due)
    assert machine.pending_interrupt() is None
    assert lab.run() is Stop.INTERRUPT
    assert due <= clock.now() < due + 4
    assert machine.pending_interrupt() == Trap(TrapKind.TIMER, 32, lab.cpu.pc)
    assert lab.run() is Stop.INTERRUPT
    machine.arm_timer(clock.now() + 1000)
    assert machine.pending_interrupt() is None
    assert lab.run(500) is Stop.DEADLINE
    machine.arm_timer(None)
    assert machine.pending_interrupt() is None
    assert lab.run(MS) is Stop.DEADLINE


@pytest.mark.parametrize("code", ["cd30", "0f05", "0f0b"])
def test_a_timer_armed_in_a_handler_shortens_the_run(counted_pc: PcLab, code: str) -> None:
    lab = counted_pc
    lab.load(code, SPIN)
    due = []

    def on_trap(trap: Trap) -> bool:
        due.append(lab.machine.clock.now() + 10_000)
        lab.machine.arm_timer(due[0])
        lab.cpu.pc = CODE + 2
        return True

    assert lab.machine.run(1 << 60, on_trap) is Stop.INTERRUPT
    assert due[0] <= lab.machine.clock.now() < due[0] + 4
    assert lab.cpu.get("rax") > 100


def test_a_timer_in_the_past_is_due_at_once(pc: PcLab) -> None:
    pc.load(SPIN)
    pc.machine.arm_timer(0)
    assert pc.run() is Stop.INTERRUPT
    assert pc.cpu.get("rax") == 0


def test_both_boards_arm_their_timer_alike(lab: Lab, pc: PcLab) -> None:
    """By `arm_timer`, seen by `pending_interrupt`, whatever the guest does."""
    lab.load(bytes.fromhex("6f000000"))
    pc.load("ebfe")
    for machine in (lab.machine, pc.machine):
        for ahead in (100, 12_345):
            due = machine.clock.now() + ahead
            machine.arm_timer(due)
            assert machine.run(1 << 60, nothing) is Stop.INTERRUPT
            assert due <= machine.clock.now() < due + 4
            pending = machine.pending_interrupt()
            assert pending is not None and pending.kind is TrapKind.TIMER
        machine.arm_timer(None)
        assert machine.pending_interrupt() is None
        machine.arm_timer(machine.clock.now() + MS)
        assert machine.clock.idle_until(machine.clock.now() + 2 * MS)
        assert machine.pending_interrupt() is not None, "idle time counts"


def test_a_timer_while_blocks_across_pages_are_walked(pc: PcLab) -> None:
    pc.load("90" * 200 + "b8", at=CODE + 0x4000 - 201)
    pc.machine.arm_timer(pc.machine.clock.now() + 50)
    assert pc.run() is Stop.HANDLER
    assert (pc.traps[-1].kind, pc.traps[-1].pc) == (TrapKind.FETCH_FAULT, CODE + 0x3FFF)
    assert pc.machine.pending_interrupt() is not None


def test_a_stop_requested_before_and_during_a_run(pc: PcLab) -> None:
    pc.load(SPIN)
    pc.machine.request_stop()
    assert pc.run() is Stop.HOST
    assert pc.run(MS) is Stop.DEADLINE, "a request stops one run"
    previous = signal.signal(signal.SIGALRM, lambda *_: pc.machine.request_stop())
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.02)
        assert pc.machine.run(1 << 60, nothing) is Stop.HOST
    finally:
        signal.signal(signal.SIGALRM, previous)


def test_the_hosts_clock(make_pc: Callable[..., PcLab]) -> None:
    lab = make_pc(clock="host")
    lab.load(SPIN)
    clock = lab.machine.clock
    assert clock.kind == "host"
    start = clock.now()
    assert lab.run(5 * MS) is Stop.DEADLINE
    assert clock.now() >= start + 5 * MS
    due = clock.now() + 3 * MS
    lab.machine.arm_timer(due)
    assert lab.run() is Stop.INTERRUPT
    assert clock.now() >= due
    lab.machine.arm_timer(None)
    lab.load("ec")
    assert lab.trap().cause == 13
    lab.load("90" * 20 + "b8", at=CODE + 0x4000 - 21)
    assert lab.trap().pc == CODE + 0x3FFF


def test_pauses_go_on(counted_pc: PcLab) -> None:
    """`pause` leaves Unicorn's inner loop each time."""
    lab = counted_pc
    lab.load("b964000000 f390 ffc9 75fa cd30")
    lab.until_call()
    assert lab.cpu.get("rcx") == 0


def test_the_machine_cannot_be_run_from_a_handler(pc: PcLab) -> None:
    pc.load("cd30")
    with pytest.raises(MachineError, match="running already"):
        pc.machine.run(1 << 60, lambda trap: pc.run() is Stop.HANDLER)


def test_deep_recursion_of_calls_and_stack_growth(pc: PcLab) -> None:
    """A stack that grows by faults, one page at a time."""
    pc.load("e8fbffffff")  # call itself
    low = STACK

    def on_trap(trap: Trap) -> bool:
        nonlocal low
        assert (trap.kind, trap.pc, trap.address, trap.error) == (TrapKind.STORE_FAULT, CODE, low - 8, 6)
        low -= 0x1000
        pc.mmu.map(low, pc.allocate(0x1000), 0x1000, Prot.READ | Prot.WRITE)
        return low > STACK - 0x40_000

    assert pc.machine.run(1 << 60, on_trap) is Stop.HANDLER
    assert pc.cpu.get("rsp") == low + 0x1000
