"""cycle and instret: guest time, the same in every run."""

from __future__ import annotations

from collections.abc import Callable

import rv64asm as a
from riscv64_lab import CODE, NOWHERE, Lab

from fairlead.machine import PAGE_SIZE, Prot
from fairlead.trap import Trap

LOOP = (
    a.rdcycle("t0"), a.addi("t2", "t2", 1), a.csrrs("t1", "instret", "zero"), a.addi("t2", "t2", 1),
    a.bne("t2", "s0", -16), a.ecall(),
)  # fmt: skip


def test_counters_are_guest_time(counted_lab: Lab) -> None:
    lab = counted_lab
    lab.load(*LOOP)
    lab.cpu.set("s0", 200)
    before = lab.machine.clock.now()
    lab.until_call()
    after = lab.machine.clock.now()
    cycle, instret = lab.cpu.get("t0"), lab.cpu.get("t1")
    assert lab.cpu.get("t2") == 200, "what stands between the reads runs once each"
    assert before < cycle < instret < after
    assert after - before >= 200 * 20


def test_counters_read_the_same_in_every_run(make_lab: Callable[..., Lab]) -> None:
    results = set()
    for _ in range(3):
        lab = make_lab()
        lab.load(*LOOP)
        lab.cpu.set("s0", 20)
        lab.until_call()
        results.add((lab.cpu.get("t0"), lab.cpu.get("t1"), lab.machine.clock.now()))
    assert len(results) == 1


def test_a_read_into_x0_is_skipped(lab: Lab) -> None:
    lab.load(a.rdcycle("zero"), a.addi("t0", "zero", 3), a.ecall())
    lab.until_call()
    assert lab.cpu.get("t0") == 3


def test_code_mapped_or_written_while_the_guest_runs(lab: Lab) -> None:
    frame = lab.allocate(PAGE_SIZE)
    lab.load(a.ecall(), a.jalr("zero", 0, "a0"))
    lab.cpu.set("a0", NOWHERE)
    calls = []

    def on_trap(trap: Trap) -> bool:
        calls.append(trap)
        if len(calls) == 1:
            lab.machine.ram.view[frame - 0x8000_0000 :][:8] = a.rdcycle("t0") + a.ecall()
            lab.mmu.map(NOWHERE, frame, PAGE_SIZE, Prot.READ | Prot.EXEC)
        return len(calls) < 2

    lab.machine.run(1 << 60, on_trap)
    assert 0 < lab.cpu.get("t0") <= lab.machine.clock.now()


def test_code_that_is_no_read_any_more(lab: Lab) -> None:
    lab.load(a.rdcycle("t0"), a.ecall())
    lab.until_call()
    lab.load(a.addi("t0", "zero", 7), a.ecall())
    lab.until_call()
    assert lab.cpu.get("t0") == 7


def test_a_read_far_into_the_code(lab: Lab) -> None:
    lab.load(*[a.c_nop()] * 1001, a.rdcycle("t0"), a.ecall())
    lab.until_call()
    assert 0 < lab.cpu.get("t0") <= lab.machine.clock.now()


def test_writes_of_counters_stay_illegal(lab: Lab) -> None:
    lab.load(a.csrrw("t0", "cycle", "zero"))
    assert lab.trap().pc == CODE
