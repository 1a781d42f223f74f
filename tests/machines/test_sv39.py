"""Sv39 tables against a simple model, and against the engine that walks them."""

from __future__ import annotations

import pytest
import rv64asm as a
from hypothesis import given, settings
from hypothesis import strategies as st
from riscv64_lab import CODE, DATA, NOWHERE, RAM, Lab

from fairlead.errors import MachineError
from fairlead.machine import PAGE_SIZE, Prot
from fairlead.trap import TrapKind

P = PAGE_SIZE
MEGA = 512 * P
GIGA = 512 * MEGA
READ_WRITE = Prot.READ | Prot.WRITE


def translate(lab: Lab, virtual: int) -> int | None:
    """What the engine's own reads see: the physical address of a page that is there."""
    index = lab.machine._view.index(virtual)
    return None if index is None else index + RAM


def test_large_pages_are_used_where_alignment_allows(lab: Lab) -> None:
    before = lab._next
    lab.mmu.map(GIGA, RAM, 32 * MEGA, READ_WRITE)
    assert lab._next - before <= 2 * P, "one table of 2 MiB leaves"
    lab.mmu.map(8 * GIGA, 0, GIGA, READ_WRITE)
    assert lab._next - before <= 2 * P, "a 1 GiB leaf needs no table"


def test_tables_are_used_again(lab: Lab) -> None:
    lab.mmu.map(GIGA, RAM + P, MEGA, READ_WRITE)
    lab.mmu.unmap(GIGA, MEGA)
    before = lab._next
    for _ in range(100):
        lab.mmu.map(GIGA, RAM + P, MEGA, READ_WRITE)
        lab.mmu.map(GIGA, RAM, MEGA, READ_WRITE)
        lab.mmu.protect(GIGA, P, Prot.READ)
        lab.mmu.unmap(GIGA, MEGA)
    assert lab._next - before <= 2 * P


@pytest.mark.parametrize(
    ("virtual", "size"),
    [(1, P), (0, 5), (1 << 38, P), ((1 << 38) - P, 2 * P), ((1 << 64) - P, 2 * P), (-P, P), (0, -P)],
)
def test_ranges_that_cannot_be_mapped_are_refused(lab: Lab, virtual: int, size: int) -> None:
    for use in (
        lambda: lab.mmu.map(virtual, RAM, size, READ_WRITE),
        lambda: lab.mmu.unmap(virtual, size),
        lambda: lab.mmu.protect(virtual, size, Prot.READ),
    ):
        with pytest.raises(MachineError, match="virtual range"):
            use()


def test_both_halves_of_the_address_space(lab: Lab) -> None:
    for virtual in (0, (1 << 38) - P, (1 << 64) - (1 << 38), (1 << 64) - P):
        lab.mmu.map(virtual, RAM + 0x5000, P, READ_WRITE)
        assert translate(lab, virtual + 17) == RAM + 0x5000 + 17


def test_page_tables_that_the_guest_overwrote(lab: Lab) -> None:
    """The guest can write its own tables; that ends in an error of the machine, not in a wild access."""
    start = lab.mmu.root - RAM
    lab.machine.ram.view[start : start + 8] = (0x3FFF_FFFF << 10 | 1).to_bytes(8, "little")
    with pytest.raises(MachineError, match="overwrote"):
        lab.mmu.map(NOWHERE - GIGA, RAM, P, READ_WRITE)
    assert translate(lab, CODE) is None


def engine_can(lab: Lab, virtual: int, code: bytes) -> bool:
    """Does an access through a0 succeed? `code` stands in the last page of the code."""
    lab.load(code, a.ecall(), at=CODE + 0x3000)
    lab.cpu.set("a0", virtual)
    return lab.trap().kind is TrapKind.SYSCALL


@pytest.mark.parametrize("size", [P, MEGA])
@pytest.mark.parametrize("prot", [Prot(n) for n in range(8)])
def test_the_engine_obeys_permissions(lab: Lab, prot: Prot, size: int) -> None:
    frame = lab.allocate(MEGA)
    lab.write(frame, a.jalr("zero", 0, "ra"))
    target = 3 * GIGA

    def allowed() -> tuple[bool, bool, bool]:
        return (
            engine_can(lab, target, a.lw("t0", 0, "a0")),
            engine_can(lab, target + 8, a.sw("t0", 0, "a0")),
            engine_can(lab, target, a.jalr("ra", 0, "a0")),
        )

    # W without R is reserved in Sv39: such pages can be read.
    expected = (bool(prot & READ_WRITE), bool(prot & Prot.WRITE), bool(prot & Prot.EXEC))
    lab.mmu.map(target, frame, size, prot)
    assert allowed() == expected
    lab.mmu.protect(target, size, Prot.NONE)
    assert allowed() == (False, False, False)
    lab.mmu.protect(target, size, prot)
    assert allowed() == expected, "the frame was kept"
    lab.mmu.unmap(target, size)
    assert allowed() == (False, False, False)
    lab.mmu.protect(target, size, READ_WRITE)
    assert allowed() == (False, False, False), "nothing is mapped there any more"


def test_changed_mappings_are_seen_at_once(lab: Lab) -> None:
    frames = [lab.allocate(P) for _ in range(3)]
    for number, frame in enumerate(frames):
        lab.write(frame, bytes([number + 1]))
    for number in (0, 1, 2, 1):
        lab.mmu.map(NOWHERE, frames[number], P, READ_WRITE)
        assert engine_can(lab, NOWHERE, a.lbu("t0", 0, "a0"))
        assert lab.cpu.get("t0") == number + 1


def test_changes_inside_a_handler_are_seen_by_the_next_instruction(lab: Lab) -> None:
    lab.load(a.ld("t0", 0, "a0"), a.ecall(), a.ld("t1", 0, "a0"), a.ecall())
    lab.cpu.set("a0", DATA)
    frame = lab.allocate(P)
    lab.write(frame, b"\x07")
    calls = []

    def on_trap(trap: object) -> bool:
        calls.append(trap)
        lab.mmu.map(DATA, frame, P, READ_WRITE)
        return len(calls) < 2

    lab.machine.run(1 << 60, on_trap)
    assert (lab.cpu.get("t0"), lab.cpu.get("t1")) == (0, 7)


def test_new_code_in_an_old_frame(lab: Lab) -> None:
    """What becomes executable is translated anew, even if nobody told of the write."""
    for value in (1, 2, 3):
        start = lab.code_frame - RAM
        lab.machine.ram.view[start : start + 8] = a.addi("t0", "zero", value) + a.ecall()
        lab.mmu.map(CODE, lab.code_frame, P, Prot.READ | Prot.EXEC)
        lab.cpu.pc = CODE
        lab.until_call()
        assert lab.cpu.get("t0") == value


@pytest.mark.parametrize("pages", [1, 64])
def test_written_code_is_translated_anew(lab: Lab, pages: int) -> None:
    for value in (1, 2, 3):
        start = lab.code_frame - RAM
        lab.machine.ram.view[start : start + 8] = a.addi("t0", "zero", value) + a.ecall()
        lab.machine.ram.code_written(lab.code_frame, pages * P)
        lab.cpu.pc = CODE
        lab.until_call()
        assert lab.cpu.get("t0") == value


def test_two_address_spaces(lab: Lab) -> None:
    frame = lab.allocate(P)
    lab.write(frame, a.addi("t0", "zero", 2) + a.ecall())
    other = lab.machine.new_mmu(lab.allocate)
    other.map(CODE, frame, P, Prot.READ | Prot.EXEC)
    lab.load(a.addi("t0", "zero", 1), a.ecall())
    for mmu, value in ((lab.mmu, 1), (other, 2), (lab.mmu, 1), (other, 2)):
        mmu.activate()
        lab.cpu.pc = CODE
        lab.until_call()
        assert lab.cpu.get("t0") == value


# A model: page number to (frame number, permissions).

PAGES = 3 * 512
actions = st.lists(
    st.tuples(
        st.sampled_from(["map", "unmap", "protect"]),
        st.one_of(st.integers(0, PAGES - 1), st.sampled_from([0, 512, 1024])),
        st.one_of(st.integers(1, 40), st.sampled_from([512, 1024])),
        st.sampled_from([0, 1, 512, 1024, 1500]),
        st.sampled_from([Prot.NONE, Prot.READ, READ_WRITE, Prot.READ | Prot.EXEC]),
    ),
    max_size=12,
)


@settings(max_examples=60, deadline=None)
@given(actions)
def test_tables_agree_with_a_model(steps: list[tuple[str, int, int, int, Prot]]) -> None:
    lab = _LAB
    mmu = lab.machine.new_mmu(lab.allocate)
    lab._next = _FIRST_FREE  # each example has the memory for its tables
    lab.machine.ram.zero(_FIRST_FREE, RAM + lab.machine.ram.size - _FIRST_FREE)
    mmu = lab.machine.new_mmu(lab.allocate)
    mmu.activate()
    base = 2 * GIGA - MEGA  # the pages lie on both sides of a 1 GiB border
    model: dict[int, tuple[int, Prot]] = {}
    for action, page, count, frame, prot in steps:
        count = min(count, PAGES - page)
        if action == "map":
            mmu.map(base + page * P, RAM + frame * P, count * P, prot)
            model |= {page + n: (frame + n, prot) for n in range(count)}
        elif action == "unmap":
            mmu.unmap(base + page * P, count * P)
            for n in range(count):
                model.pop(page + n, None)
        else:
            mmu.protect(base + page * P, count * P, prot)
            for n in range(count):
                if page + n in model:
                    model[page + n] = model[page + n][0], prot
    for page in range(PAGES):
        expected = model.get(page)
        found = translate(lab, base + page * P)
        if expected is None or expected[1] is Prot.NONE:
            assert found is None, page
        else:
            assert found == RAM + expected[0] * P, page


_LAB = Lab(memory=32 << 20)
_FIRST_FREE = (RAM + (1 << 20) + 0x1_0000 + 0xFFFF) & ~0xFFFF
