"""Character devices: null, zero, full, random (mem(4), random(4), full(4))."""

from __future__ import annotations

import stat
from collections.abc import Callable
from errno import ENOSPC, ENXIO
from typing import TYPE_CHECKING

from fairlead.errors import GuestRefusal
from fairlead.services.description import Buffers, Description
from fairlead.services.locks import unlock
from fairlead.services.vfs_memory import MemoryFileSystem, MemoryNode

if TYPE_CHECKING:
    from fairlead.services.randomness import Randomness
    from fairlead.services.vfs import Node, Stat

__all__ = ["DEVICES", "CharacterDevice", "DeviceDescription", "device_number", "random_source"]

Fill = Callable[[memoryview], int]
_PIECE = 1 << 20


class CharacterDevice(MemoryNode):
    """A device node; `fill` answers reads (None: no such device), writes vanish or meet ENOSPC."""

    __slots__ = ("_fill", "_rdev", "_sink")

    def __init__(
        self, fs: MemoryFileSystem, major: int, minor: int, fill: Fill | None, *, sink: bool = True
    ) -> None:
        super().__init__(fs, stat.S_IFCHR | 0o666, 0, 0)
        self._rdev = device_number(major, minor)
        self._fill = fill
        self._sink = sink

    def stat(self) -> Stat:
        found = super().stat()
        found.rdev = self._rdev
        return found

    def open(self, flags: int) -> Description:
        if self._fill is None:
            raise GuestRefusal(ENXIO)
        return DeviceDescription(flags, self, self._fill, self._sink)


class DeviceDescription(Description):
    """An open device: every transfer is whole and at once, at no position."""

    __slots__ = ("_fill", "_node", "_sink")

    stream = False

    def __init__(self, flags: int, node: CharacterDevice, fill: Fill, sink: bool) -> None:
        super().__init__(flags)
        self._node = node
        self._fill = fill
        self._sink = sink

    @property
    def node(self) -> Node:
        return self._node

    def stat(self) -> Stat:
        return self._node.stat()

    def read(self, buffers: Buffers) -> int:
        done = 0
        for view in buffers:
            count = self._fill(view)
            done += count
            if count < len(view):
                break
        return done

    def write(self, buffers: Buffers) -> int:
        if not self._sink:
            raise GuestRefusal(ENOSPC)
        return sum(map(len, buffers))

    def preadv(self, buffers: Buffers, offset: int) -> int:
        return self.read(buffers)

    def pwritev(self, buffers: Buffers, offset: int) -> int:
        return self.write(buffers)

    def seek(self, offset: int, whence: int) -> int:
        return 0

    def reopen(self, flags: int) -> Description:
        return self._node.open(flags)

    def release(self) -> None:
        unlock(self._node, self)


def device_number(major: int, minor: int) -> int:
    """A dev_t as stat(2) shows it (makedev(3), new encoding)."""
    return (minor & 0xFF) | (major & 0xFFF) << 8 | (minor & ~0xFF) << 12 | (major & ~0xFFF) << 32


def random_source(seed: int) -> Fill:
    """Bytes for /dev/random: the same for the same seed, whatever else is random in the guest."""
    source: Randomness | None = None

    def fill(view: memoryview) -> int:
        nonlocal source
        if source is None:
            from fairlead.services.randomness import Randomness

            source = Randomness(seed, "/dev/random")
        for at in range(0, len(view), _PIECE):
            piece = view[at : at + _PIECE]
            piece[:] = source.bytes(len(piece))
        return len(view)

    return fill


def _nothing(view: memoryview) -> int:
    return 0


def _zeroes(view: memoryview) -> int:
    for at in range(0, len(view), _PIECE):
        piece = view[at : at + _PIECE]
        piece[:] = bytes(len(piece))
    return len(view)


DEVICES: dict[bytes, tuple[int, int, Fill | None, bool]] = {
    b"null": (1, 3, _nothing, True),
    b"zero": (1, 5, _zeroes, True),
    b"full": (1, 7, _zeroes, False),
    b"tty": (5, 0, None, True),
}
"""Devices by name: major, minor (admin-guide/devices.txt), what a read gives, whether writes are taken.

The process has no controlling terminal: opening /dev/tty is ENXIO.
"""
