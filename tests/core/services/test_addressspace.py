"""The address space against a dictionary of pages, on the engine's own RAM and page tables."""

from __future__ import annotations

import struct
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from fairlead.errors import GuestFault, GuestRefusal
from fairlead.machine import PAGE_SIZE, BoardOptions, Prot
from fairlead.plugins import find_board
from fairlead.services.addressspace import AddressSpace
from fairlead_machines.engine.sv39 import walk

LOW, BASE, HIGH = 0x10000, 0x60_0000, 0xE0_0000
RAM_BASE, RAM_SIZE = 0x8000_0000, 8 << 20
RW = int(Prot.READ | Prot.WRITE)


class Parts:
    """The board's machine, with the bytes that page tables took counted on the way."""

    def __init__(self, ram_size: int = RAM_SIZE) -> None:
        self.machine: Any = find_board("virt").build(BoardOptions(console=None, memory=ram_size))  # type: ignore[arg-type]
        self.cpu = self.machine.cpu
        self.ram = self.machine.ram
        self.words = self.ram.view.cast("Q")
        self.tables = 0
        self.root = 0

    def new_mmu(self, allocate):
        def counted(size):
            self.tables += size
            return allocate(size)

        mmu = self.machine.new_mmu(counted)
        self.root = mmu.root
        return mmu

    def walk(self, address):
        return walk(self.words, RAM_BASE, self.root, address)

    def close(self):
        self.words.release()
        self.machine.close()


def space(ram_size: int = RAM_SIZE, **limits: int) -> tuple[Parts, AddressSpace]:
    parts = Parts(ram_size)
    _MADE.append(parts)
    return parts, AddressSpace(parts, **({"low": LOW, "base": BASE, "high": HIGH} | limits))


_MADE: list[Parts] = []


@pytest.fixture(autouse=True)
def close_machines():
    yield
    while _MADE:
        _MADE.pop().close()


prots = st.sampled_from([0, 0, 1, 3, 3, 3, 3, 5, 7])
sizes = st.one_of(st.integers(1, 5), st.sampled_from([60, 512, 513, 700, 1024, 1400]))
anywhere = st.one_of(st.integers(LOW >> 12, (HIGH >> 12) + 2), st.sampled_from([BASE >> 12, 0x800, 0xA00, 0]))


class AgainstPages(RuleBasedStateMachine):
    """`model` maps a page number to [rights, first word or None while it has no memory]."""

    @initialize()
    def start(self):
        self.parts, self.memory = space()
        self.total = self.memory.frames.free + self.parts.tables
        self.model: dict[int, list] = {}
        self.stamp = 0

    def teardown(self):
        while _MADE:
            _MADE.pop().close()

    def span(self, data, sizes=sizes) -> range:
        """Pages anywhere, or about those that are mapped."""
        edges = [region.start >> 12 for region in self.memory.regions()]
        edges += [region.end >> 12 for region in self.memory.regions()]
        if edges and data.draw(st.integers(0, 3)):
            page = data.draw(st.sampled_from(edges)) + data.draw(st.sampled_from([0, 0, 1, 2, -1]))
        else:
            page = data.draw(anywhere)
        return range(page, page + data.draw(sizes))

    def first_fit(self, count: int) -> int | None:
        for low, high in ((BASE >> 12, HIGH >> 12), (LOW >> 12, HIGH >> 12)):
            run = 0
            for page in range(low, high):
                run = 0 if page in self.model else run + 1
                if run == count:
                    return page - count + 1
        return None

    def scarce(self, span: range, free: int) -> bool:
        """Is there less than the new pages of a range need, with what is kept for page tables?"""
        return (len(span) + 90) * PAGE_SIZE > free

    @rule(data=st.data(), prot=prots, fixed=st.booleans(), noreplace=st.booleans())
    def mmap(self, data, prot, fixed, noreplace):
        span = self.span(data)
        page, count = span.start, len(span)
        inside = page >= LOW >> 12 and page + count <= HIGH >> 12
        clash = any(each in self.model for each in span)
        spare = self.memory.frames.free
        if fixed:
            spare += sum(each in self.model and self.model[each][1] is not None for each in span) * PAGE_SIZE
        try:
            got = self.memory.mmap(page << 12, count << 12, prot, fixed=fixed, noreplace=noreplace) >> 12
        except GuestRefusal as refusal:
            if fixed and inside and noreplace and clash:
                assert refusal.errno == 17
            else:
                assert refusal.errno == 12
                full = self.first_fit(count) is None if not fixed else not inside
                assert full or (prot and self.scarce(span, spare))
            return
        if fixed:
            assert got == page and inside and not (noreplace and clash)
        elif inside and not clash:
            assert got == page
        else:
            assert got == self.first_fit(count)
        for each in range(got, got + count):
            self.model[each] = [prot, 0 if prot else None]

    @rule(count=sizes, prot=prots)
    def mmap_without_a_wish(self, count, prot):
        try:
            got = self.memory.mmap(0, count << 12, prot) >> 12
        except GuestRefusal:
            fits = self.first_fit(count)
            assert fits is None or (prot and self.scarce(range(count), self.memory.frames.free))
            return
        assert got == self.first_fit(count)
        for each in range(got, got + count):
            self.model[each] = [prot, 0 if prot else None]

    @rule(data=st.data())
    def munmap(self, data):
        span = self.span(data)
        try:
            self.memory.munmap(span.start << 12, len(span) << 12)
        except GuestRefusal as refusal:
            assert refusal.errno == 22 and span.stop > HIGH >> 12
            return
        for each in span:
            self.model.pop(each, None)

    @rule(data=st.data(), prot=prots)
    def mprotect(self, data, prot):
        span = self.span(data)
        whole = all(each in self.model for each in span)
        new = [each for each in span if each in self.model and self.model[each][1] is None]
        free = self.memory.frames.free
        try:
            self.memory.mprotect(span.start << 12, len(span) << 12, prot)
            assert whole
        except GuestRefusal as refusal:
            assert refusal.errno == 12
            assert not whole or (prot and new and self.scarce(range(len(new)), free))
            return
        for each in span:
            self.model[each][0] = prot
            if prot and self.model[each][1] is None:
                self.model[each][1] = 0

    @rule(data=st.data())
    def discard(self, data):
        span = self.span(data)
        whole = all(each in self.model for each in span)
        try:
            self.memory.discard(span.start << 12, len(span) << 12)
            assert whole
        except GuestRefusal as refusal:
            assert refusal.errno == 12 and not whole
            if span.stop > HIGH >> 12:
                return
        for each in span:
            if each in self.model:
                self.model[each][1] = 0 if self.model[each][0] else None

    @rule(data=st.data())
    def write(self, data):
        for page in self.span(data):
            self.stamp += 1
            if page in self.model and self.model[page][0] & 2:
                self.memory.write_u64(page << 12, self.stamp)
                self.model[page][1] = self.stamp
            else:
                with pytest.raises(GuestFault):
                    self.memory.write_u64(page << 12, self.stamp)

    @rule(data=st.data())
    def write_across(self, data):
        page = self.span(data).start
        self.stamp += 1
        if all(each in self.model and self.model[each][0] & 2 for each in (page - 1, page)):
            self.memory.write((page << 12) - 4, b"abcd" + struct.pack("<Q", self.stamp))
            self.model[page][1] = self.stamp
            assert self.memory.read_u32((page << 12) - 4) == 0x64636261
        else:
            with pytest.raises(GuestFault):
                self.memory.write((page << 12) - 4, bytes(12))

    @rule(data=st.data())
    def read(self, data):
        span = self.span(data)
        for page in span:
            known = self.model.get(page)
            if known is None or not known[0]:
                with pytest.raises(GuestFault):
                    self.memory.read_u64(page << 12)
            else:
                assert self.memory.read_u64(page << 12) == known[1]
                assert self.memory.read(page << 12, 8) == struct.pack("<Q", known[1])

    @precondition(lambda self: self.model)
    @invariant()
    def books_agree(self):
        regions = list(self.memory.regions())
        edges = {page for region in regions for page in (region.start >> 12, (region.end >> 12) - 1)}
        words = self.parts.words
        self.turn = getattr(self, "turn", 0) + 1
        for index, (page, (prot, word)) in enumerate(self.model.items()):
            if (index + self.turn) % 16 and page not in edges:
                continue  # every page is looked at once in sixteen steps
            physical = self.memory.physical(page << 12)
            assert (physical is None) == (word is None)
            found = self.parts.walk(page << 12)
            if word is None or not prot:
                assert found is None
            else:
                assert found is not None and found[0] == physical
                assert bool(found[1] & 4) == bool(prot & 2) and bool(found[1] & 8) == bool(prot & 4)
            if physical is not None:
                assert words[(physical - RAM_BASE) >> 3] == word
        backed = sorted((r.physical, r.end - r.start) for r in regions if r.physical is not None)
        assert all(a + size <= b for (a, size), (b, _) in pairwise([(RAM_BASE, 0), *backed]))
        committed = sum(word is not None for _, word in self.model.values()) * PAGE_SIZE
        assert committed == sum(size for _, size in backed)
        assert committed + self.memory.frames.free + self.parts.tables == self.total
        assert sum(region.end - region.start for region in regions) == len(self.model) * PAGE_SIZE


AgainstPages.TestCase.settings = settings(
    max_examples=10, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
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
    where = 0x8000_0000 - 3 * PAGE_SIZE
    memory.mmap(where, (8 << 20) + 7 * PAGE_SIZE, RW, fixed=True)
    assert len(memory.buffers(where, (8 << 20) + 7 * PAGE_SIZE, write=True)) <= 3
    physical = memory.physical(0x8000_0000)
    assert physical is not None and physical % (2 << 20) == 0


def test_blocks_that_come_back_are_one_piece_again():
    _, memory = space(ram_size=32 << 20, high=1 << 38)
    spans = [(0x4000_0000 + n * (2 << 20), 2 << 20) for n in range(14)]
    for where, size in spans:
        memory.mmap(where, size, RW, fixed=True)
    for where, size in spans[::2] + spans[1::2]:
        memory.munmap(where, size)
    memory.mmap(0x4000_0000, 28 << 20, RW, fixed=True)
    assert len(memory.buffers(0x4000_0000, 28 << 20, write=True)) == 1


def test_freed_addresses_are_used_again_lowest_first():
    _, memory = space()
    first, second, third = (memory.mmap(0, PAGE_SIZE, RW) for _ in range(3))
    memory.munmap(second, PAGE_SIZE)
    memory.munmap(first, PAGE_SIZE)
    assert memory.mmap(0, 2 * PAGE_SIZE, RW) == first
    assert memory.mmap(0, PAGE_SIZE, RW) == third + PAGE_SIZE


@pytest.mark.parametrize("count", [1, 100])
def test_what_was_accessed_before_is_forgotten_with_its_mapping(count):
    _, memory = space()
    memory.mmap(BASE, count * PAGE_SIZE, RW, fixed=True)
    memory.write_u64(BASE, 1)
    assert memory.read_u64(BASE) == 1
    memory.mprotect(BASE, count * PAGE_SIZE, 1)
    with pytest.raises(GuestFault):
        memory.write_u64(BASE, 2)
    assert memory.read_u64(BASE) == 1
    memory.mprotect(BASE, count * PAGE_SIZE, RW)
    memory.write_u64(BASE, 3)
    memory.munmap(BASE, count * PAGE_SIZE)
    for access in (lambda: memory.write_u64(BASE, 4), lambda: memory.read_u64(BASE)):
        with pytest.raises(GuestFault):
            access()


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
    memory.write(BASE, b"abcd")
    assert told[1:] == 2 * [(memory.physical(BASE), 4)]


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


def test_page_tables_never_run_out_under_a_guest_that_scatters_its_pages():
    parts, memory = space(high=1 << 38)
    refused = None
    for n in range(4096):
        try:
            memory.mmap(0x1000_0000 + n * (3 << 20), PAGE_SIZE, RW, fixed=True)
        except GuestRefusal as refusal:
            refused = refusal.errno
            break
    assert refused == 12
    memory.mprotect(0x1000_0000, PAGE_SIZE, 1)
    memory.munmap(0x1000_0000, PAGE_SIZE)
    assert parts.tables < RAM_SIZE


def test_a_refused_request_changes_nothing():
    _, memory = space(high=1 << 38)
    where = memory.mmap(0, 6 << 20, RW)
    memory.mmap(where, 8 << 20, 0, fixed=True)
    memory.mmap(where + (1 << 20), 5 << 20, RW, fixed=True)
    memory.write_u64(where + (1 << 20), 42)
    before = (memory.frames.free, [(r.start, r.end, r.prot, r.physical) for r in memory.regions()])
    for refused in (
        lambda: memory.mprotect(where, 8 << 20, RW),
        lambda: memory.mmap(where, 9 << 20, RW, fixed=True),
        lambda: memory.mmap(0, 3 << 20, RW),
    ):
        with pytest.raises(GuestRefusal):
            refused()
        assert before == (
            memory.frames.free,
            [(r.start, r.end, r.prot, r.physical) for r in memory.regions()],
        )
        assert memory.read_u64(where + (1 << 20)) == 42


def test_a_full_memory_can_be_mapped_anew_where_it_is():
    _, memory = space(high=1 << 38)
    where = memory.mmap(0, 7 << 20, RW)
    memory.write_u64(where, 1)
    assert memory.mmap(where, 7 << 20, RW, fixed=True) == where
    assert memory.read_u64(where) == 0
