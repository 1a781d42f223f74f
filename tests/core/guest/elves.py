"""Small ELF files and records, made by hand."""

from __future__ import annotations

import struct
from dataclasses import dataclass

RISCV, X86_64, ARM = 243, 62, 40
BASE = 0x20000


@dataclass
class Part:
    """One program header, and its bytes."""

    data: bytes = b""
    address: int = BASE
    kind: int = 1
    flags: int = 5
    memory: int | None = None


def elf(
    *parts: Part, machine: int = RISCV, kind: int = 2, entry: int = BASE, ident: bytes = b"\x7fELF\2\1\1"
) -> bytes:
    """An executable; each part starts on a page of its own in the file."""
    parts = parts or (Part(b"code" * 8),)
    offsets = [0x1000 * (index + 1) + part.address % 0x1000 for index, part in enumerate(parts)]
    head = struct.pack(
        "<16sHHIQQQIHHHHHH",
        ident.ljust(16, b"\0"), kind, machine, 1, entry, 64, 0, 0, 64, 56, len(parts), 64, 0, 0,
    )  # fmt: skip
    for part, offset in zip(parts, offsets, strict=True):
        memory = len(part.data) if part.memory is None else part.memory
        head += struct.pack(
            "<IIQQQQQQ",
            part.kind, part.flags, offset, part.address, part.address, len(part.data), memory, 0x1000,
        )  # fmt: skip
    whole = bytearray(head)
    for part, offset in zip(parts, offsets, strict=True):
        assert len(whole) <= offset
        whole = whole.ljust(offset, b"\0") + part.data
    return bytes(whole)


def record(
    *fields: tuple[bytes, int],
    at: int = BASE,
    port: bytes = b"trial",
    abi: int = 1,
    version: int = 1,
    count: int | None = None,
    go: bytes = b"go1.27.3",
) -> bytes:
    """A record to stand at an address, with the Go version's string behind it."""
    size = 56 + 24 * len(fields)
    head = struct.pack(
        "<16sII16sQQ",
        b"FAIRLEAD-RECORD\0", version, abi, port, at + size, len(fields) if count is None else count,
    )  # fmt: skip
    body = b"".join(struct.pack("<16sQ", name, value) for name, value in fields)
    return head + body + struct.pack("<QQ", at + size + 16, len(go)) + go
