"""A sparse file's bytes in host memory, paid for from a quota that its file system shares."""

from __future__ import annotations

from collections.abc import Sequence
from errno import EFBIG, ENOSPC, ENXIO, EOPNOTSUPP

from fairlead.errors import GuestRefusal
from fairlead.services.flags import FALLOC_KEEP_SIZE, FALLOC_PUNCH_HOLE, FALLOC_ZERO_RANGE

__all__ = ["CHUNK", "Blocks", "Quota"]

CHUNK = 1 << 16
"""Bytes kept together; what was never written in a chunk after its last byte costs nothing."""
MAX_SIZE = (1 << 63) - 1
_ZEROES = memoryview(bytes(CHUNK))
_HOST_COST = 96
"""Host bytes a chunk takes beside its data, about (dict slot, object header)."""


class Quota:
    """Host memory that guests may fill: bytes, counted when they are taken."""

    __slots__ = ("limit", "used")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.used = 0

    def charge(self, size: int) -> None:
        if self.used + size > self.limit:
            raise GuestRefusal(ENOSPC)
        self.used += size

    def release(self, size: int) -> None:
        self.used -= size

    @property
    def left(self) -> int:
        return max(0, self.limit - self.used)


class Blocks:
    """Bytes from 0 to `size`; chunks that are absent, and the ends of short ones, read as zeroes."""

    __slots__ = ("_chunks", "_quota", "allocated", "size")

    def __init__(self, quota: Quota) -> None:
        self._quota = quota
        self._chunks: dict[int, bytearray] = {}
        self.size = 0
        self.allocated = 0
        """Bytes in chunks."""

    def read(self, buffers: Sequence[memoryview], offset: int) -> int:
        start = offset
        for view in buffers:
            if offset >= self.size:
                break
            count = min(len(view), self.size - offset)
            self._read(view, offset, count)
            offset += count
        return offset - start

    def _read(self, view: memoryview, offset: int, count: int) -> None:
        done = 0
        while done < count:
            index, at = divmod(offset + done, CHUNK)
            piece = min(CHUNK - at, count - done)
            chunk = self._chunks.get(index)
            held = 0 if chunk is None else max(0, min(len(chunk) - at, piece))
            if chunk is not None and held:
                with memoryview(chunk) as data:
                    view[done : done + held] = data[at : at + held]
            if held < piece:
                view[done + held : done + piece] = _ZEROES[: piece - held]
            done += piece

    def write(self, buffers: Sequence[memoryview], offset: int) -> int:
        """Bytes written: fewer than given where the quota ends meanwhile, ENOSPC if none."""
        start = offset
        if offset >= MAX_SIZE:
            raise GuestRefusal(EFBIG)
        for view in buffers:
            try:
                offset += self._write(view, offset)
            except GuestRefusal:
                if offset == start:
                    raise
                break
        self.size = max(self.size, offset) if offset > start else self.size
        return offset - start

    def _write(self, view: memoryview, offset: int) -> int:
        count = min(len(view), MAX_SIZE - offset)
        done = 0
        while done < count:
            index, at = divmod(offset + done, CHUNK)
            piece = min(CHUNK - at, count - done)
            chunk = self._chunks.get(index)
            held = 0 if chunk is None else len(chunk)
            try:
                if held < at + piece:
                    self._quota.charge(at + piece - held + (0 if held else _HOST_COST))
            except GuestRefusal:
                if not done:
                    raise
                break
            if chunk is None:
                chunk = self._chunks[index] = bytearray(at + piece)
                self.allocated += at + piece
            elif held < at + piece:
                chunk.extend(_ZEROES[: at + piece - held])
                self.allocated += at + piece - held
            chunk[at : at + piece] = view[done : done + piece]
            done += piece
        return done

    def truncate(self, size: int) -> None:
        if size > MAX_SIZE:
            raise GuestRefusal(EFBIG)
        if size < self.size:
            self._drop(size, self.size)
        self.size = size

    def _drop(self, start: int, end: int) -> None:
        """Make a range read as zeroes, giving back what can be; `end` at or past the size cuts short."""
        for index in self._touched(start, end):
            base = index * CHUNK
            chunk = self._chunks[index]
            first = max(start - base, 0)
            last = min(end - base, CHUNK)
            if last >= len(chunk):
                cut = len(chunk) - first
                if cut <= 0:
                    continue
                del chunk[first:]
                self.allocated -= cut
                self._quota.release(cut)
                if not chunk:
                    del self._chunks[index]
                    self._quota.release(_HOST_COST)
            else:
                chunk[first:last] = _ZEROES[: last - first]

    def _touched(self, start: int, end: int) -> list[int]:
        first, last = start // CHUNK, (end - 1) // CHUNK
        if last - first < len(self._chunks):
            return [index for index in range(first, last + 1) if index in self._chunks]
        return [index for index in self._chunks if first <= index <= last]

    def allocate(self, mode: int, offset: int, size: int) -> None:
        end = offset + size
        if end > MAX_SIZE:
            raise GuestRefusal(EFBIG)
        if mode & ~(FALLOC_KEEP_SIZE | FALLOC_PUNCH_HOLE | FALLOC_ZERO_RANGE):
            raise GuestRefusal(EOPNOTSUPP)
        if mode & FALLOC_PUNCH_HOLE:
            if mode != FALLOC_PUNCH_HOLE | FALLOC_KEEP_SIZE:
                raise GuestRefusal(EOPNOTSUPP)
            if offset < self.size:
                self._drop(offset, min(end, self.size))
            return
        if size > self._quota.left:
            raise GuestRefusal(ENOSPC)
        if mode & FALLOC_ZERO_RANGE and offset < self.size:
            self._drop(offset, min(end, self.size))
        if not mode & FALLOC_KEEP_SIZE:
            self.size = max(self.size, end)

    def seek(self, offset: int, hole: bool) -> int:
        """The next hole or data at or after `offset`, by chunks; the end of the file is a hole."""
        index = offset // CHUNK
        if hole:
            while index in self._chunks:
                index += 1
            return min(max(index * CHUNK, offset), self.size)
        if index in self._chunks:
            return offset
        later = [each for each in self._chunks if each > index]
        if not later:
            raise GuestRefusal(ENXIO)
        return min(later) * CHUNK

    def free(self) -> None:
        """Give everything back."""
        self._quota.release(self.allocated + _HOST_COST * len(self._chunks))
        self._chunks = {}
        self.allocated = 0
        self.size = 0
