"""4-level tables against a simple model, and against the engine that walks them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from x86_64_lab import CODE, DATA, NOWHERE, RAM, PcLab

from fairlead.errors import MachineError
from fairlead.machine import PAGE_SIZE, Prot
from fairlead.trap import Trap, TrapKind
from fairlead_machines.engine.paging4 import Paging4

P = PAGE_SIZE
MEGA = 512 * P
GIGA = 512 * MEGA
TERA = 512 * GIGA
READ_WRITE = Prot.READ | Prot.WRITE
LOAD, STORE, JUMP = "488b07", "488907", "ffd7"


def translate(lab: PcLab, virtual: int) -> int | None:
    """What the engine's own reads see: the physical address of a page that is there."""
    found = Paging4.walk(lab.machine._view.words, RAM, lab.cpu.cr3, virtual)
    return None if found is None else found[0]


@pytest.fixture
def pc(make_pc: Callable[..., PcLab]) -> PcLab:
    """A board with more memory than a 1 GiB page."""
    return make_pc(memory=2 * GIGA)


def test_large_pages_are_used_where_alignment_allows(pc: PcLab) -> None:
    before = pc._next
    pc.mmu.map(TERA, RAM, 32 * MEGA, READ_WRITE)
    assert pc._next - before == 2 * P, "a table of 1 GiB leaves and one of 2 MiB leaves"
    pc.mmu.map(TERA + 8 * GIGA, RAM + GIGA, GIGA, READ_WRITE)
    assert pc._next - before == 2 * P, "a 1 GiB leaf needs no table"
    assert translate(pc, TERA + 8 * GIGA + 12345) == RAM + GIGA + 12345


def test_tables_are_used_again(pc: PcLab) -> None:
    pc.mmu.map(TERA, RAM + P, MEGA, READ_WRITE)
    pc.mmu.unmap(TERA, MEGA)
    before = pc._next
    for _ in range(50):
        pc.mmu.map(TERA, RAM + P, MEGA, READ_WRITE)
        pc.mmu.map(TERA, RAM, MEGA, READ_WRITE)
        pc.mmu.protect(TERA, P, Prot.READ)
        pc.mmu.unmap(TERA, MEGA)
    assert pc._next - before <= 2 * P


@pytest.mark.parametrize(
    ("virtual", "size"),
    [(1, P), (0, 5), (1 << 47, P), ((1 << 47) - P, 2 * P), ((1 << 64) - P, 2 * P), (-P, P), (0, -P)],
)
def test_ranges_that_cannot_be_mapped_are_refused(pc: PcLab, virtual: int, size: int) -> None:
    for use in (
        lambda: pc.mmu.map(virtual, RAM, size, READ_WRITE),
        lambda: pc.mmu.unmap(virtual, size),
        lambda: pc.mmu.protect(virtual, size, Prot.READ),
    ):
        with pytest.raises(MachineError, match="virtual range"):
            use()
    with pytest.raises(MachineError, match="physical address"):
        pc.mmu.map(0, RAM + 1, P, READ_WRITE)


def test_both_halves_of_the_address_space(pc: PcLab) -> None:
    for virtual in (0, (1 << 47) - P, (1 << 64) - (1 << 47), (1 << 64) - P):
        pc.mmu.map(virtual, pc.data_frame, P, READ_WRITE)
        assert translate(pc, virtual + 17) == pc.data_frame + 17
        assert can(pc, virtual, STORE)
    assert translate(pc, 1 << 47) is None


def can(lab: PcLab, virtual: int, access: str) -> bool:
    """Does an access through rdi succeed? Its code stands in the last page of the code."""
    lab.load(access, "cd30", at=CODE + 0x3000)
    lab.cpu.set("rdi", virtual)
    trap = lab.trap()
    if trap.kind is TrapKind.SYSCALL:
        return True
    assert (trap.cause, trap.address) == (14, virtual)
    present = translate(lab, virtual) is not None
    expected = 4 | present | {LOAD: 0, STORE: 2, JUMP: 16}[access]
    assert trap.error == expected, "error code"
    return False


@pytest.mark.parametrize("size", [P, MEGA, GIGA])
@pytest.mark.parametrize("prot", [Prot(n) for n in range(8)])
def test_the_engine_obeys_permissions(pc: PcLab, prot: Prot, size: int) -> None:
    frame = RAM if size == GIGA else pc.allocate(size)
    pc.write(pc.allocate(P) if size == GIGA else frame, bytes.fromhex("c3"))
    inside = pc._next - P - RAM if size == GIGA else 0
    target = TERA

    def allowed() -> tuple[bool, bool, bool]:
        return (
            can(pc, target + inside, LOAD),
            can(pc, target + inside + 8, STORE),
            can(pc, target + inside, JUMP),
        )

    # A page that is present can be read.
    expected = (bool(prot), bool(prot & Prot.WRITE), bool(prot & Prot.EXEC))
    pc.mmu.map(target, frame, size, prot)
    assert allowed() == expected
    pc.mmu.protect(target, size, Prot.NONE)
    assert allowed() == (False, False, False)
    pc.mmu.protect(target, size, prot)
    assert allowed() == expected, "the frame was kept"
    pc.mmu.unmap(target, size)
    assert allowed() == (False, False, False)
    pc.mmu.protect(target, size, READ_WRITE)
    assert allowed() == (False, False, False), "nothing is mapped there any more"


def test_part_of_a_large_page_can_be_changed(pc: PcLab) -> None:
    frame = pc.allocate(4 * MEGA)
    pc.mmu.map(TERA, RAM, GIGA, READ_WRITE)
    offset = frame - RAM
    pc.mmu.protect(TERA + offset, P, Prot.READ)
    pc.mmu.unmap(TERA + offset + P, P)
    pc.mmu.protect(TERA + offset + 2 * P, MEGA, Prot.NONE)
    assert [can(pc, TERA + offset + n * P, STORE) for n in (0, 1, 2, 513, 514)] == [
        False, False, False, False, True
    ]  # fmt: skip
    assert [can(pc, TERA + offset + n * P, LOAD) for n in (0, 1, 2, 513, 514)] == [
        True, False, False, False, True
    ]  # fmt: skip
    assert translate(pc, TERA + offset + 514 * P) == frame + 514 * P


def test_changed_mappings_are_seen_at_once(pc: PcLab) -> None:
    frames = [pc.allocate(P) for _ in range(3)]
    for number, frame in enumerate(frames):
        pc.write(frame, bytes([number + 1]))
    for number in (0, 1, 2, 1):
        pc.mmu.map(NOWHERE, frames[number], P, READ_WRITE)
        assert can(pc, NOWHERE, LOAD)
        assert pc.cpu.get("rax") == number + 1


@pytest.mark.parametrize("call", ["cd30", "0f05"])
def test_changes_inside_a_handler_are_seen_by_the_next_instruction(pc: PcLab, call: str) -> None:
    pc.load("488b07", call, "488b1f", call)
    pc.cpu.set("rdi", DATA)
    frame = pc.allocate(P)
    pc.write(frame, b"\x07")
    calls = []

    def on_trap(trap: Trap) -> bool:
        calls.append(trap)
        pc.mmu.map(DATA, frame, P, READ_WRITE)
        return len(calls) < 2

    pc.machine.run(1 << 60, on_trap)
    assert (pc.cpu.get("rax"), pc.cpu.get("rbx")) == (0, 7)


def test_memory_given_on_a_fault(pc: PcLab) -> None:
    """A handler that maps what is missing: the instruction is done then, and nothing twice."""
    pc.load("48ff07 4881c700100000 ffc9 75f2 cd30")
    pc.cpu.set("rdi", NOWHERE)
    pc.cpu.set("rcx", 100)
    frames: list[int] = []

    def on_trap(trap: Trap) -> bool:
        if trap.kind is TrapKind.SYSCALL:
            return False
        assert (trap.kind, trap.address) == (TrapKind.STORE_FAULT, NOWHERE + len(frames) * P)
        frames.append(pc.allocate(P))
        pc.mmu.map(trap.address, frames[-1], P, READ_WRITE)
        return True

    pc.machine.run(1 << 60, on_trap)
    assert len(frames) == 100
    assert {pc.machine.ram.view[frame - RAM] for frame in frames} == {1}


def load_number(lab: PcLab, value: int) -> bytes:
    return bytes.fromhex(f"b8{value:02x}000000cd30")


def test_new_code_in_an_old_frame(pc: PcLab) -> None:
    """What becomes executable is translated anew, even if nobody told of the write."""
    start = pc.code_frame - RAM
    for value in (1, 2, 3):
        pc.machine.ram.view[start : start + 7] = load_number(pc, value)
        pc.mmu.map(CODE, pc.code_frame, P, Prot.READ | Prot.EXEC)
        pc.cpu.pc = CODE
        pc.until_call()
        assert pc.cpu.get("rax") == value
        pc.mmu.protect(CODE, P, READ_WRITE)
        pc.machine.ram.view[start : start + 7] = load_number(pc, value + 10)
        pc.mmu.protect(CODE, P, Prot.READ | Prot.EXEC)
        pc.cpu.pc = CODE
        pc.until_call()
        assert pc.cpu.get("rax") == value + 10


@pytest.mark.parametrize("pages", [1, 4])
def test_written_code_is_translated_anew(pc: PcLab, pages: int) -> None:
    start = pc.code_frame - RAM
    for value in (1, 2, 3):
        pc.machine.ram.view[start : start + 7] = load_number(pc, value)
        pc.machine.ram.code_written(pc.code_frame, pages * P)
        pc.cpu.pc = CODE
        pc.until_call()
        assert pc.cpu.get("rax") == value


@pytest.mark.parametrize("call", ["cd30", "0f05"])
def test_code_written_inside_a_handler(counted_pc: PcLab, call: str) -> None:
    lab = counted_pc
    end = lab.load("b801000000", call, "b801000000 cd31")
    start = lab.code_frame - RAM

    def on_trap(trap: Trap) -> bool:
        if trap.cause == 0x31:
            return False
        lab.machine.ram.view[start + 8] = 9
        lab.machine.ram.code_written(lab.code_frame, end - CODE)
        return True

    for _ in range(2):
        lab.machine.ram.view[start + 8] = 1
        lab.machine.ram.code_written(lab.code_frame, end - CODE)
        lab.cpu.pc = CODE
        lab.machine.run(1 << 60, on_trap)
        assert lab.cpu.get("rax") == 9


def test_code_that_changes_itself(counted_pc: PcLab) -> None:
    lab = counted_pc
    lab.mmu.map(NOWHERE, lab.code_frame, P, Prot(7))
    # mov byte [rip+1], 5; mov eax, 1
    lab.load("c6050100000005 b801000000 cd30")
    for _ in range(2):
        lab.cpu.pc = NOWHERE
        lab.until_call()
        assert lab.cpu.get("rax") == 5


def test_two_address_spaces(pc: PcLab) -> None:
    frame = pc.allocate(P)
    pc.write(frame, load_number(pc, 2))
    other = pc.machine.new_mmu(pc.allocate)
    other.map(CODE, frame, P, Prot.READ | Prot.EXEC)
    pc.write(pc.code_frame, load_number(pc, 1))
    for mmu, value in ((pc.mmu, 1), (other, 2), (pc.mmu, 1), (other, 2)):
        mmu.activate()
        pc.cpu.pc = CODE
        pc.until_call()
        assert pc.cpu.get("rax") == value


def test_memory_beyond_ram_cannot_be_mapped(pc: PcLab) -> None:
    size = pc.machine.ram.size
    for physical, length in ((RAM + size, P), (RAM + size - P, 2 * P), (RAM - P, P), (0xFEE0_0000, P)):
        with pytest.raises(MachineError, match="is not RAM"):
            pc.mmu.map(NOWHERE, physical, length, READ_WRITE)
    pc.mmu.map(NOWHERE, RAM + size - P, P, READ_WRITE)
    assert can(pc, NOWHERE, STORE)


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


@pytest.fixture(scope="module")
def shared() -> PcLab:
    return PcLab()


def apply(
    model: dict[int, tuple[int, Prot]], action: str, pages: range, frame: int, prot: Prot
) -> Callable[[Paging4, int], None]:
    """Do an action to the model; what does it to tables whose page 0 is at an address."""
    for page in pages:
        if action == "map":
            model[page] = (frame + page - pages.start, prot)
        elif action == "unmap":
            model.pop(page, None)
        elif page in model:
            model[page] = (model[page][0], prot)

    def act(mmu: Paging4, base: int) -> None:
        virtual, size = base + pages.start * P, len(pages) * P
        if action == "map":
            mmu.map(virtual, RAM + frame * P, size, prot)
        elif action == "unmap":
            mmu.unmap(virtual, size)
        else:
            mmu.protect(virtual, size, prot)

    return act


@settings(max_examples=60, deadline=None)
@given(actions)
def test_tables_agree_with_a_model(shared: PcLab, steps: list[tuple[str, int, int, int, Prot]]) -> None:
    lab = shared
    words = lab.machine._view.words
    free = RAM + (32 << 20)
    lab.machine.ram.zero(free, 4 << 20)

    def allocate(size: int) -> int:
        nonlocal free
        free += size
        return free - size

    mmu = Paging4(words, RAM, allocate, lambda: None, lambda *_: None, lambda _: None)
    base = TERA + GIGA - MEGA  # the pages lie on both sides of a 1 GiB border
    model: dict[int, tuple[int, Prot]] = {}
    for action, page, count, frame, prot in steps:
        apply(model, action, range(page, min(page + count, PAGES)), frame, prot)(mmu, base)
    for page in range(PAGES):
        found = Paging4.walk(words, RAM, mmu.root, base + page * P)
        frame, prot = model.get(page, (0, Prot.NONE))
        if not prot:
            assert found is None
            continue
        assert found is not None
        physical, entry = found
        assert physical == RAM + frame * P
        assert (bool(entry & 2), not entry >> 63) == (bool(prot & Prot.WRITE), bool(prot & Prot.EXEC))
        assert entry & 0x65 == 0x65, "present, user, accessed, dirty"
