"""Traps and interrupts of a guest that has installed its own trap vector."""

from __future__ import annotations

import pytest
import rv64asm as a
from riscv64_lab import CODE, FOREIGN, NOWHERE, SECOND, Lab

from fairlead.machine import Prot, Stop
from fairlead.trap import TrapKind

_ALL = Prot.READ | Prot.WRITE | Prot.EXEC
VECTOR = CODE + 0x1000
TIME, SIE, SPIE, SPP = 0x54494D45, 1 << 1, 1 << 5, 1 << 8
INTERRUPT = 1 << 63


def install(lab: Lab, *handler: bytes, mode: int = 0) -> None:
    """A handler at VECTOR, by default one that calls the port with the causes in s-registers."""
    code = handler or (
        a.csrrs("s2", "scause", "zero"), a.csrrs("s3", "sepc", "zero"), a.csrrs("s4", "stval", "zero"),
        a.csrrs("s5", "sstatus", "zero"), a.csrrs("s6", "time", "zero"), a.li("a7", FOREIGN), a.ecall(),
    )  # fmt: skip
    lab.load(*code, at=VECTOR)
    lab.cpu.set("stvec", VECTOR | mode)
    lab.machine.firmware.register(FOREIGN, "test")


def entered(lab: Lab) -> tuple[int, int, int]:
    """Run into the handler: (scause, sepc, stval)."""
    lab.until_call()
    return lab.cpu.get("s2"), lab.cpu.get("s3"), lab.cpu.get("s4")


@pytest.mark.parametrize(
    ("code", "cause", "address"),
    [
        (a.ld("t0", 8, "a0"), 13, NOWHERE + 8),
        (a.sd("t0", 8, "a0"), 15, NOWHERE + 8),
        (a.amoadd_d("t0", "t0", "a0"), 15, NOWHERE),
        (a.ebreak(), 3, CODE + 4),
        (bytes(4), 2, 0),
    ],
)
@pytest.mark.parametrize("enabled", [0, SIE])
def test_exceptions_enter_the_guests_vector(
    lab: Lab, code: bytes, cause: int, address: int, enabled: int
) -> None:
    install(lab)
    lab.load(a.nop(), code)
    lab.cpu.set("a0", NOWHERE)
    lab.cpu.set("sstatus", lab.cpu.get("sstatus") & ~(SIE | SPIE | SPP) | enabled)
    assert entered(lab) == (cause, CODE + 4, address)
    assert lab.cpu.get("s5") & (SIE | SPIE | SPP) == SPP | (SPIE if enabled else 0)
    assert [trap.kind for trap in lab.traps] == [TrapKind.SYSCALL]


def test_a_fetch_fault_enters_the_guests_vector(lab: Lab) -> None:
    install(lab)
    lab.load(a.jalr("zero", 6, "a0"))
    lab.cpu.set("a0", NOWHERE)
    assert entered(lab) == (12, NOWHERE + 6, NOWHERE + 6)


def test_a_physical_hole_enters_the_guests_vector(lab: Lab) -> None:
    lab.mmu.map(NOWHERE, 0x4000_0000, 0x1000, _ALL)
    install(lab)
    lab.load(a.ld("t0", 8, "a0"))
    lab.cpu.set("a0", NOWHERE)
    assert entered(lab) == (5, CODE, NOWHERE + 8)


def test_a_vectored_base_does_not_vector_exceptions(lab: Lab) -> None:
    install(lab, mode=1)
    lab.load(a.ebreak())
    assert entered(lab)[0] == 3


def test_a_handler_returns_by_sret(lab: Lab) -> None:
    install(
        lab, a.csrrs("t1", "sepc", "zero"), a.addi("t1", "t1", 4), a.csrrw("zero", "sepc", "t1"), a.sret()
    )
    lab.load(a.ebreak(), a.addi("t0", "t0", 5), bytes(4), a.addi("t0", "t0", 6), a.ecall())
    lab.until_call()
    assert lab.cpu.get("t0") == 11


def test_calls_from_user_mode_enter_the_guest(lab: Lab) -> None:
    frame = lab.code_frame
    lab.cpu.set_satp(0)
    lab.write(frame + 0x1000, a.csrrs("s2", "scause", "zero") + a.csrrs("s3", "sepc", "zero") + a.ecall())
    lab.write(frame, a.ecall())
    lab.machine.firmware.register(FOREIGN, "test")
    lab.cpu.set("stvec", frame + 0x1000)
    lab.cpu.set("priv", 0)
    lab.cpu.pc = frame
    lab.until_call()
    assert (lab.cpu.get("s2"), lab.cpu.get("s3"), lab.cpu.get("priv")) == (8, frame, 1)


def test_unknown_calls_are_the_firmwares(lab: Lab) -> None:
    install(lab)
    lab.load(a.ecall(), a.li("a7", FOREIGN), a.ecall())
    lab.cpu.set("a7", 0x0B00_0000)
    lab.until_call()
    assert lab.cpu.get("a0") == (1 << 64) - 2
    assert lab.cpu.pc == CODE + 4 + 44 + 4


def test_the_timer_interrupt_enters_the_guest_when_it_is_enabled(counted_lab: Lab) -> None:
    lab = counted_lab
    install(lab)
    lab.load(a.addi("t0", "t0", 1), a.j(-4))
    due = lab.machine.clock.now() // 100 + 1000
    lab.machine.firmware.call(TIME, 0, due)
    assert lab.run(SECOND // 100) is Stop.DEADLINE, "masked"
    assert lab.cpu.get("sip") == 1 << 5
    lab.cpu.set("sie", 1 << 5)
    assert lab.run(1000) is Stop.DEADLINE, "off"
    lab.cpu.set("sstatus", lab.cpu.get("sstatus") | SIE)
    assert entered(lab)[0] == INTERRUPT | 5
    assert lab.machine.pending_interrupt() is None, "it is the guest's"


def test_a_guests_timer_is_on_time(counted_lab: Lab) -> None:
    """The guest arms the timer itself, spins, takes the interrupt, re-arms; ten times."""
    lab = counted_lab
    install(
        lab,
        a.rdtime("s2"), a.sd("s2", 0, "s0"), a.addi("s0", "s0", 8),
        a.addi("a0", "s2", 1000), a.li("a7", TIME), a.addi("a6", "zero", 0), a.ecall(),
        a.addi("s1", "s1", -1), a.bne("s1", "zero", 52), a.li("a7", FOREIGN), a.ecall(), a.sret(),
    )  # fmt: skip
    start = lab.machine.clock.now() // 100
    lab.load(a.li("a7", TIME), a.addi("a6", "zero", 0), a.ecall(), a.csrrsi("zero", "sstatus", 2), a.j(0))
    lab.cpu.set("a7", TIME)
    lab.cpu.set("a0", start + 1000)
    lab.cpu.set("s0", 0x20_0000)
    lab.cpu.set("s1", 10)
    lab.cpu.set("sie", 1 << 5)
    lab.until_call()
    times = [lab.word(8 * n) for n in range(10)]
    steps = [after - before for before, after in zip([start, *times], times, strict=False)]
    assert all(1000 <= step < 1010 for step in steps), steps


def test_vectored_interrupts(lab: Lab) -> None:
    install(lab, mode=1)
    lab.load(a.csrrs("s2", "scause", "zero"), a.ecall(), at=VECTOR + 4 * 5)
    lab.load(a.j(0))
    lab.cpu.set("sie", 1 << 5)
    lab.cpu.set("sstatus", lab.cpu.get("sstatus") | SIE)
    lab.machine.firmware.call(TIME, 0, 0)
    lab.until_call()
    assert lab.traps[-1].pc == VECTOR + 24
    assert lab.cpu.get("s2") == INTERRUPT | 5


def test_a_software_interrupt_enters_the_guest(lab: Lab) -> None:
    install(lab)
    lab.load(a.li("a7", 0x735049), a.addi("a6", "zero", 0), a.addi("a0", "zero", 1), a.ecall(), a.j(0))
    lab.cpu.set("sie", 1 << 1)
    lab.cpu.set("sstatus", lab.cpu.get("sstatus") | SIE)
    assert entered(lab)[0] == INTERRUPT | 1


def test_waiting_skips_to_the_timer(lab: Lab) -> None:
    install(lab)
    lab.load(a.wfi(), a.j(0))
    lab.cpu.set("sie", 1 << 5)
    lab.cpu.set("sstatus", lab.cpu.get("sstatus") | SIE)
    hour = 36_000_000_000
    lab.machine.firmware.call(TIME, 0, hour)
    assert lab.run(2 * 3600 * SECOND) is Stop.HANDLER
    assert lab.cpu.get("s2") == INTERRUPT | 5
    assert hour <= lab.cpu.get("s6") < hour + 100


def test_waiting_without_a_timer_is_the_callers_matter(lab: Lab) -> None:
    install(lab)
    lab.load(a.wfi(), a.j(-4))
    assert lab.run() is Stop.WAIT


def test_a_new_satp_takes_effect_at_the_next_instruction(lab: Lab) -> None:
    """A trampoline as kernels have it: the fetch after csrw satp faults into the vector's new address."""
    lab.cpu.set_satp(0)
    other = lab.machine.new_mmu(lab.allocate)
    other.map(VECTOR, lab.code_frame + 0x1000, 0x1000, _ALL)
    install(lab)
    lab.write(lab.code_frame, a.csrrw("t1", "satp", "t0") + a.nop())
    lab.cpu.pc = lab.code_frame
    lab.cpu.set("t0", 8 << 60 | other.root >> 12)
    assert entered(lab) == (12, lab.code_frame + 4, lab.code_frame + 4)
    assert lab.cpu.get("t1") == 0
    assert lab.cpu.get("satp") == 8 << 60 | other.root >> 12


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (a.csrrs("t1", "satp", "zero"), "old"),
        (a.csrrw("t1", "satp", "zero"), "bare"),
        (a.csrrc("t1", "satp", "t0"), "old"),
        (a.csrrsi("t1", "satp", 0), "old"),
    ],
)
def test_the_forms_of_satp_accesses(lab: Lab, code: bytes, expected: str) -> None:
    identity = lab.machine.new_mmu(lab.allocate)
    identity.map(0x8000_0000, 0x8000_0000, 32 << 20, _ALL)
    identity.activate()
    old = lab.cpu.get("satp")
    lab.write(lab.code_frame, code + a.ecall())
    lab.cpu.pc = lab.code_frame
    lab.cpu.set("t0", 0)
    lab.until_call()
    assert lab.cpu.get("t1") == old
    assert lab.cpu.get("satp") == (0 if expected == "bare" else old)


def test_sfence_makes_the_guests_own_tables_current(lab: Lab) -> None:
    frames = [lab.allocate(0x1000) for _ in range(2)]
    for number, frame in enumerate(frames):
        lab.write(frame, bytes([number + 1]))
    lab.mmu.map(NOWHERE, frames[0], 0x1000, _ALL)
    words = lab.machine.ram.view.cast("Q")
    leaf = next(n for n in range(len(words)) if words[n] >> 10 == frames[0] >> 12 and words[n] & 1)
    new = words[leaf] ^ (frames[0] ^ frames[1]) >> 2
    words.release()
    table = NOWHERE + 0x10_0000
    lab.mmu.map(table, 0x8000_0000 + leaf * 8 & ~0xFFF, 0x1000, _ALL)
    lab.load(
        a.lbu("t0", 0, "s0"), a.sd("s1", 0, "s2"), a.sfence_vma(), a.lbu("t1", 0, "s0"), a.ecall(),
    )  # fmt: skip
    lab.cpu.set("s0", NOWHERE)
    lab.cpu.set("s1", new)
    lab.cpu.set("s2", table + leaf * 8 % 0x1000)
    lab.until_call()
    assert (lab.cpu.get("t0"), lab.cpu.get("t1")) == (1, 2)


def test_a_store_to_a_hole_under_the_guests_own_tables_is_precise(lab: Lab) -> None:
    lab.mmu.map(NOWHERE, 0x4000_0000, 0x1000, _ALL)
    install(lab)
    satp = lab.cpu.get("satp")
    lab.load(a.csrrw("zero", "satp", "t0"), a.addi("t1", "t1", 1), a.sd("t1", 8, "a0"), a.addi("t1", "t1", 1))
    lab.cpu.set("a0", NOWHERE)
    lab.cpu.set("t0", satp | 1 << 44)  # another ASID
    assert entered(lab) == (7, CODE + 8, NOWHERE + 8)
    assert lab.cpu.get("t1") == 1


def test_user_mode_may_neither_fence_nor_switch(lab: Lab) -> None:
    lab.cpu.set_satp(0)
    for code in (a.sfence_vma(), a.csrrw("zero", "satp", "zero")):
        lab.write(lab.code_frame, code)
        lab.cpu.set("priv", 0)
        lab.cpu.pc = lab.code_frame
        assert lab.trap().kind is TrapKind.ILLEGAL
