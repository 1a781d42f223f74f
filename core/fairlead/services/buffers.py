"""Bytes in pieces: what guest memory looks like to a transfer."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["clip", "gather", "scatter"]


def clip(buffers: Sequence[memoryview], start: int, size: int) -> list[memoryview]:
    """At most `size` bytes from byte `start` on, as pieces."""
    pieces: list[memoryview] = []
    for view in buffers:
        length = len(view)
        if start >= length:
            start -= length
            continue
        piece = view[start : start + size]
        pieces.append(piece)
        start = 0
        size -= len(piece)
        if not size:
            break
    return pieces


def scatter(buffers: Sequence[memoryview], data: bytes | bytearray | memoryview) -> int:
    """Fill the pieces from `data`, as far as both go; how many bytes moved."""
    at = 0
    for view in buffers:
        piece = data[at : at + len(view)]
        view[: len(piece)] = piece
        at += len(piece)
        if at == len(data):
            break
    return at


def gather(buffers: Sequence[memoryview], limit: int) -> bytes:
    """At most `limit` bytes of the pieces, copied together."""
    return b"".join(clip(buffers, 0, limit)) if limit else b""
