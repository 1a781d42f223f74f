"""Packets of the GDB remote serial protocol (gdb manual, appendix E.1 and E.6), to bytes and back."""

from __future__ import annotations

import enum
from typing import NamedTuple

__all__ = ["MAX_PACKET", "Event", "Kind", "Reader", "encode", "escape"]

MAX_PACKET = 0x4000
"""Bytes of a packet's payload as it travels, escapes included; what we tell the debugger."""

_INTERRUPT = 0x03
_ESCAPE, _FLIP = 0x7D, 0x20
_SPECIAL = frozenset(b"#$}*")
_DOLLAR, _HASH = 0x24, 0x23


class Kind(enum.Enum):
    """What came over the wire."""

    PACKET = "a packet"
    BROKEN = "a packet that was damaged on its way"
    ACK = "an acknowledgement"
    NAK = "a wish to have the last packet again"
    INTERRUPT = "Ctrl-C"


class Event(NamedTuple):
    """One of them, with a packet's payload, unescaped."""

    kind: Kind
    payload: bytes = b""


_MARKS = {ord("+"): Kind.ACK, ord("-"): Kind.NAK, _INTERRUPT: Kind.INTERRUPT}


def escape(data: bytes) -> bytes:
    """Binary data as it may stand in a packet."""
    if not _SPECIAL.intersection(data):
        return data
    out = bytearray()
    for byte in data:
        if byte in _SPECIAL:
            out += bytes((_ESCAPE, byte ^ _FLIP))
        else:
            out.append(byte)
    return bytes(out)


def encode(payload: bytes) -> bytes:
    """A packet around a payload, whose binary parts are escaped already."""
    return b"$%b#%02x" % (payload, sum(payload) & 0xFF)


def _decode(raw: bytes, checksum: bytes) -> Event:
    """What stood between $ and #, and the two digits after it."""
    try:
        wanted = int(checksum, 16)
    except ValueError:
        return Event(Kind.BROKEN)
    if wanted != sum(raw) & 0xFF or b"_" in checksum or not checksum.isalnum():
        return Event(Kind.BROKEN)
    if _ESCAPE not in raw:
        return Event(Kind.PACKET, raw)
    out = bytearray()
    rest = iter(raw)
    for byte in rest:
        if byte == _ESCAPE:
            following = next(rest, None)
            if following is None:
                return Event(Kind.BROKEN)
            byte = following ^ _FLIP
        out.append(byte)
    return Event(Kind.PACKET, bytes(out))


class Reader:
    """Takes bytes as they arrive, in any portions; what is no part of a packet is passed over."""

    def __init__(self) -> None:
        self._packet: bytearray | None = None
        """What came after a $, without it; None between packets."""
        self._lost = False

    def feed(self, data: bytes) -> list[Event]:
        """What is complete by now, in order."""
        events = []
        for byte in data:
            event = self._take(byte)
            if event is not None:
                events.append(event)
        return events

    def _take(self, byte: int) -> Event | None:
        packet = self._packet
        if packet is None:
            if byte == _DOLLAR:
                self._begin()
                return None
            kind = _MARKS.get(byte)
            return Event(kind) if kind is not None else None
        if len(packet) >= 2 and packet[-2] == _HASH:
            packet.append(byte)
            return self._end(packet)
        if byte == _DOLLAR:
            self._begin()  # its end was lost: in a payload it is escaped
        elif len(packet) < MAX_PACKET or _HASH in (byte, packet[-1]):
            packet.append(byte)
        else:
            self._lost = True
        return None

    def _begin(self) -> None:
        self._packet = bytearray()
        self._lost = False

    def _end(self, packet: bytearray) -> Event:
        self._packet = None
        return Event(Kind.BROKEN) if self._lost else _decode(bytes(packet[:-3]), bytes(packet[-2:]))
