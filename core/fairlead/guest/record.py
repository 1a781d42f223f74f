"""The record that every port's image carries, so that nothing depends on symbols: images are often stripped.

A port's overlay places it in a loaded segment by the Go assembler's DATA directives, little-endian:

    offset  size  what
    0       16    "FAIRLEAD-RECORD" and a NUL
    16      4     version of the record, 1
    20      4     version of the port's ABI (`Port.abi`)
    24      16    the port's name, padded with NUL
    40      8     address of `runtime.buildVersion`, a Go string header (address, length)
    48      8     number of fields, at most 64
    56      24*n  the fields: a name of 16 bytes padded with NUL, and a value of 8 bytes

Names are those of the Go runtime: `allm`, `m0` (addresses of variables), `mstart`, `sigtramp` (addresses of
code), `m_procid`, `g_stack`, … (offsets, as go_asm.h gives them). What a port needs, its OS half asks for by
`Record.field`. The record starts at a multiple of 8 and must be referred to by code that is never dropped
(`rt0`), or the linker leaves it out:

    DATA  runtime·fairleadRecord+0(SB)/8, $"FAIRLEAD"
    DATA  runtime·fairleadRecord+8(SB)/8, $"-RECORD\\x00"
    DATA  runtime·fairleadRecord+16(SB)/4, $1
    DATA  runtime·fairleadRecord+20(SB)/4, $1                       // ABI
    DATA  runtime·fairleadRecord+24(SB)/8, $"opensbi\\x00"
    DATA  runtime·fairleadRecord+32(SB)/8, $0
    DATA  runtime·fairleadRecord+40(SB)/8, $runtime·buildVersion(SB)
    DATA  runtime·fairleadRecord+48(SB)/8, $2
    DATA  runtime·fairleadRecord+56(SB)/8, $"allm\\x00\\x00\\x00\\x00"
    DATA  runtime·fairleadRecord+64(SB)/8, $0
    DATA  runtime·fairleadRecord+72(SB)/8, $runtime·allm(SB)
    DATA  runtime·fairleadRecord+80(SB)/8, $"m_procid"
    DATA  runtime·fairleadRecord+88(SB)/8, $0
    DATA  runtime·fairleadRecord+96(SB)/8, $m_procid
    GLOBL runtime·fairleadRecord(SB), RODATA, $104
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import NamedTuple, Protocol

from fairlead.errors import ImageError

__all__ = ["MAGIC", "VERSION", "Loaded", "Record", "parse_record"]

MAGIC = b"FAIRLEAD-RECORD\0"
VERSION = 1

_HEAD = struct.Struct("<16sII16sQQ")
_FIELD = struct.Struct("<16sQ")
_STRING = struct.Struct("<QQ")
_MOST_FIELDS = 64
_MOST_CANDIDATES = 16
_LONGEST_VERSION = 256


class Loaded(Protocol):
    """The bytes of an image as they stand in memory before its first instruction."""

    def find(self, needle: bytes, alignment: int, start: int = 0) -> int | None:
        """Lowest address from `start`, a multiple of `alignment`, at which the bytes stand in a segment."""

    def read(self, address: int, size: int) -> bytes | None:
        """That many bytes, or None where they are not all inside one segment."""


class Record(NamedTuple):
    """What an image says of itself; `fields` are addresses and offsets by the Go runtime's names."""

    port: str
    abi: int
    go_version: str
    fields: Mapping[str, int]

    def field(self, name: str) -> int:
        """The value of a field; ImageError if the image's overlay did not give it."""
        try:
            return self.fields[name]
        except KeyError:
            raise ImageError(
                f"the image's record has no field {name}", hint="build the program again with this port"
            ) from None


def parse_record(image: Loaded) -> Record | None:
    """The record of an image, None where there is none; ImageError (without a path) for a malformed one."""
    at = image.find(MAGIC, 8)
    problem: ImageError | None = None
    for _ in range(_MOST_CANDIDATES):
        if at is None:
            break
        try:
            return _parse_at(image, at)
        except ImageError as error:  # a program may hold the magic as data of its own
            problem = problem or error
        at = image.find(MAGIC, 8, at + 8)
    if problem is not None:
        raise problem
    return None


def _parse_at(image: Loaded, at: int) -> Record:
    head = image.read(at, _HEAD.size)
    if head is None:
        raise _malformed("is cut off")
    _magic, version, abi, name, build_version, count = _HEAD.unpack(head)
    if version != VERSION:
        raise ImageError(
            f"the record is of version {version}, this fairlead reads version {VERSION}",
            hint="build the program again with this fairlead",
        )
    if count > _MOST_FIELDS:
        raise _malformed(f"claims {count} fields, {_MOST_FIELDS} is the most")
    table = image.read(at + _HEAD.size, _FIELD.size * count)
    if table is None:
        raise _malformed("is cut off")
    fields: dict[str, int] = {}
    for raw, value in _FIELD.iter_unpack(table):
        key = _text(raw)
        if key in fields:
            raise _malformed(f"names the field {key} twice")
        fields[key] = value
    return Record(port=_text(name), abi=abi, go_version=_go_version(image, build_version), fields=fields)


def _text(raw: bytes) -> str:
    name, _, rest = raw.partition(b"\0")
    if not name or rest.strip(b"\0") or not all(0x21 <= byte < 0x7F for byte in name):
        raise _malformed(f"holds a name that is no name, {raw!r}")
    return name.decode("ascii")


def _go_version(image: Loaded, address: int) -> str:
    header = image.read(address, _STRING.size)
    if header is None:
        raise _malformed("points at no Go version")
    start, size = _STRING.unpack(header)
    text = image.read(start, size) if 0 < size <= _LONGEST_VERSION else None
    if text is None or not all(0x20 <= byte < 0x7F for byte in text):
        raise _malformed("points at no Go version")
    return text.decode("ascii")


def _malformed(how: str) -> ImageError:
    return ImageError(f"the record {how}", hint="build the program again")
