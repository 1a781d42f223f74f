"""Guest memory as the OS half reads and writes it: by virtual address, with the guest's own rights."""

from __future__ import annotations

from struct import Struct
from typing import Any

from fairlead.errors import GuestFault, GuestRefusal
from fairlead.machine import PAGE_SIZE, Prot, Ram
from fairlead.services.regions import RegionMap

__all__ = ["GuestMemory"]

_OFFSET = PAGE_SIZE - 1
_SHIFT = PAGE_SIZE.bit_length() - 1
_MAX_CACHED = 1 << 15
_FEW_PAGES = 64
_READ = int(Prot.READ)
_WRITE = int(Prot.WRITE)
_EXEC = int(Prot.EXEC)
_ENAMETOOLONG = 36

_u32 = Struct("<I")
_i32 = Struct("<i")
_u64 = Struct("<Q")


class GuestMemory:
    """Checked access; anything missing or forbidden, wild values up to 2**64-1 included, is a GuestFault.

    `_readable` and `_writable` map a virtual page number to what must be added to a virtual address to index
    the RAM view; whoever changes a mapping calls `_forget`.
    """

    def __init__(self, ram: Ram, regions: RegionMap) -> None:
        self._ram = ram
        self._view = ram.view
        self._regions = regions
        self._readable: dict[int, int] = {}
        self._writable: dict[int, int] = {}

    def read(self, address: int, size: int) -> bytes:
        """The bytes at an address."""
        delta = self._readable.get(address >> _SHIFT)
        if delta is not None and (address & _OFFSET) + size <= PAGE_SIZE:
            index = address + delta
            return bytes(self._view[index : index + size])
        return b"".join(self.buffers(address, size, write=False))

    def write(self, address: int, data: bytes | bytearray | memoryview) -> None:
        """Write bytes; where a part of the range is bad nothing is written."""
        size = len(data)
        delta = self._writable.get(address >> _SHIFT)
        if delta is not None and (address & _OFFSET) + size <= PAGE_SIZE:
            index = address + delta
            self._view[index : index + size] = data
            return
        self._scatter(self._pieces(address, size, _WRITE), data)

    def buffers(self, address: int, size: int, write: bool) -> list[memoryview]:
        """The range as views of RAM, one for each physically contiguous piece; good until the guest runs.

        With `write` the views may be written to.
        """
        view = self._view
        delta = (self._writable if write else self._readable).get(address >> _SHIFT)
        if delta is not None and (address & _OFFSET) + size <= PAGE_SIZE:
            index = address + delta
            return [view[index : index + size]]
        return [view[start:end] for start, end in self._pieces(address, size, _WRITE if write else _READ)]

    def read_cstring(self, address: int, limit: int) -> bytes:
        """Bytes up to a NUL, without it; ENAMETOOLONG where there is none in `limit` bytes."""
        out = b""
        while len(out) < limit:
            part = self.read(address, min(limit - len(out), PAGE_SIZE - (address & _OFFSET)))
            found = part.find(0)
            if found >= 0:
                return out + part[:found]
            out += part
            address += len(part)
        raise GuestRefusal(_ENAMETOOLONG)

    def read_u32(self, address: int) -> int:
        delta = self._readable.get(address >> _SHIFT)
        if delta is None or address & _OFFSET > PAGE_SIZE - 4:
            return int.from_bytes(self.read(address, 4), "little")
        value: int = _u32.unpack_from(self._view, address + delta)[0]
        return value

    def read_i32(self, address: int) -> int:
        delta = self._readable.get(address >> _SHIFT)
        if delta is None or address & _OFFSET > PAGE_SIZE - 4:
            return int.from_bytes(self.read(address, 4), "little", signed=True)
        value: int = _i32.unpack_from(self._view, address + delta)[0]
        return value

    def read_u64(self, address: int) -> int:
        delta = self._readable.get(address >> _SHIFT)
        if delta is None or address & _OFFSET > PAGE_SIZE - 8:
            return int.from_bytes(self.read(address, 8), "little")
        value: int = _u64.unpack_from(self._view, address + delta)[0]
        return value

    def write_u32(self, address: int, value: int) -> None:
        """Write a value modulo 2**32."""
        self.write(address, _u32.pack(value & 0xFFFF_FFFF))

    def write_u64(self, address: int, value: int) -> None:
        """Write a value modulo 2**64."""
        self.write(address, _u64.pack(value & 0xFFFF_FFFF_FFFF_FFFF))

    def unpack(self, layout: Struct, address: int) -> tuple[Any, ...]:
        """A structure's fields at an address."""
        return layout.unpack(self.read(address, layout.size))

    def physical(self, address: int) -> int | None:
        """Where in physical memory a virtual address is, whatever its rights; None if nowhere."""
        region = self._regions.at(address)
        if region is None or region.physical is None:
            return None
        return address - region.start + region.physical

    def _pieces(self, address: int, size: int, right: int) -> list[tuple[int, int]]:
        """The range as [start, end) indices into the RAM view, all checked first; `right` 0 asks nothing."""
        pieces: list[tuple[int, int]] = []
        position, end = address, address + size
        base = self._ram.base
        while position < end:
            region = self._regions.at(position)
            if region is None or region.physical is None or region.prot & right != right:
                raise GuestFault(position, write=right == _WRITE)
            stop = min(end, region.end)
            delta = region.physical - base - region.start
            if position == address:
                self._remember(position >> _SHIFT, delta, region.prot)
            if pieces and pieces[-1][1] == position + delta:
                pieces[-1] = (pieces[-1][0], stop + delta)
            else:
                pieces.append((position + delta, stop + delta))
            if right == _WRITE and region.prot & _EXEC:
                self._ram.code_written(position + delta + base, stop - position)
            position = stop
        return pieces

    def _scatter(self, pieces: list[tuple[int, int]], data: bytes | bytearray | memoryview) -> None:
        source = memoryview(data)
        for start, end in pieces:
            self._view[start:end] = source[: end - start]
            source = source[end - start :]

    def _remember(self, page: int, delta: int, prot: int) -> None:
        if prot & _READ:
            if len(self._readable) >= _MAX_CACHED:
                self._readable.clear()
            self._readable[page] = delta
        if prot & _WRITE and not prot & _EXEC:  # writes to code must be told of, so they take the slow way
            if len(self._writable) >= _MAX_CACHED:
                self._writable.clear()
            self._writable[page] = delta

    def _forget(self, start: int, end: int) -> None:
        """Drop what is remembered of [start, end), whose mapping changes."""
        first, last = start >> _SHIFT, end >> _SHIFT
        if last - first > _FEW_PAGES:
            self._readable.clear()
            self._writable.clear()
            return
        for page in range(first, last):
            self._readable.pop(page, None)
            self._writable.pop(page, None)
