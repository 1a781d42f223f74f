"""Which Go function and source line an address is in, stripped images too: from the runtime's own tables.

Every Go program carries them for its tracebacks: `runtime.pclntab` in a loaded segment, by its magic, and
`runtime.firstmoduledata`, which points at it and says where the code starts (pcHeader, moduledata and _func
in Go's runtime/symtab.go and runtime2.go, inlinedCall in symtabinl.go). Nothing of the ELF file's sections or
symbols is used.

Import it when something has to be reported: a program that runs has no need of it.
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections.abc import Iterator
from typing import NamedTuple

from fairlead.guest.image import Image, Segment
from fairlead.machine import Prot

__all__ = ["Frame", "Line", "Lines", "read_lines"]

_MAGIC = b"\xf1\xff\xff\xff\0\0"  # abi.CurrentPCLnTabMagic, little-endian, and two bytes of padding
_HEADER = struct.Struct("<6xBBqQQ5Q")
"""minLC, ptrSize, nfunc, nfiles, textStart as it was up to 1.25, and five offsets from the header."""
_ENTRY = struct.Struct("<II")  # functab: entryoff, funcoff
_FUNC = struct.Struct("<IiiIIIIIIiBBxB")
"""_func: entryOff, nameOff, args, deferreturn, pcsp, pcfile, pcln, npcdata, cuOffset, startLine, funcID,
flag, nfuncdata."""
_INLINED = struct.Struct("<B3xiii")  # inlinedCall: funcID, nameOff, parentPc, startLine
_WORD = struct.Struct("<Q")
_TEXT, _GOFUNC, _EPCLNTAB = 176, 344, 352
"""Offsets in moduledata, as Go 1.27 has it; text is there since Go 1.20."""
_PCDATA_INL_TREE_INDEX, _FUNCDATA_INL_TREE = 2, 3
_NONE = 0xFFFF_FFFF
_DEEPEST = 64
"""Calls inlined into each other; the compiler stops long before."""
_LONGEST = 4096
_MOST_STEPS = 1 << 20
_MOST_FUNCTIONS = 1 << 21
_MOST_CANDIDATES = 64
"""Places that look like a header; a program may hold such bytes as data."""
_TOP_FRAME, _WRITES_SP = 1, 2  # abi.FuncFlagTopFrame, abi.FuncFlagSPWrite


class Line(NamedTuple):
    """A place in a program's source."""

    function: str
    """With its package's path, as runtime.Func names it: "main.main", "net/http.(*Server).Serve"."""
    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.function} ({self.file}:{self.line})"


class Frame(NamedTuple):
    """What a function has on its stack at one instruction."""

    size: int
    """Bytes from the stack pointer up to where it was at the function's entry."""
    top: bool
    """Nothing called it: a stack ends here."""
    writes_sp: bool
    """It moves the stack pointer in ways that the tables do not know, to another stack say."""


class _Function(NamedTuple):
    entry: int
    """Offset from the start of the code."""
    name: int
    pcsp: int
    pcfile: int
    pcln: int
    unit: int
    inlining: int
    """Offset of its table of pc to inlined call, 0 for none."""
    tree: int
    """Offset of its inlinedCalls behind go:func.*, _NONE for none."""
    flags: int


class _Unsound(Exception):
    """A table that leads outside itself."""


def read_lines(image: Image) -> Lines | None:
    """The tables of an image; None for one that has none, or none of this format."""
    candidates = _MOST_CANDIDATES
    for segment in image.segments:
        data = image.content(segment)
        raw, at = bytes(data), -1
        while candidates and (at := raw.find(_MAGIC, at + 1)) >= 0:
            if at % 8:
                continue
            candidates -= 1
            if (found := _lines_at(image, segment, raw, at)) is not None:
                return found
    return None


def _lines_at(image: Image, segment: Segment, raw: bytes, at: int) -> Lines | None:
    if at + _HEADER.size > len(raw):
        return None
    quantum, pointer, functions, _files, _start, *offsets = _HEADER.unpack_from(raw, at)
    size = len(raw) - at
    room = (size - offsets[-1]) // _ENTRY.size if offsets[-1] < size else 0
    if (
        quantum not in (1, 2, 4)
        or pointer != 8
        or not 0 < functions < min(room, _MOST_FUNCTIONS)
        or max(offsets) > size
    ):
        return None
    module = _find_module(image, segment.address + at, segment.address + at + offsets[0])
    if module is None:
        return None
    text, gofunc, end = (_WORD.unpack_from(module, each)[0] for each in (_TEXT, _GOFUNC, _EPCLNTAB))
    address = segment.address + at
    sound = address + offsets[-1] < end <= segment.address + len(raw)
    start = gofunc - segment.address
    tree = start if sound and 0 < start < len(raw) else None  # not so in another version of Go
    return Lines(raw, at, quantum, functions, offsets, text, tree)


def _find_module(image: Image, header: int, names: int) -> bytes | None:
    """moduledata begins with the address of the header, then that of the first table."""
    needle = _WORD.pack(header) + _WORD.pack(names)
    for segment in image.segments:
        if segment.prot & Prot.EXEC:
            continue
        data = bytes(image.content(segment))
        at = data.find(needle)
        while at >= 0:
            if at % 8 == 0 and at + _EPCLNTAB + 8 <= len(data):
                return data[at : at + _EPCLNTAB + 8]
            at = data.find(needle, at + 1)
    return None


class Lines:
    """The tables of one image; nothing that stands in them raises."""

    def __init__(
        self,
        data: bytes,
        at: int,
        quantum: int,
        functions: int,
        offsets: list[int],
        text: int,
        tree: int | None,
    ) -> None:
        """`data` is a segment, `at` the header's offset in it and `tree` that of go:func.*.

        `offsets` are of the tables of names, compilation units, files, pc values and functions, from the
        header; `quantum` is the least length of an instruction.
        """
        self._data = data
        self._quantum = quantum
        self._names, self._units, self._files, self._values, self._functions = (at + each for each in offsets)
        self._count = functions
        self._text = text
        self._tree = tree
        self.steps = 1 << 40
        """Entries of tables of values that are read yet: a report that must end soon sets it low."""
        end = self._functions + _ENTRY.size * functions
        table = memoryview(data)[self._functions : end]
        self._entries = [entry for entry, _ in _ENTRY.iter_unpack(table)]
        self._limit: int = _ENTRY.unpack_from(data, end)[0] if end + _ENTRY.size <= len(data) else 0

    def function_at(self, pc: int) -> Line | None:
        """Where the instruction at `pc` comes from, the innermost function if calls were inlined there.

        For a return address ask for the address before it: the call's.
        """
        return next(iter(self.frames_at(pc)), None)

    def frames_at(self, pc: int) -> list[Line]:
        """As `function_at`, with the functions it was inlined into; the one that was compiled is last."""
        try:
            return list(self._frames(pc - self._text))
        except (_Unsound, struct.error, IndexError):
            return []

    def frame_at(self, pc: int) -> Frame | None:
        """The frame that the function at `pc` has there; None where there is none, or no sound table."""
        try:
            function = self._find(pc - self._text)
            size = -1 if function is None else self._value(function, function.pcsp, pc - self._text)
        except (_Unsound, struct.error, IndexError):
            return None
        if function is None or size < 0 or size % 8:
            return None
        return Frame(size, bool(function.flags & _TOP_FRAME), bool(function.flags & _WRITES_SP))

    def _frames(self, offset: int) -> Iterator[Line]:
        function = self._find(offset)
        if function is None:
            return
        for _ in range(_DEEPEST):
            file, line = self._file(function, offset), self._value(function, function.pcln, offset)
            index = self._value(function, function.inlining, offset) if self._tree is not None else -1
            if index < 0 or function.tree == _NONE or self._tree is None:
                yield Line(self._text_at(self._names + function.name), file, max(line, 0))
                return
            place = self._tree + function.tree + _INLINED.size * index
            _id, name, parent, _start = _INLINED.unpack_from(self._data, place)
            yield Line(self._text_at(self._names + name), file, max(line, 0))
            offset = function.entry + parent

    def _find(self, offset: int) -> _Function | None:
        if not 0 <= offset < self._limit:
            return None
        index = bisect_right(self._entries, offset) - 1
        if index < 0:
            return None
        data = self._data
        at = self._functions + _ENTRY.unpack_from(data, self._functions + _ENTRY.size * index)[1]
        entry, name, _, _, pcsp, pcfile, pcln, values, unit, _, _, flags, others = _FUNC.unpack_from(data, at)
        after = at + _FUNC.size
        inlining, tree = 0, _NONE
        if values > _PCDATA_INL_TREE_INDEX and others > _FUNCDATA_INL_TREE:
            inlining = struct.unpack_from("<I", data, after + 4 * _PCDATA_INL_TREE_INDEX)[0]
            tree = struct.unpack_from("<I", data, after + 4 * values + 4 * _FUNCDATA_INL_TREE)[0]
        return _Function(entry, name, pcsp, pcfile, pcln, unit, inlining, tree, flags)

    def _value(self, function: _Function, table: int, offset: int) -> int:
        """The value that a table of pc to value has for an offset (runtime.pcvalue); -1 for none."""
        if not table:
            return -1
        data, at = self._data, self._values + table
        pc, value = function.entry, -1
        for step in range(min(_MOST_STEPS, self.steps)):
            self.steps -= 1
            change, at = _varint(data, at)
            if change == 0 and step:
                return -1
            value += (change >> 1) ^ -(change & 1)
            distance, at = _varint(data, at)
            pc += distance * self._quantum
            if offset < pc:
                return value
        raise _Unsound

    def _file(self, function: _Function, offset: int) -> str:
        index = self._value(function, function.pcfile, offset)
        if index < 0:
            return "?"
        place = struct.unpack_from("<I", self._data, self._units + 4 * (function.unit + index))[0]
        return "?" if place == _NONE else self._text_at(self._files + place)

    def _text_at(self, at: int) -> str:
        if not 0 <= at < len(self._data):
            raise _Unsound
        end = self._data.find(b"\0", at, at + _LONGEST)
        if end < 0:
            raise _Unsound
        text = self._data[at:end].decode("utf-8", "replace")
        return "".join(letter if letter.isprintable() else "\ufffd" for letter in text)


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """A number of 32 bits in groups of seven, least first, and where the next begins."""
    value = 0
    for shift in range(0, 35, 7):
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFF_FFFF, at
    raise _Unsound
