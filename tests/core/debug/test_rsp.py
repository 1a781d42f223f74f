"""The packet codec: whatever is sent arrives, in any portions, and damage is noticed."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.debug.rsp import MAX_PACKET, Event, Kind, Reader, encode, escape
from fairlead.debug.signals import from_gdb, to_gdb
from fairlead.debug.wire import Address, parse_address
from fairlead.errors import UsageError

payloads = st.binary(max_size=200)


@given(st.lists(payloads), st.data())
def test_what_is_sent_arrives_in_any_portions(sent: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(encode(escape(each)) for each in sent)
    cuts = data.draw(st.lists(st.integers(0, len(stream))))
    reader, received = Reader(), []
    places = [0, *sorted(cuts), len(stream)]
    for start, end in pairwise(places):
        received += reader.feed(stream[start:end])
    assert received == [Event(Kind.PACKET, each) for each in sent]


@given(st.binary())
def test_no_bytes_break_the_reader_and_a_packet_after_them_arrives(garbage: bytes) -> None:
    reader = Reader()
    reader.feed(garbage)
    assert reader.feed(b"#00" + encode(b"g"))[-1] == Event(Kind.PACKET, b"g")


@given(payloads.filter(bool), st.data())
def test_a_flipped_bit_is_noticed(payload: bytes, data: st.DataObject) -> None:
    packet = bytearray(encode(escape(payload)))
    place = data.draw(st.integers(1, len(packet) - 4))
    packet[place] ^= 1 << data.draw(st.integers(0, 7))
    assert Event(Kind.PACKET, payload) not in Reader().feed(bytes(packet))


@given(payloads)
def test_nothing_special_is_left_in_escaped_data(payload: bytes) -> None:
    assert not set(escape(payload).replace(b"}", b"")) & set(b"#$*")


@pytest.mark.parametrize("damaged", [b"$g#00", b"$g#zz", b"$g#6 ", b"$g#+7", b"$}#7d", b"$g##6", b"$g#_7"])
def test_damaged_packets(damaged: bytes) -> None:
    assert Reader().feed(damaged) == [Event(Kind.BROKEN)]


def test_marks_between_packets_and_noise() -> None:
    assert [each.kind for each in Reader().feed(b"xx+-\x03$#00yy")] == [
        Kind.ACK, Kind.NAK, Kind.INTERRUPT, Kind.PACKET,
    ]  # fmt: skip


def test_a_packet_that_begins_anew_is_the_later_one() -> None:
    assert Reader().feed(b"$lost$g#67") == [Event(Kind.PACKET, b"g")]


def test_a_packet_without_end_takes_no_memory() -> None:
    reader = Reader()
    assert reader.feed(b"$" + b"m" * (3 * MAX_PACKET)) == []
    assert len(reader._packet or b"") <= MAX_PACKET
    assert reader.feed(b"#00") == [Event(Kind.BROKEN)]
    assert reader.feed(encode(b"m" * MAX_PACKET)) == [Event(Kind.PACKET, b"m" * MAX_PACKET)]


def test_signals_there_and_back() -> None:
    for number in range(1, 65):
        if number != 16:  # SIGSTKFLT, which gdb does not know
            assert from_gdb(to_gdb(number)) == number
    assert (to_gdb(16), from_gdb(143)) == (143, None)
    # include/gdb/signals.def
    assert [to_gdb(each) for each in (7, 10, 23, 11, 33, 34)] == [10, 30, 16, 11, 45, 46]


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("1234", Address("127.0.0.1", 1234)),
        (":0", Address("127.0.0.1", 0)),
        ("0.0.0.0:65535", Address("0.0.0.0", 65535)),
        ("[::1]:7", Address("::1", 7)),
    ],
)
def test_addresses(text: str, address: Address) -> None:
    assert parse_address(text) == address


@pytest.mark.parametrize("text", ["", "x", "65536", "-1", "1234:", "host:+5", "1 2", "٣"])
def test_addresses_that_are_none(text: str) -> None:
    with pytest.raises(UsageError, match="names no port"):
        parse_address(text)
