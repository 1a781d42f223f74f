"""An image: a static executable with what the core must know of it, checked before anything runs."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from fairlead.errors import FairleadError, ImageError
from fairlead.guest.cache import Cache, digest
from fairlead.guest.record import Record, parse_record
from fairlead.machine import Prot

if TYPE_CHECKING:
    from fairlead.port import Port

__all__ = ["Image", "Layout", "Segment", "load_image"]

_LARGEST = 1 << 30
_KIND = "sidecars-1"
_KEPT = 4096
_BUILD_INFO = b"\xff Go buildinf:"  # debug/buildinfo: in every Go program, at a multiple of 16
_GOARCH = {"riscv64": "riscv64", "x86_64": "amd64"}


class Segment(NamedTuple):
    """A part of the file that is loaded: `file_size` bytes from `offset`, zeroes up to `size`."""

    address: int
    size: int
    offset: int
    file_size: int
    prot: Prot


class Layout(NamedTuple):
    """An executable's headers; segments ascend, share no page and lie inside the file."""

    arch: str
    """"riscv64" or "x86_64", as `Cpu.arch`."""
    entry: int
    segments: tuple[Segment, ...]


class Image(NamedTuple):
    """A checked executable, whole in host memory."""

    path: Path
    data: bytes
    digest: str
    """Of `data`: the same file content, the same digest."""
    layout: Layout
    record: Record | None
    """None for a program built by the stock toolchain."""
    is_go: bool

    @property
    def arch(self) -> str:
        return self.layout.arch

    @property
    def entry(self) -> int:
        return self.layout.entry

    @property
    def segments(self) -> tuple[Segment, ...]:
        return self.layout.segments

    def content(self, segment: Segment) -> memoryview:
        """The bytes of a segment that come from the file; the rest, up to `segment.size`, is zero."""
        return memoryview(self.data)[segment.offset : segment.offset + segment.file_size]

    def require_record(self) -> Record:
        """The record of an image that must have one; ImageError otherwise."""
        if self.record is None:
            raise ImageError(
                f"{self.path} carries no record of a port", hint="build it with `fairlead build`"
            )
        return self.record

    def check_port(self, port: Port) -> None:
        """ImageError unless the image was built for this port, with this version of its ABI."""
        record = self.record
        if _GOARCH[self.arch] != port.guest.goarch:
            other = f"; it was built for port {record.port}" if record else ""
            raise ImageError(
                f"{self.path} is for {self.arch}, port {port.name} is for {port.guest.goarch}: "
                f"foreign architecture{other}",
                hint=f"run it with --port {record.port}" if record else _build_hint(port),
            )
        if record is None:
            if not self.is_go:
                raise ImageError(f"{self.path} is not a Go program", hint=_build_hint(port))
            if port.guest.overlay is not None:
                raise ImageError(f"{self.path} was built without port {port.name}", hint=_build_hint(port))
            return
        if record.port != port.name:
            raise ImageError(
                f"{self.path} was built for port {record.port}", hint=f"run it with --port {record.port}"
            )
        if record.abi != port.abi:
            raise ImageError(
                f"{self.path} was built for version {record.abi} of port {port.name}'s ABI, "
                f"this one has version {port.abi}",
                hint="build it again",
            )


def _build_hint(port: Port) -> str:
    return f"build one with `fairlead build --port {port.name} PROGRAM`"


class _Memory:
    """The loaded bytes of an image, as `parse_record` reads them."""

    def __init__(self, data: bytes, segments: tuple[Segment, ...]) -> None:
        self._data = data
        self._segments = segments

    def find(self, needle: bytes, alignment: int, start: int = 0) -> int | None:
        for segment in self._segments:
            delta = segment.address - segment.offset
            end = segment.offset + segment.file_size
            at = self._data.find(needle, max(segment.offset, start - delta), end)
            while at >= 0:
                if (at + delta) % alignment == 0:
                    return at + delta
                at = self._data.find(needle, at + 1, end)
        return None

    def read(self, address: int, size: int) -> bytes | None:
        for segment in self._segments:
            start = address - segment.address
            if start >= 0 and start + size <= segment.file_size:
                return self._data[segment.offset + start : segment.offset + start + size]
        return None


def load_image(path: str | os.PathLike[str], cache: Cache | None = None) -> Image:
    """Read and check an image; ImageError names the path, what is wrong and how to mend it.

    What was read out of a file's headers is kept in the cache by the file's content, so that a file seen
    before costs no ELF parsing.
    """
    where = Path(path)
    try:
        data = _read(where)
        content = digest(data)
        known = _from_sidecar(content, data, cache := cache or Cache())
        if known is None:
            known = _examine(data)
            _keep_sidecar(content, known, cache)
    except ImageError as error:
        raise ImageError(f"{where}: {error.what}", hint=error.hint) from error
    layout, record, is_go = known
    return Image(where, data, content, layout, record, is_go)


def _read(path: Path) -> bytes:
    try:
        # O_NONBLOCK: a pipe with no writer must not hold us up before we have seen what it is.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise ImageError("no such file") from None
    except (OSError, ValueError) as error:
        raise ImageError(f"cannot be read: {getattr(error, 'strerror', None) or error}") from None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise ImageError("not a file")
        if status.st_size > _LARGEST:
            raise ImageError(f"larger than an image may be ({_LARGEST >> 20} MiB)")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return file.read(_LARGEST)
    except OSError as error:
        raise ImageError(f"cannot be read: {error.strerror}") from None
    finally:
        os.close(descriptor)


_Known = tuple[Layout, Record | None, bool]


def _examine(data: bytes) -> _Known:
    from fairlead.guest.elf import read_layout

    layout = read_layout(data)
    memory = _Memory(data, layout.segments)
    return layout, parse_record(memory), memory.find(_BUILD_INFO, 16) is not None


def _keep_sidecar(content: str, known: _Known, cache: Cache) -> None:
    layout, record, is_go = known
    document: dict[str, Any] = {
        "arch": layout.arch,
        "entry": layout.entry,
        "segments": [
            [each.address, each.size, each.offset, each.file_size, int(each.prot)] for each in layout.segments
        ],
        "is_go": is_go,
        "record": record and [record.port, record.abi, record.go_version, dict(record.fields)],
    }
    try:
        cache.store(_KIND, content, json.dumps(document).encode())
        if content[0] == "0":  # one file in sixteen: pruning looks at every entry
            cache.prune(_KIND, _KEPT)
    except FairleadError:
        pass  # an image can be run without a cache; `build` reports one that cannot be written


def _from_sidecar(content: str, data: bytes, cache: Cache) -> _Known | None:
    stored = cache.load(_KIND, content)
    if stored is None:
        return None
    # The checksum vouches for the document's shape: cattrs would cost more than parsing the file again.
    document: Mapping[str, Any] = json.loads(stored)
    segments = tuple(
        Segment(address, size, offset, stored_size, Prot(prot))
        for address, size, offset, stored_size, prot in document["segments"]
    )
    record = document["record"]
    return (
        Layout(document["arch"], document["entry"], segments),
        record and Record(*record),
        document["is_go"],
    )
