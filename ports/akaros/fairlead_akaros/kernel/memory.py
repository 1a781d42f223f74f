"""System calls about memory (kern/src/mm.c)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from fairlead.errors import GuestRefusal
from fairlead.services.linux.memory import mmap as linux_mmap
from fairlead.services.linux.structures import i32
from fairlead_akaros.abi import (
    MAP_ANON,
    MAP_FIXED,
    MAP_PRIVATE,
    MAP_SHARED,
    PGSIZE,
    PROT_VALID_PROTS,
    UMAPTOP,
    Errno,
    Sys,
)
from fairlead_akaros.kernel.errors import REFUSALS

if TYPE_CHECKING:
    from fairlead_akaros.kernel.kernel import Kernel

__all__ = ["HANDLERS"]

_OFFSET = PGSIZE - 1


def _rights(prot: int) -> None:
    if prot & ~PROT_VALID_PROTS:
        raise REFUSALS["rights"](prot, PROT_VALID_PROTS)


def mmap(kernel: Kernel, address: int, size: int, prot: int, flags: int, fd: int, page: int) -> int:
    kind = flags & (MAP_SHARED | MAP_PRIVATE)
    if kind not in (MAP_SHARED, MAP_PRIVATE) or not size or address & _OFFSET:
        raise GuestRefusal(Errno.EINVAL)
    _rights(prot)
    if address + size > UMAPTOP:
        raise GuestRefusal(Errno.EINVAL)
    anonymous = bool(flags & MAP_ANON) or i32(fd) < 0
    linux = kind | (flags & MAP_FIXED) | (MAP_ANON if anonymous else 0)
    try:
        return linux_mmap(kernel.process, address, size, prot, linux, fd, page * PGSIZE)
    except GuestRefusal as refusal:
        if refusal.errno == Errno.ENOMEM:
            raise REFUSALS["room in memory"]() from None
        if refusal.errno == Errno.ENODEV:
            raise REFUSALS["file that cannot be mapped"]() from None
        raise


def munmap(kernel: Kernel, address: int, size: int) -> int:
    if not size:
        return 0
    if address & _OFFSET or address + size > UMAPTOP:
        raise GuestRefusal(Errno.EINVAL)
    kernel.memory.munmap(address, size)
    return 0


def mprotect(kernel: Kernel, address: int, size: int, prot: int) -> int:
    _rights(prot)
    if not size:
        return 0
    if address & _OFFSET:
        raise GuestRefusal(Errno.EINVAL)
    if address + size > UMAPTOP:
        raise GuestRefusal(Errno.ENOMEM)
    kernel.memory.mprotect(address, size, prot)
    return 0


def populate_va(kernel: Kernel, address: int, pages: int) -> int:
    """All memory is there from the start: how many of the pages are mapped."""
    first = end = address & ~_OFFSET
    for region in kernel.memory.overlapping(first, pages * PGSIZE):
        if region.start != end:
            break
        end = region.end
    return (end - first) // PGSIZE


HANDLERS: dict[int, Callable[..., Any]] = {
    Sys.mmap: mmap,
    Sys.munmap: munmap,
    Sys.mprotect: mprotect,
    Sys.populate_va: populate_va,
}
