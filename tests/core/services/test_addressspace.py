"""The address space against a dictionary of pages, on the engine's own RAM and page tables."""

from __future__ import annotations

import struct
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from fairlead.errors import GuestFault, GuestRefusal
from fairlead.machine import PAGE_SIZE, Prot
from fairlead.services.addressspace import AddressSpace
from fairlead_machines.engine.ram import EngineRam
from fairlead_machines.engine.sv39 import Sv39, walk

LOW, BASE, HIGH = 0x10000, 0x60_0000, 0xE0_0000
RAM_BASE, RAM_SIZE = 0x8000_0000, 8 << 20
RW = int(Prot.READ | Prot.WRITE)


class Parts:
    """A machine's RAM and MMU without its CPU."""

    def __init__(self, ram_size: int = RAM_SIZE) -> None:
        self.cpu = SimpleNamespace(arch="riscv64")
        self.ram = EngineRam(RAM_BASE, ram_size)
        self.words = self.ram.view.cast("Q")
        self.tables = 0
        self.roots: list[Sv39] = []

    def new_mmu(self, allocate):
        def counted(size):
            self.tables += size
            return allocate(size)

        mmu = Sv39(self.words, RAM_BASE, counted, lambda: None, lambda satp: None)
        self.roots.append(mmu)
        return mmu

    def walk(self, address):
        return walk(self.words, RAM_BASE, self.roots[0].root, address)


def space(ram_size: int = RAM_SIZE, **limits: int) -> tuple[Parts, AddressSpace]:
    parts = Parts(ram_size)
    return parts, AddressSpace(parts, **({"low": LOW, "base": BASE, "high": HIGH} | limits))


prots = st.sampled_from([0, 0, 1, 3, 3, 3, 5, 7])
sizes = st.one_of(st.integers(1, 12), st.sampled_from([300, 512, 513, 700, 1024, 1536]))
pages = st.one_of(st.integers(LOW >> 12, (HIGH >> 12) + 2), st.sampled_from([BASE >> 12, 0x800, 0xA00, 0]))


class AgainstPages(RuleBasedStateMachine):
    """`model` maps a page number to [rights, first word or None while it has no memory]."""

    @initialize()
    def start(self):
        self.parts, self.memory = space()
        self.total = self.memory.frames.free + self.parts.tables
        self.model: dict[int, list] = {}
        self.stamp = 0

    def first_fit(self, count: int) -> int | None:
        for low, high in ((BASE >> 12, HIGH >> 12), (LOW >> 12, HIGH >> 12)):
            run = 0
            for page in range(low, high):
                run = 0 if page in self.model else run + 1
                if run == count:
                    return page - count + 1
        return None

    @rule(page=pages, count=sizes, prot=prots, fixed=st.booleans(), noreplace=st.booleans())
    def mmap(self, page, count, prot, fixed, noreplace):
        inside = page >= LOW >> 12 and page + count <= HIGH >> 12
        clash = any(p in self.model for p in range(page, page + count))
        try:
            got = self.memory.mmap(page << 12, count << 12, prot, fixed=fixed, noreplace=noreplace) >> 12
        except GuestRefusal as refusal:
            if fixed and inside and noreplace and clash:
                assert refusal.errno == 17
            else:
                assert refusal.errno == 12
                assert (fixed and not inside) or prot or self.first_fit(count) is None
            return
        if fixed:
            assert got == page and inside and not (noreplace and clash)
        elif inside and not clash:
            assert got == page
        else:
            assert got == self.first_fit(count)
        for each in range(got, got + count):
            self.model[each] = [prot, 0 if prot else None]

    @rule(page=pages, count=sizes)
    def munmap(self, page, count):
        try:
            self.memory.munmap(page << 12, count << 12)
        except GuestRefusal as refusal:
            assert refusal.errno == 22 and page + count > HIGH >> 12
            return
        for each in range(page, page + count):
            self.model.pop(each, None)

    @rule(page=pages, count=sizes, prot=prots)
    def mprotect(self, page, count, prot):
        span = range(page, page + count)
        try:
            self.memory.mprotect(page << 12, count << 12, prot)
        except GuestRefusal as refusal:
            assert refusal.errno == 12
            whole = all(each in self.model for each in span)
            assert not whole or (prot and any(self.model[each][1] is None for each in span))
            return
        for each in span:
            self.model[each][0] = prot
            if prot and self.model[each][1] is None:
                self.model[each][1] = 0

    @rule(page=pages, count=sizes)
    def discard(self, page, count):
        span = range(page, page + count)
        whole = all(each in self.model for each in span)
        try:
            self.memory.discard(page << 12, count << 12)
            assert whole
        except GuestRefusal as refusal:
            assert refusal.errno == 12 and not whole
            if page + count > HIGH >> 12:
                return
        for each in span:
            if each in self.model:
                self.model[each][1] = 0 if self.model[each][0] else None

    @rule(page=pages, offset=st.sampled_from([0, 0, 0, -4, 2048]))
    def write(self, page, offset):
        self.stamp += 1
        address = (page << 12) + offset
        touched = {address >> 12, (address + 7) >> 12}
        allowed = all(each in self.model and self.model[each][0] & 2 for each in touched)
        if not allowed:
            with pytest.raises(GuestFault):
                self.memory.write_u64(address, self.stamp)
            return
        self.memory.write_u64(address, self.stamp)
        for part, size in zip(sorted(touched), (4, 4), strict=False):
            if offset == -4:
                raw = bytearray(struct.pack("<Q", self.stamp))[4:]
                if part == page:
                    kept = self.model[page][1] & 0xFFFF_FFFF_0000_0000
                    self.model[page][1] = kept | int.from_bytes(raw, "little")
            elif offset == 0:
                self.model[part][1] = self.stamp
            assert size == 4

    @rule(page=pages)
    def read(self, page):
        known = self.model.get(page)
        if known is None or not known[0]:
            with pytest.raises(GuestFault):
                self.memory.read_u64(page << 12)
        elif known[0] & 1:
            assert self.memory.read_u64(page << 12) == known[1]
            assert self.memory.read(page << 12, 8) == struct.pack("<Q", known[1])

    @precondition(lambda self: self.model)
    @invariant()
    def books_agree(self):
        seen = set()
        words = self.parts.words
        committed = 0
        for page, (prot, word) in self.model.items():
            physical = self.memory.physical(page << 12)
            assert (physical is None) == (word is None)
            found = self.parts.walk(page << 12)
            if word is None or not prot:
                assert found is None
            else:
                assert found is not None and found[0] == physical
                assert bool(found[1] & 4) == bool(prot & 2) and bool(found[1] & 8) == bool(prot & 4)
            if physical is not None:
                committed += 1
                assert physical not in seen and RAM_BASE <= physical < RAM_BASE + RAM_SIZE
                seen.add(physical)
                assert words[(physical - RAM_BASE) >> 3] == word
        assert committed * PAGE_SIZE + self.memory.frames.free + self.parts.tables == self.total
        assert sum(r.end - r.start for r in self.memory.regions()) == len(self.model) * PAGE_SIZE


AgainstPages.TestCase.settings = settings(
    max_examples=25, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
TestAgainstPages = AgainstPages.TestCase


@pytest.mark.parametrize(
    "address", [0, LOW - 1, HIGH, 2**38, 2**47, 2**63, 2**64 - 8, 2**64 - 1, 0x7FFF_FFFF_F000]
)
@pytest.mark.parametrize("size", [1, 8, 4096, 2**31, 2**64 - 1])
def test_wild_accesses_are_faults(address, size):
    _, memory = space()
    with pytest.raises(GuestFault):
        memory.read(address, size)
    with pytest.raises(GuestFault):
        memory.buffers(address, size, write=True)


def test_a_write_that_runs_off_the_end_writes_nothing():
    _, memory = space()
    memory.mmap(BASE, PAGE_SIZE, RW, fixed=True)
    with pytest.raises(GuestFault) as caught:
        memory.write(BASE + PAGE_SIZE - 2, b"abcd")
    assert caught.value.address == BASE + PAGE_SIZE and caught.value.write
    assert memory.read(BASE, PAGE_SIZE) == bytes(PAGE_SIZE)


def test_reservations_larger_than_memory_cost_nothing():
    _, memory = space(high=1 << 38)
    before = memory.frames.free
    where = memory.mmap(0, 1 << 36, 0)
    assert memory.frames.free == before
    memory.mmap(where + (1 << 30), 64 << 10, RW, fixed=True)
    memory.write_u64(where + (1 << 30), 7)
    with pytest.raises(GuestRefusal):
        memory.mmap(0, RAM_SIZE, RW)
    memory.munmap(where, 1 << 36)
    assert before - memory.frames.free <= 4 * PAGE_SIZE  # page tables stay


def test_large_aligned_ranges_are_few_pieces():
    _, memory = space(ram_size=64 << 20, high=1 << 38)
    memory.mmap(0x1000_0000, 5 * PAGE_SIZE, RW, fixed=True)
    memory.mmap(0x4000_0000, 32 << 20, RW, fixed=True)
    assert len(memory.buffers(0x4000_0000, 32 << 20, write=True)) == 1
    physical = memory.physical(0x4000_0000)
    assert physical is not None and physical % (2 << 20) == 0


def test_strings_end_at_nul_or_are_too_long():
    _, memory = space()
    memory.mmap(BASE, 2 * PAGE_SIZE, RW, fixed=True)
    memory.write(BASE + PAGE_SIZE - 3, b"hello\0")
    assert memory.read_cstring(BASE + PAGE_SIZE - 3, 4096) == b"hello"
    memory.write(BASE, b"x" * (2 * PAGE_SIZE))
    with pytest.raises(GuestRefusal):
        memory.read_cstring(BASE, 100)
    with pytest.raises(GuestFault):
        memory.read_cstring(BASE + PAGE_SIZE, 1 << 20)


def test_code_is_announced_when_it_changes():
    parts, memory = space()
    told: list[tuple[int, int]] = []
    parts.ram.on_code_written(lambda address, size: told.append((address, size)))
    memory.load(BASE, b"\x13\0\0\0", Prot.READ | Prot.EXEC)
    assert told[-1] == (memory.physical(BASE), 4)
    told.clear()
    memory.mprotect(BASE, PAGE_SIZE, Prot.READ | Prot.WRITE)
    memory.write(BASE, b"abcd")
    assert not told
    memory.mprotect(BASE, PAGE_SIZE, Prot.READ | Prot.WRITE | Prot.EXEC)
    assert told == [(memory.physical(BASE), PAGE_SIZE)]
    memory.write(BASE, b"abcd")
    assert told[1:] == [(memory.physical(BASE), 4)]


def test_segments_that_share_a_page_get_the_rights_of_both():
    _, memory = space()
    memory.load(BASE + 16, b"text", Prot.READ | Prot.EXEC)
    memory.load(BASE + 32, b"data", Prot.READ | Prot.WRITE, size=PAGE_SIZE)
    assert memory.read(BASE + 16, 20) == b"text" + bytes(12) + b"data"
    assert [region.prot for region in memory.regions()] == [7, 3]


def test_mapping_count_is_limited(monkeypatch):
    monkeypatch.setattr("fairlead.services.addressspace.MAX_REGIONS", 4)
    _, memory = space()
    for n in range(4):
        memory.mmap(BASE + n * 2 * PAGE_SIZE, PAGE_SIZE, 0, fixed=True)
    with pytest.raises(GuestRefusal):
        memory.mmap(BASE + 64 * PAGE_SIZE, PAGE_SIZE, 0, fixed=True)
    memory.munmap(BASE, PAGE_SIZE)
    memory.mmap(BASE + 64 * PAGE_SIZE, PAGE_SIZE, 0, fixed=True)
