"""A sparse file's bytes against a bytearray, and against its quota."""

from __future__ import annotations

from errno import EFBIG, ENOSPC, ENXIO, EOPNOTSUPP

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from fairlead.errors import GuestRefusal
from fairlead.services.flags import FALLOC_KEEP_SIZE, FALLOC_PUNCH_HOLE, FALLOC_ZERO_RANGE
from fairlead.services.vfs_blocks import CHUNK, Blocks, Quota

offsets = st.one_of(
    st.integers(0, 3 * CHUNK), st.sampled_from([0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 5 * CHUNK])
)
pieces = st.lists(st.sampled_from([0, 1, 5, 20, CHUNK, CHUNK + 7]), max_size=3)


class AgainstBytes(RuleBasedStateMachine):
    @initialize()
    def start(self) -> None:
        self.quota = Quota(1 << 30)
        self.blocks = Blocks(self.quota)
        self.model = bytearray()
        self.stamp = 0

    def reach(self, size: int) -> None:
        self.model.extend(bytes(max(0, size - len(self.model))))

    @rule(offset=offsets, sizes=pieces)
    def write(self, offset: int, sizes: list[int]) -> None:
        self.stamp += 1
        data = [bytes((self.stamp % 251 + 1,)) * size for size in sizes]
        joined = b"".join(data)
        assert self.blocks.write([memoryview(each) for each in data], offset) == len(joined)
        if joined:
            self.reach(offset)
            self.model[offset : offset + len(joined)] = joined

    @rule(offset=offsets, sizes=st.lists(st.sampled_from([0, 1, 5, 100, CHUNK]), max_size=4))
    def read(self, offset: int, sizes: list[int]) -> None:
        into = [bytearray(b"#" * size) for size in sizes]
        count = self.blocks.read([memoryview(each) for each in into], offset)
        expected = bytes(self.model[offset : offset + sum(sizes)])
        assert count == len(expected)
        assert b"".join(into) == expected.ljust(sum(sizes), b"#")

    @rule(size=offsets)
    def truncate(self, size: int) -> None:
        self.blocks.truncate(size)
        del self.model[size:]
        self.reach(size)

    @rule(offset=offsets, size=st.integers(1, CHUNK))
    def punch(self, offset: int, size: int) -> None:
        self.blocks.allocate(FALLOC_PUNCH_HOLE | FALLOC_KEEP_SIZE, offset, size)
        end = min(offset + size, len(self.model))
        self.model[offset:end] = bytes(max(0, end - offset))

    @rule(offset=offsets, size=st.integers(1, CHUNK))
    def zero(self, offset: int, size: int) -> None:
        self.blocks.allocate(FALLOC_ZERO_RANGE, offset, size)
        self.reach(offset + size)
        self.model[offset : offset + size] = bytes(size)

    @rule(offset=offsets, hole=st.booleans())
    def seek(self, offset: int, hole: bool) -> None:
        if offset >= len(self.model):
            return
        try:
            found = self.blocks.seek(offset, hole)
        except GuestRefusal as refusal:
            assert refusal.errno == ENXIO and not hole and not any(self.model[offset:])
            return
        assert offset <= found <= len(self.model)
        assert hole or not any(self.model[offset:found])  # nothing but holes is skipped

    @invariant()
    def counted(self) -> None:
        if hasattr(self, "blocks"):
            assert self.blocks.size == len(self.model)
            assert self.quota.used >= self.blocks.allocated >= 0

    def teardown(self) -> None:
        if hasattr(self, "blocks"):
            buffer = bytearray(len(self.model))
            self.blocks.read((memoryview(buffer),), 0)
            assert buffer == self.model
            self.blocks.free()
            assert self.quota.used == 0


TestAgainstBytes = AgainstBytes.TestCase
TestAgainstBytes.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)


def view(data: bytes) -> list[memoryview]:
    return [memoryview(data)]


def test_a_far_offset_costs_little() -> None:
    quota = Quota(1 << 20)
    blocks = Blocks(quota)
    assert blocks.write(view(b"far"), 1 << 40) == 3
    assert blocks.size == (1 << 40) + 3 and quota.used < 2 * CHUNK
    assert blocks.seek(0, False) == 1 << 40 and blocks.seek(0, True) == 0
    blocks.truncate(1 << 62)
    blocks.truncate(0)
    assert quota.used == 0


def test_a_full_file_system_takes_what_fits_and_then_refuses() -> None:
    quota = Quota(CHUNK + 120)
    blocks = Blocks(quota)
    assert blocks.write(view(b"x" * 3 * CHUNK), 0) == CHUNK == blocks.size
    with pytest.raises(GuestRefusal) as caught:
        blocks.write(view(b"more"), CHUNK)
    assert caught.value.errno == ENOSPC and quota.used <= quota.limit and blocks.size == CHUNK
    assert blocks.write(view(b"over"), 0) == 4  # what is there can be changed


@pytest.mark.parametrize(
    ("mode", "offset", "size", "errno"),
    [(0, 0, 1 << 40, ENOSPC), (0, (1 << 63) - 1, 10, EFBIG), (8, 0, 10, EOPNOTSUPP), (2, 0, 10, EOPNOTSUPP)],
)
def test_allocations_that_cannot_be(mode: int, offset: int, size: int, errno: int) -> None:
    with pytest.raises(GuestRefusal) as caught:
        Blocks(Quota(1 << 20)).allocate(mode, offset, size)
    assert caught.value.errno == errno


def test_nothing_is_written_past_the_largest_offset() -> None:
    blocks = Blocks(Quota(1 << 20))
    with pytest.raises(GuestRefusal) as caught:
        blocks.write(view(b"x"), (1 << 63) - 1)
    assert caught.value.errno == EFBIG
    assert blocks.write(view(b"xyz"), (1 << 63) - 3) == 2
