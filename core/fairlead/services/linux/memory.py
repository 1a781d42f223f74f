"""Memory calls: mmap(2), munmap(2), mprotect(2), madvise(2), mincore(2), brk(2)."""

from __future__ import annotations

from collections.abc import Callable
from errno import EACCES, EINVAL, ENODEV, ENOMEM
from typing import TYPE_CHECKING

from fairlead.errors import GuestRefusal
from fairlead.machine import PAGE_SIZE, Prot
from fairlead.services.linux.handler import Handlers
from fairlead.services.linux.structures import i32
from fairlead.services.vfs import Directory

if TYPE_CHECKING:
    from fairlead.services.linux.process import Process

__all__ = ["HANDLERS"]

_OFFSET = PAGE_SIZE - 1
_RIGHTS = 7
_WRITE = int(Prot.WRITE)

# asm-generic/mman-common.h, linux/mman.h
MAP_SHARED, MAP_PRIVATE, MAP_SHARED_VALIDATE, MAP_TYPE = 1, 2, 3, 0xF
MAP_FIXED, MAP_ANONYMOUS = 0x10, 0x20
MAP_HUGETLB = 0x40000
MAP_FIXED_NOREPLACE = 0x10_0000
_PROT_SEM = 8  # accepted and without meaning, as in the kernel


def mmap(process: Process, address: int, size: int, prot: int, flags: int, fd: int, offset: int) -> int:
    """Files are mapped by copying them: a shared mapping that could be written to is refused."""
    kind = flags & MAP_TYPE
    if not size or kind not in (MAP_SHARED, MAP_PRIVATE, MAP_SHARED_VALIDATE):
        raise GuestRefusal(EINVAL)
    if offset & _OFFSET:
        raise GuestRefusal(EINVAL)
    if flags & MAP_HUGETLB:
        raise GuestRefusal(ENOMEM)
    noreplace = bool(flags & MAP_FIXED_NOREPLACE)
    fixed = noreplace or bool(flags & MAP_FIXED)
    memory = process.memory
    if flags & MAP_ANONYMOUS:
        return memory.mmap(address, size, prot & _RIGHTS, fixed=fixed, noreplace=noreplace)
    description = process.files.description(i32(fd))
    if not description.readable:
        raise GuestRefusal(EACCES)
    if kind != MAP_PRIVATE and prot & _WRITE:
        raise GuestRefusal(EACCES if not description.writable else ENODEV)
    if description.stream or isinstance(description.node, Directory):
        raise GuestRefusal(ENODEV)
    where = memory.mmap(address, size, Prot.READ | Prot.WRITE, fixed=fixed, noreplace=noreplace)
    description.preadv(memory.buffers(where, size, write=True), offset)
    memory.mprotect(where, size, prot & _RIGHTS)
    return where


def munmap(process: Process, address: int, size: int) -> int:
    process.memory.munmap(address, size)
    return 0


def mprotect(process: Process, address: int, size: int, prot: int) -> int:
    if prot & ~(_RIGHTS | _PROT_SEM):
        raise GuestRefusal(EINVAL)
    process.memory.mprotect(address, size, prot & _RIGHTS)
    return 0


def _keep(process: Process, address: int, size: int) -> None:
    """Advice that changes nothing, on memory that must be mapped."""
    if address & _OFFSET:
        raise GuestRefusal(EINVAL)
    if size and not process.memory.is_mapped(address, (size + _OFFSET) & ~_OFFSET):
        raise GuestRefusal(ENOMEM)


def _discard(process: Process, address: int, size: int) -> None:
    process.memory.discard(address, size)


_ADVICE: dict[int, Callable[[Process, int, int], None]] = {
    0: _keep,  # MADV_NORMAL
    1: _keep,  # MADV_RANDOM
    2: _keep,  # MADV_SEQUENTIAL
    3: _keep,  # MADV_WILLNEED
    4: _discard,  # MADV_DONTNEED
    8: _keep,  # MADV_FREE: the kernel may take the pages at any time, or never
    10: _keep,  # MADV_DONTFORK
    11: _keep,  # MADV_DOFORK
    14: _keep,  # MADV_HUGEPAGE
    15: _keep,  # MADV_NOHUGEPAGE
    16: _keep,  # MADV_DONTDUMP
    17: _keep,  # MADV_DODUMP
    20: _keep,  # MADV_COLD
    21: _keep,  # MADV_PAGEOUT
    22: _keep,  # MADV_POPULATE_READ
    23: _keep,  # MADV_POPULATE_WRITE
    25: _keep,  # MADV_COLLAPSE
}


def madvise(process: Process, address: int, size: int, advice: int) -> int:
    act = _ADVICE.get(i32(advice))
    if act is None:
        raise GuestRefusal(EINVAL)
    act(process, address, size)
    return 0


def mincore(process: Process, address: int, size: int, vector: int) -> int:
    """Everything committed is resident."""
    memory = process.memory
    if address & _OFFSET:
        raise GuestRefusal(EINVAL)
    if not size:
        return 0
    pages = (size + _OFFSET) // PAGE_SIZE
    if not memory.is_mapped(address, pages * PAGE_SIZE):
        raise GuestRefusal(ENOMEM)
    for region in memory.overlapping(address, pages * PAGE_SIZE):
        resident = b"\0" if region.physical is None else b"\1"
        first = (region.start - address) // PAGE_SIZE
        count = (region.end - region.start) // PAGE_SIZE
        for part in range(0, count, 1 << 20):  # a reservation may be terabytes, its vector is not
            memory.write(vector + first + part, resident * min(1 << 20, count - part))
    return 0


def brk(process: Process, address: int) -> int:
    """The heap of sbrk; the break stays where it is when it cannot move."""
    memory = process.memory
    if not process.brk_start or address < process.brk_start:
        return process.brk
    old = (process.brk + _OFFSET) & ~_OFFSET
    new = (address + _OFFSET) & ~_OFFSET
    try:
        if new > old:
            memory.mmap(old, new - old, Prot.READ | Prot.WRITE, fixed=True, noreplace=True)
        elif new < old:
            memory.munmap(new, old - new)
    except GuestRefusal:
        return process.brk
    process.brk = address
    return address


def mlock(process: Process, address: int, size: int) -> int:
    """All memory stays where it is anyway."""
    _keep(process, address & ~_OFFSET, size + (address & _OFFSET))
    return 0


def mlockall(process: Process) -> int:
    return 0


def msync(process: Process, address: int, size: int, flags: int) -> int:
    """Nothing to write back: mappings are private copies."""
    _keep(process, address, size)
    return 0


HANDLERS: Handlers = {
    "brk": brk,
    "madvise": madvise,
    "mincore": mincore,
    "mlock": mlock,
    "mlockall": mlockall,
    "mmap": mmap,
    "mprotect": mprotect,
    "msync": msync,
    "munlock": mlock,
    "munlockall": mlockall,
    "munmap": munmap,
}
