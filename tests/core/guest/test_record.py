from __future__ import annotations

import pytest
from elves import BASE, record
from hypothesis import given
from hypothesis import strategies as st

from fairlead.errors import ImageError
from fairlead.guest.record import MAGIC, parse_record


class Bytes:
    """One segment."""

    def __init__(self, data: bytes, base: int = BASE) -> None:
        self.data = data
        self.base = base

    def find(self, needle: bytes, alignment: int, start: int = 0) -> int | None:
        at = max(0, start - self.base)
        while (at := self.data.find(needle, at)) >= 0:
            if (at + self.base) % alignment == 0:
                return at + self.base
            at += 1
        return None

    def read(self, address: int, size: int) -> bytes | None:
        at = address - self.base
        return self.data[at : at + size] if at >= 0 and at + size <= len(self.data) else None


def test_round_trip() -> None:
    found = parse_record(Bytes(record((b"allm", 0x8000), (b"m_procid", 64), (b"x" * 16, 0), abi=3)))
    assert found is not None
    assert (found.port, found.abi, found.go_version) == ("trial", 3, "go1.27.3")
    assert found.fields == {"allm": 0x8000, "m_procid": 64, "x" * 16: 0}
    assert found.field("m_procid") == 64
    with pytest.raises(ImageError, match="no field mstart"):
        found.field("mstart")


def test_none_where_there_is_none() -> None:
    assert parse_record(Bytes(b"FAIRLEAD-RECORD" * 3)) is None
    assert parse_record(Bytes(b"1234" + record(at=BASE + 4))) is None, "not aligned"


def test_found_behind_a_program_that_holds_the_magic() -> None:
    decoy = MAGIC * 3
    found = parse_record(Bytes(decoy + record((b"a", 1), at=BASE + len(decoy))))
    assert found is not None
    assert found.field("a") == 1


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (record(version=2), "version 2"),
        (record((b"a", 1), (b"a", 2)), "twice"),
        (record(count=65), "65 fields"),
        (record(count=1 << 60), "fields"),
        (record(count=9), "cut off"),
        (record()[:40], "cut off"),
        (record((b"", 1)), "no name"),
        (record((b"a\0b", 1)), "no name"),
        (record((b"a b", 1)), "no name"),
        (record(port=b"\xc3\xbc"), "no name"),
        (record(go=b""), "no Go version"),
        (record(go=b"go\n"), "no Go version"),
        (record(go=b"x" * 300), "no Go version"),
        (record()[:-1], "no Go version"),
        (record(at=1 << 40), "no Go version"),
    ],
)
def test_malformed(data: bytes, reason: str) -> None:
    with pytest.raises(ImageError, match=reason):
        parse_record(Bytes(data))


@given(st.lists(st.tuples(st.integers(0, 200), st.integers(0, 255)), max_size=8), st.integers(0, 200))
def test_damaged(changes: list[tuple[int, int]], cut: int) -> None:
    data = bytearray(record((b"allm", 1), (b"m0", 2)))
    for at, value in changes:
        data[at % len(data)] = value
    try:
        parse_record(Bytes(bytes(data[:cut])))
    except ImageError:
        pass


@given(st.binary(max_size=200))
def test_any_bytes_after_the_magic(tail: bytes) -> None:
    try:
        parse_record(Bytes(MAGIC + tail))
    except ImageError:
        pass
