"""The first stack of a program (System V ABI, "Process Initialization"; Linux fs/binfmt_elf.c)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from struct import pack
from typing import TYPE_CHECKING

from fairlead.errors import GuestRefusal, LimitError
from fairlead.machine import PAGE_SIZE, Prot
from fairlead.services.randomness import Randomness

if TYPE_CHECKING:
    from fairlead.guest.image import Image
    from fairlead.services.addressspace import AddressSpace

__all__ = ["STACK_SIZE", "initial_stack"]

STACK_SIZE = 8 << 20
"""Bytes of the first thread's stack: RLIMIT_STACK as a login finds it."""

_ARG_MAX = STACK_SIZE // 4  # execve(2): strings and pointers together
_MAX_STRLEN = 32 * PAGE_SIZE  # MAX_ARG_STRLEN
_GAP = PAGE_SIZE  # above the stack, never mapped: what runs off its end faults

# uapi/linux/auxvec.h
_AT_NULL, _AT_PHDR, _AT_PHENT, _AT_PHNUM, _AT_PAGESZ, _AT_BASE, _AT_FLAGS, _AT_ENTRY = 0, 3, 4, 5, 6, 7, 8, 9
_AT_UID, _AT_EUID, _AT_GID, _AT_EGID, _AT_HWCAP, _AT_CLKTCK = 11, 12, 13, 14, 16, 17
_AT_SECURE, _AT_RANDOM, _AT_EXECFN = 23, 25, 31

_HWCAP = {"riscv64": sum(1 << ord(letter) - ord("A") for letter in "ACDFIM"), "x86_64": 0x078B_FBFF}
"""RISC-V: a bit for each single-letter extension; x86: cpuid(1).edx of a processor with SSE2."""
_PHDR_SIZE = 56
_PHOFF, _PHNUM = slice(32, 40), slice(56, 58)  # in an ELF64 header


def initial_stack(
    memory: AddressSpace,
    arguments: Sequence[str],
    environment: Mapping[str, str],
    image: Image,
    *,
    seed: int = 0,
    uid: int = 1000,
    gid: int = 1000,
    top: int | None = None,
    room: int = STACK_SIZE,
) -> int:
    """Map a stack of `room` bytes that ends at `top`, the address space's end if None, and fill it; the stack
    pointer at the entry point.

    LimitError where the arguments are too long for a program.
    """
    top = memory.high - _GAP if top is None else top
    try:
        memory.mmap(top - room, room, Prot.READ | Prot.WRITE, fixed=True, noreplace=True)
    except GuestRefusal:
        raise LimitError(
            "no memory in the guest for the program's stack", hint="give the machine more with --memory"
        ) from None
    words = [_string(each) for each in arguments]
    pairs = [_string(f"{key}={value}") for key, value in environment.items()]
    name = words[0] if words else b"\0"
    strings = [*words, *pairs]
    size = sum(map(len, strings)) + 8 * len(strings)
    most = min(_ARG_MAX, room // 2)
    if size > most or any(len(each) > _MAX_STRLEN for each in strings):
        raise LimitError(
            f"arguments and environment are too long for a program ({size} bytes; at most {most} in "
            f"all and {_MAX_STRLEN} each)",
            hint="pass less of the environment, or put arguments in a file",
        )
    random = Randomness(seed, "AT_RANDOM").bytes(16)
    data = b"".join((*strings, name, random))
    position = start = (top - len(data)) & ~15
    addresses = []
    for each in strings:
        addresses.append(position)
        position += len(each)
    auxiliary = {
        **_program_headers(image),
        _AT_PAGESZ: PAGE_SIZE,
        _AT_BASE: 0,
        _AT_FLAGS: 0,
        _AT_ENTRY: image.entry,
        _AT_UID: uid,
        _AT_EUID: uid,
        _AT_GID: gid,
        _AT_EGID: gid,
        _AT_HWCAP: _HWCAP[image.arch],
        _AT_CLKTCK: 100,
        _AT_SECURE: 0,
        _AT_EXECFN: position,
        _AT_RANDOM: position + len(name),
        _AT_NULL: 0,
    }
    count = len(words)
    vector = [count, *addresses[:count], 0, *addresses[count:], 0]
    vector += [word for pair in auxiliary.items() for word in pair]
    sp = (start - 8 * len(vector)) & ~15
    memory.write(sp, pack(f"<{len(vector)}Q", *vector))
    memory.write(start, data)
    return sp


def _program_headers(image: Image) -> dict[int, int]:
    """Where the program's headers are loaded, if they are."""
    offset = int.from_bytes(image.data[_PHOFF], "little")
    count = int.from_bytes(image.data[_PHNUM], "little")
    for segment in image.segments:
        if segment.offset <= offset and offset + count * _PHDR_SIZE <= segment.offset + segment.file_size:
            where = segment.address + offset - segment.offset
            return {_AT_PHDR: where, _AT_PHENT: _PHDR_SIZE, _AT_PHNUM: count}
    return {}


def _string(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape") + b"\0"
