"""Calls about files, as tests write them."""

from __future__ import annotations

import struct
from typing import Any

from fairlead.machine import PAGE_SIZE

__all__ = ["HERE", "Hand"]

HERE = -100
"""AT_FDCWD."""
_ROOM = 16 * PAGE_SIZE


class Hand:
    """Arguments laid out in the guest's memory, and calls that succeed."""

    def __init__(self, desk: Any) -> None:
        self.desk = desk
        self.room = desk.room
        self.end = desk.room + _ROOM
        """The first address that is not mapped."""

    def text(self, path: str, at: int = 0) -> int:
        self.desk.memory.write(self.room + at, path.encode() + b"\0")
        return self.room + at

    def open(self, path: str, flags: int, mode: int = 0o644) -> int:
        return self.desk.value("openat", HERE, self.text(path), flags, mode)

    def put(self, fd: int, data: bytes) -> int:
        self.desk.memory.write(self.room + 8192, data)
        return self.desk.value("write", fd, self.room + 8192, len(data))

    def get(self, fd: int, size: int = 100) -> bytes:
        count = self.desk.value("read", fd, self.room + 8192, size)
        return self.desk.memory.read(self.room + 8192, count)

    def pipe(self, flags: int = 0) -> tuple[int, int]:
        self.desk.value("pipe2", self.room, flags)
        first, second = struct.unpack("<ii", self.desk.memory.read(self.room, 8))
        return first, second

    def iovec(self, *ranges: tuple[int, int], at: int = 4096) -> int:
        self.desk.memory.write(self.room + at, b"".join(struct.pack("<QQ", *each) for each in ranges))
        return self.room + at
