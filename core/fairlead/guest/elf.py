"""An ELF file, read by pyelftools and checked: a static executable of 64 bits for one of our machines.

Imported only for files that were not seen before: see `fairlead.guest.image`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from io import BytesIO
from typing import Any

from elftools.common.utils import struct_parse
from elftools.elf.elffile import ELFFile

from fairlead.errors import ImageError
from fairlead.guest.image import Layout, Segment
from fairlead.machine import PAGE_SIZE, Prot

__all__ = ["read_layout"]

_HEADER_SIZE = 64  # sizeof(Elf64_Ehdr)
_ENTRY_SIZE = 56  # sizeof(Elf64_Phdr)
_MOST_ENTRIES = 64
_LOWEST = 0x10000  # Linux keeps the pages below unmapped (vm.mmap_min_addr): nil must fault
_HIGHEST = 1 << 47
_ARCHES = {"EM_RISCV": "riscv64", "EM_X86_64": "x86_64"}
_MAGIC = b"\x7fELF"
_PF_X, _PF_W, _PF_R = 1, 2, 4


def read_layout(data: bytes) -> Layout:
    """Where the parts of an executable go; ImageError (without a path) says why it cannot be one of ours."""
    if not data:
        raise ImageError("empty")
    if not data.startswith(_MAGIC):
        raise ImageError("not an ELF file", hint="an image is what `fairlead build` or `go build` makes")
    if len(data) < _HEADER_SIZE:
        raise _truncated()
    if data[4] != 2 or data[5] != 1:
        raise ImageError("foreign architecture: not an ELF file of 64 bits, little-endian")
    try:
        return _checked(_headers(data), data)
    except ImageError:
        raise
    except Exception as error:  # pyelftools promises no error classes for files that are made to deceive
        raise ImageError(f"not a sound ELF file ({type(error).__name__})") from error


def _headers(data: bytes) -> ELFFile:
    # Sections do not matter for what is loaded, are often stripped, and are all the file that is left out
    # here: pyelftools then has nothing else to follow than the program headers.
    head = bytearray(data[:_HEADER_SIZE])
    struct.pack_into("<Q", head, 40, 0)  # e_shoff
    struct.pack_into("<HHH", head, 58, 0, 0, 0)  # e_shentsize, e_shnum, e_shstrndx
    offset = struct.unpack_from("<Q", head, 32)[0]  # e_phoff
    entry_size, count = struct.unpack_from("<HH", head, 54)
    if count == 0:
        raise ImageError("no executable: an ELF file without program headers")
    if entry_size != _ENTRY_SIZE or count > _MOST_ENTRIES:
        raise ImageError(f"unsound program headers ({count} of {entry_size} bytes)")
    if offset + entry_size * count > len(data):
        raise _truncated()
    struct.pack_into("<Q", head, 32, _HEADER_SIZE)
    return ELFFile(BytesIO(bytes(head) + data[offset : offset + entry_size * count]))


def _checked(elf: ELFFile, data: bytes) -> Layout:
    machine = elf.header["e_machine"]
    arch = _ARCHES.get(machine)
    if arch is None:
        raise ImageError(
            f"foreign architecture: {machine}", hint=f"images are for {' or '.join(_ARCHES.values())}"
        )
    kind = elf.header["e_type"]
    if kind != "ET_EXEC":
        raise ImageError(
            f"not an executable with fixed addresses ({kind})",
            hint="build it with CGO_ENABLED=0 and without -buildmode",
        )
    entries = [
        struct_parse(elf.structs.Elf_Phdr, elf.stream, stream_pos=_HEADER_SIZE + index * _ENTRY_SIZE)
        for index in range(elf.header["e_phnum"])
    ]
    if any(entry["p_type"] in ("PT_INTERP", "PT_DYNAMIC") for entry in entries):
        raise ImageError("linked dynamically", hint="build it with CGO_ENABLED=0")
    segments = _segments(
        (each for each in entries if each["p_type"] == "PT_LOAD" and each["p_memsz"]), len(data)
    )
    entry = elf.header["e_entry"]
    if not any(
        segment.prot & Prot.EXEC and segment.address <= entry < segment.address + segment.file_size
        for segment in segments
    ):
        raise ImageError(f"the entry {entry:#x} is outside the code")
    return Layout(arch, entry, segments)


def _segments(entries: Iterable[Any], size: int) -> tuple[Segment, ...]:
    segments: list[Segment] = []
    end = _LOWEST
    for entry in sorted(entries, key=lambda each: int(each["p_vaddr"])):
        address, memory = entry["p_vaddr"], entry["p_memsz"]
        offset, stored = entry["p_offset"], entry["p_filesz"]
        flags = entry["p_flags"]
        if offset + stored > size:
            raise _truncated()
        if stored > memory or (address - offset) % PAGE_SIZE:
            raise ImageError(f"unsound segment at {address:#x}")
        if address < _LOWEST or address + memory > _HIGHEST:
            raise ImageError(f"a segment is outside user memory, at {address:#x}")
        if address < end:
            raise ImageError(f"segments share a page, at {address:#x}")
        end = -(-(address + memory) // PAGE_SIZE) * PAGE_SIZE
        prot = Prot.NONE
        for flag, right in ((_PF_R, Prot.READ), (_PF_W, Prot.WRITE), (_PF_X, Prot.EXEC)):
            if flags & flag:
                prot |= right
        segments.append(Segment(address, memory, offset, stored, prot))
    if not segments:
        raise ImageError("nothing to load")
    return tuple(segments)


def _truncated() -> ImageError:
    return ImageError("cut off: its headers name more than the file holds", hint="build it again")
