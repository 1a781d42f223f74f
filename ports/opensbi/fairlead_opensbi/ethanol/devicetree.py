"""What the port reads of the device tree: the time base and /chosen."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any, NamedTuple

from fairlead.errors import PortError

__all__ = ["Chosen", "read_device_tree"]


class Chosen(NamedTuple):
    timebase: int
    """Ticks of the TIME CSR a second: /cpus/timebase-frequency."""
    bootargs: str
    properties: Mapping[str, bytes]
    """The properties of /chosen as bytes."""


def read_device_tree(blob: bytes) -> Chosen:
    """Read a flattened device tree; PortError if it cannot be used."""
    import fdt

    try:
        tree = fdt.parse_dtb(blob)
        timebase = int(tree.get_property("timebase-frequency", "/cpus").value)
        chosen = {each.name: _raw(each) for each in tree.get_node("/chosen").props}
    except Exception as error:  # whatever a library makes of a malformed tree
        raise PortError(f"port opensbi: the device tree cannot be used: {error}") from error
    if timebase <= 0:
        raise PortError(f"port opensbi: the device tree's timebase-frequency is {timebase}")
    line = chosen.get("bootargs", b"").partition(b"\0")[0]
    return Chosen(timebase, line.decode("utf-8", "surrogateescape"), chosen)


def _raw(item: Any) -> bytes:
    """A property's bytes: the library has guessed a type for it (strings, words or bytes)."""
    data: bytearray | list[int] | list[str] = getattr(item, "data", bytearray())
    if isinstance(data, bytearray):
        return bytes(data)
    return b"".join(
        struct.pack(">I", each) if isinstance(each, int) else each.encode("ascii") + b"\0" for each in data
    )
