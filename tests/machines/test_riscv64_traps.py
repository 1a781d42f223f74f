"""What traps look like when they come out of the riscv64 engine."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest
import rv64asm as a
from riscv64_lab import CODE, DATA, NOWHERE, RAM, Lab

from fairlead.machine import PAGE_SIZE, Prot, Stop
from fairlead.trap import Trap, TrapKind

ADDRESS = NOWHERE + 0x128


def test_a_call_traps_with_pc_after_it(counted_lab: Lab) -> None:
    lab = counted_lab
    lab.load(a.nop(), a.ecall(), a.addi("t0", "zero", 7), a.ecall())
    assert lab.trap() == Trap(TrapKind.SYSCALL, 9, CODE + 4)
    assert lab.cpu.pc == CODE + 8
    assert lab.trap() == Trap(TrapKind.SYSCALL, 9, CODE + 12)
    assert lab.cpu.get("t0") == 7


def test_a_call_from_user_mode_has_its_own_cause(lab: Lab) -> None:
    lab.cpu.set_satp(0)
    lab.write(lab.code_frame, a.ecall())
    lab.cpu.set("priv", 0)
    lab.cpu.pc = lab.code_frame
    assert lab.trap() == Trap(TrapKind.SYSCALL, 8, lab.code_frame)


@pytest.mark.parametrize(
    ("code", "kind", "cause"),
    [
        (a.ld("t0", 0x128, "a0"), TrapKind.LOAD_FAULT, 13),
        (a.lbu("t0", 0x128, "a0"), TrapKind.LOAD_FAULT, 13),
        (a.fld(1, 0x128, "a0"), TrapKind.LOAD_FAULT, 13),
        (a.sd("t0", 0x128, "a0"), TrapKind.STORE_FAULT, 15),
        (a.fsd(1, 0x128, "a0"), TrapKind.STORE_FAULT, 15),
        (a.amoadd_d("t0", "t0", "a1"), TrapKind.STORE_FAULT, 15),
        (a.lr_d("t0", "a1"), TrapKind.LOAD_FAULT, 13),
        (a.c_ld("a2", 0x68, "a3"), TrapKind.LOAD_FAULT, 13),
        (a.c_lw("a2", 0x68, "a3"), TrapKind.LOAD_FAULT, 13),
        (a.c_fld(9, 0x68, "a3"), TrapKind.LOAD_FAULT, 13),
        (a.c_sd("a2", 0x68, "a3"), TrapKind.STORE_FAULT, 15),
        (a.c_sw("a2", 0x68, "a3"), TrapKind.STORE_FAULT, 15),
        (a.c_fsd(9, 0x68, "a3"), TrapKind.STORE_FAULT, 15),
        (a.c_ldsp("a2", 0x68), TrapKind.LOAD_FAULT, 13),
        (a.c_lwsp("a2", 0x68), TrapKind.LOAD_FAULT, 13),
        (a.c_sdsp("a2", 0x68), TrapKind.STORE_FAULT, 15),
        (a.c_swsp("a2", 0x68), TrapKind.STORE_FAULT, 15),
    ],
    ids=lambda value: value.hex() if isinstance(value, bytes) else str(value),
)
def test_a_page_fault_names_cause_address_and_instruction(
    lab: Lab, code: bytes, kind: TrapKind, cause: int
) -> None:
    before = a.addi("t1", "zero", 5) + a.c_nop()
    lab.load(before, code, a.ecall())
    lab.cpu.set("a0", NOWHERE)
    lab.cpu.set("a1", ADDRESS)
    lab.cpu.set("a3", ADDRESS - 0x68)
    lab.cpu.set("sp", ADDRESS - 0x68)
    expected = Trap(kind, cause, CODE + len(before), ADDRESS)
    assert lab.trap() == expected
    assert lab.cpu.pc == expected.pc
    assert lab.cpu.get("t1") == 5
    # Mended, the instruction runs again from where pc stands.
    lab.mmu.map(NOWHERE, lab.allocate(PAGE_SIZE), PAGE_SIZE, Prot.READ | Prot.WRITE)
    lab.until_call()


def test_a_store_across_pages_faults_at_the_page_that_is_missing(lab: Lab) -> None:
    lab.load(a.sd("t0", -4, "a0"), a.ecall())
    lab.cpu.set("a0", DATA + 0x4000)
    assert lab.trap() == Trap(TrapKind.STORE_FAULT, 15, CODE, DATA + 0x4000)
    assert lab.word(0x3FF8) == 0


def test_a_write_to_read_only_memory_is_a_store_fault(lab: Lab) -> None:
    lab.load(a.sd("t0", 8, "a0"))
    lab.cpu.set("a0", CODE)
    assert lab.trap() == Trap(TrapKind.STORE_FAULT, 15, CODE, CODE + 8)


def test_a_failing_store_conditional_is_a_store_fault(lab: Lab) -> None:
    lab.load(a.lr_d("t0", "a0"), a.ecall(), a.sc_d("t1", "t0", "a0"), a.ecall())
    lab.cpu.set("a0", DATA)
    lab.until_call()
    lab.mmu.protect(DATA, PAGE_SIZE, Prot.READ)
    assert lab.trap() == Trap(TrapKind.STORE_FAULT, 15, CODE + 8, DATA)


def test_data_cannot_be_executed(lab: Lab) -> None:
    lab.cpu.pc = DATA
    assert lab.trap() == Trap(TrapKind.FETCH_FAULT, 12, DATA, DATA)
    assert lab.cpu.pc == DATA


@pytest.mark.parametrize("target", [0, 6, NOWHERE, 1 << 63, 0x40_0000_0000, (1 << 64) - 2])
def test_a_jump_to_nowhere_faults_there(lab: Lab, target: int) -> None:
    lab.load(a.jalr("ra", 0, "a0"))
    lab.cpu.set("a0", target)
    assert lab.trap() == Trap(TrapKind.FETCH_FAULT, 12, target, target)
    assert lab.cpu.get("ra") == CODE + 4


def test_an_instruction_across_pages_faults_at_its_second_half(counted_lab: Lab) -> None:
    lab = counted_lab
    last = CODE + 0x4000 - 2
    lab.load(a.addi("t0", "t0", 1), a.addi("t1", "t1", 1), a.ld("t2", 0, "a0")[:2], at=last - 8)
    trap = lab.trap()
    assert trap == Trap(TrapKind.FETCH_FAULT, 12, last, last + 2)
    assert (lab.cpu.get("t0"), lab.cpu.get("t1")) == (1, 1), "what stands before it has run, once"
    frame = lab.allocate(PAGE_SIZE)
    lab.write(frame, a.ld("t2", 0, "a0")[2:] + a.ecall())
    lab.machine.ram.view[lab.data_frame - RAM] = 99
    lab.cpu.set("a0", DATA)
    lab.mmu.map(last + 2, frame, PAGE_SIZE, Prot.READ | Prot.EXEC)
    lab.until_call()
    assert lab.cpu.get("t2") == 99
    assert (lab.cpu.get("t0"), lab.cpu.get("t1")) == (1, 1)


def test_a_fault_before_an_instruction_across_pages_comes_first(lab: Lab) -> None:
    last = CODE + 0x4000 - 2
    lab.load(a.addi("t0", "t0", 1), a.ld("t1", 0, "a0"), a.ld("t2", 0, "a0")[:2], at=last - 8)
    lab.cpu.set("a0", NOWHERE)
    assert lab.trap() == Trap(TrapKind.LOAD_FAULT, 13, last - 4, NOWHERE)
    assert lab.cpu.get("t0") == 1
    lab.cpu.set("a0", DATA)
    assert lab.trap() == Trap(TrapKind.FETCH_FAULT, 12, last, last + 2)


@pytest.mark.parametrize(("code", "size"), [(a.ebreak(), 4), (a.c_ebreak(), 2)])
def test_breakpoints_trap_where_they_stand(counted_lab: Lab, code: bytes, size: int) -> None:
    lab = counted_lab
    lab.load(a.c_nop(), code, a.addi("t0", "zero", 3), a.ecall())
    assert lab.trap() == Trap(TrapKind.BREAKPOINT, 3, CODE + 2, CODE + 2)
    assert lab.cpu.pc == CODE + 2
    lab.cpu.pc += size
    lab.until_call()
    assert lab.cpu.get("t0") == 3


@pytest.mark.parametrize("word", [0x0000_0000, 0xFFFF_FFFF, 0x3020_0073, 0x7B20_0073])
def test_illegal_instructions_trap_where_they_stand(lab: Lab, word: int) -> None:
    lab.load(a.nop(), word.to_bytes(4, "little"))
    assert lab.trap() == Trap(TrapKind.ILLEGAL, 2, CODE + 4)
    assert lab.cpu.pc == CODE + 4


@pytest.mark.parametrize(
    "code",
    [a.csrrs("t0", "mstatus", "zero"), a.csrrw("zero", "time", "t0"), a.csrrw("zero", "cycle", "t0")],
)
def test_machine_registers_and_writes_to_counters_are_illegal(lab: Lab, code: bytes) -> None:
    lab.load(code)
    assert lab.trap() == Trap(TrapKind.ILLEGAL, 2, CODE)


@pytest.mark.parametrize(
    ("code", "cause", "address"),
    [
        (a.ld("t0", 8, "a0"), 5, 0x1_0008),
        (a.sd("t0", -8, "a0"), 7, 0xFFF8),
        (a.c_sd("a2", 0x68, "a0"), 7, 0x1_0068),
        (a.amoadd_d("t0", "t0", "a0"), 7, 0x1_0000),
        (a.jalr("ra", 4, "a0"), 1, 0x1_0004),
    ],
)
def test_physical_holes_are_access_faults(
    make_lab: Callable[..., Lab], code: bytes, cause: int, address: int
) -> None:
    lab = make_lab(paging=False)
    lab.write(lab.code_frame, code + a.ecall())
    lab.cpu.pc = lab.code_frame
    lab.cpu.set("a0", 0x1_0000)
    pc = address if cause == 1 else lab.code_frame
    assert lab.trap() == Trap(TrapKind.PROTECTION, cause, pc, address)
    assert lab.cpu.pc == pc
    # The engine is whole afterwards.
    lab.cpu.pc = lab.code_frame + len(code)
    lab.until_call()


def test_a_page_mapped_to_a_hole_is_an_access_fault_too(lab: Lab) -> None:
    lab.mmu.map(NOWHERE, 0x4000_0000, PAGE_SIZE, Prot.READ | Prot.WRITE)
    lab.load(a.addi("t1", "t1", 1), a.lw("t0", 16, "a0"))
    lab.cpu.set("a0", NOWHERE)
    assert lab.trap() == Trap(TrapKind.PROTECTION, 5, CODE + 4, NOWHERE + 16)
    assert lab.cpu.get("t1") == 1


def test_misaligned_accesses_work_and_misaligned_atomics_trap(lab: Lab) -> None:
    lab.load(a.sd("t0", 3, "a0"), a.ld("t1", 3, "a0"), a.amoadd_d("t2", "t0", "a1"))
    lab.cpu.set("a0", DATA)
    lab.cpu.set("a1", DATA + 3)
    lab.cpu.set("t0", 0x1122334455667788)
    assert lab.trap() == Trap(TrapKind.MISALIGNED, 6, CODE + 8, DATA + 3)
    assert lab.cpu.get("t1") == 0x1122334455667788


def test_the_handlers_exception_comes_out_of_run(lab: Lab) -> None:
    lab.load(a.addi("t0", "zero", 1), a.ecall(), a.addi("t0", "zero", 2), a.ecall())
    failure = KeyboardInterrupt("from the handler")

    def on_trap(trap: Trap) -> bool:
        raise failure

    with pytest.raises(KeyboardInterrupt) as caught:
        lab.machine.run(1 << 60, on_trap)
    assert caught.value is failure
    assert (lab.cpu.pc, lab.cpu.get("t0")) == (CODE + 8, 1)
    lab.until_call()
    assert lab.cpu.get("t0") == 2


def test_an_exception_at_a_breakpoint_comes_out_too(lab: Lab) -> None:
    lab.load(a.ebreak())

    def on_trap(trap: Trap) -> bool:
        raise ValueError(trap.kind.value)

    with pytest.raises(ValueError, match="breakpoint"):
        lab.machine.run(1 << 60, on_trap)


def test_running_the_machine_from_a_handler_is_refused(lab: Lab) -> None:
    from fairlead.errors import MachineError

    lab.load(a.ecall())
    with pytest.raises(MachineError, match="running already"):
        lab.machine.run(1 << 60, lambda trap: lab.run() is Stop.HANDLER)


def test_handlers_can_send_the_guest_elsewhere(counted_lab: Lab) -> None:
    lab = counted_lab
    elsewhere = CODE + 0x1000
    lab.load(a.addi("t1", "zero", 9), a.ecall(), at=elsewhere)
    lab.load(a.ecall(), a.addi("t1", "zero", 1), a.ecall())
    seen = []

    def on_trap(trap: Trap) -> bool:
        seen.append(trap.pc)
        if len(seen) == 1:
            lab.cpu.pc = elsewhere
        return len(seen) < 2

    assert lab.machine.run(1 << 60, on_trap) is Stop.HANDLER
    assert seen == [CODE, elsewhere + 4]
    assert lab.cpu.get("t1") == 9


def test_handlers_can_switch_threads_without_leaving(lab: Lab) -> None:
    lab.load(a.addi("t0", "t0", 1), a.ecall(), a.j(-8))
    contexts = [lab.cpu.save() for _ in range(3)]
    current = 0
    switches = 0

    def on_trap(trap: Trap) -> bool:
        nonlocal current, switches
        lab.cpu.save(contexts[current])
        current = (current + 1) % 3
        lab.cpu.restore(contexts[current])
        switches += 1
        return switches < 300

    assert lab.machine.run(1 << 60, on_trap) is Stop.HANDLER
    assert [lab.cpu.peek(context, "t0") for context in contexts] == [100, 100, 100]


def test_every_trap_costs_guest_time(lab: Lab) -> None:
    lab.load(a.ecall(), a.j(-4))
    clock = lab.machine.clock
    times: list[int] = []

    def on_trap(trap: Trap) -> bool:
        times.append(clock.now())
        return len(times) < 50

    lab.machine.run(1 << 60, on_trap)
    assert {after - before for before, after in pairwise(times)} == {2 * 4 + 100}


def test_a_trap_while_nothing_runs_is_not_possible(make_lab: Callable[..., Lab]) -> None:
    lab = make_lab()
    lab.load(a.wfi(), a.j(-4))
    assert lab.run() is Stop.WAIT
    assert lab.cpu.pc == CODE + 4
    assert lab.run() is Stop.WAIT
    assert lab.traps == []


def test_endless_faults_end_with_the_deadline(counted_lab: Lab) -> None:
    """A fetch fault comes before any instruction, so no counter counts it."""
    lab = counted_lab
    for vector in (0, NOWHERE):
        lab.cpu.set("stvec", vector)
        lab.cpu.pc = NOWHERE
        assert lab.run(100_000, leave=False) is Stop.DEADLINE
    assert 900 < len(lab.traps) <= 1001
