"""Faults in memory: what mmap and its kin promise (hook syscall)."""

from __future__ import annotations

from mutant import Mutant

__all__ = ["HOOK", "MUTANTS"]

HOOK = "syscall"

PAGE = 4096
LINUX = "fairlead.services.linux.memory"
SPACE = "fairlead.services.addressspace:AddressSpace"


def protects_nothing(original):
    def mprotect(process, address, size, prot):
        return 0

    return mprotect


def forgets_that_memory_was_used(original):
    def give(self, physical, size):
        self._give(physical, physical + size)

    return give


def keeps(original):
    def discard(self, address, size):
        pass

    return discard


def discards_less(original):
    def discard(self, address, size):
        original(self, address, size - PAGE if size > PAGE else size)

    return discard


def discards_more(original):
    def discard(self, address, size):
        original(self, address, size)
        if self.is_mapped(address + size, PAGE):
            original(self, address + size, PAGE)

    return discard


def takes_every_wish(original):
    """A hint where something is mapped already is obeyed all the same."""

    def choose(self, wish, size):
        if wish and self._inside(wish, size):
            return wish
        return original(self, wish, size)

    return choose


def takes_no_wish(original):
    def choose(self, wish, size):
        return original(self, 0, size)

    return choose


def unmaps_more(original):
    def munmap(self, address, size):
        original(self, address, size + PAGE)

    return munmap


def unmaps_less(original):
    def munmap(self, address, size):
        if size > PAGE:
            original(self, address, size - PAGE)
        else:
            original(self, address, size)

    return munmap


def keeps_translations(original):
    """The books are right, but the processor still finds the memory."""

    def unmap(self, address, size):
        pass

    return unmap


def leaves_rights(original):
    def protect(self, address, size, prot):
        pass

    return protect


def commits_reservations(original):
    """Memory without rights is had at once."""

    def mmap(self, address, size, prot, *, fixed=False, noreplace=False):
        at = original(self, address, size, prot or 3, fixed=fixed, noreplace=noreplace)
        if not prot:
            self.mprotect(at, size, 0)
        return at

    return mmap


def leaves_what_was_there(original):
    """MAP_FIXED over memory in use changes its rights and keeps its contents."""

    def mmap(self, address, size, prot, *, fixed=False, noreplace=False):
        if fixed and not noreplace and prot and self.is_mapped(address, size):
            self.mprotect(address, size, prot)
            return address
        return original(self, address, size, prot, fixed=fixed, noreplace=noreplace)

    return mmap


def loses_memory(original):
    """What is given back is never given out again."""

    def give(self, physical, size):
        pass

    return give


def starts_at_the_beginning(original):
    def mmap(process, address, size, prot, flags, fd, offset):
        return original(process, address, size, prot, flags, fd, 0)

    return mmap


def maps_the_lowest_page(original):
    def init(self, machine, *, low=0x10000, **settings):
        original(self, machine, low=0, **settings)

    return init


ALL = ("opensbi", "akaros", "linux-amd64", "linux-riscv64")

MUTANTS = (
    Mutant("munmap does nothing", ("opensbi", "akaros"), f"{SPACE}.munmap", keeps, "memory.guards"),
    Mutant("munmap takes a page more", ("linux-amd64",), f"{SPACE}.munmap", unmaps_more, "memory.limit"),
    Mutant("munmap leaves a page", ("opensbi",), f"{SPACE}.munmap", unmaps_less, "memory.reuse"),
    Mutant(
        "mprotect does nothing",
        ("opensbi",),
        f"{LINUX}:HANDLERS[mprotect]",
        protects_nothing,
        "memory.protect",
    ),
    Mutant(
        "memory is not zeroed when it is used again",
        ("opensbi",),
        "fairlead.services.frames:Frames.give",
        forgets_that_memory_was_used,
        "memory.zeroes",
    ),
    Mutant(
        "MADV_DONTNEED keeps what was there",
        ("opensbi",),
        f"{SPACE}.discard",
        keeps,
        "memory.dontneed",
    ),
    Mutant(
        "MADV_DONTNEED forgets the last page",
        ("linux-riscv64",),
        f"{SPACE}.discard",
        discards_less,
        "memory.dontneed",
    ),
    Mutant(
        "MADV_DONTNEED takes a page more", ("opensbi",), f"{SPACE}.discard", discards_more, "memory.dontneed"
    ),
    Mutant(
        "a hint gives memory out twice", ("opensbi",), f"{SPACE}._choose", takes_every_wish, "memory.hints"
    ),
    Mutant("hints are not heard", ("linux-amd64",), f"{SPACE}._choose", takes_no_wish, "memory.hints"),
    Mutant(
        "unmapped memory is still there for the processor",
        ("opensbi",),
        "fairlead_machines.engine.pagetables:PageTables.unmap",
        keeps_translations,
        "memory.reserve",
    ),
    Mutant(
        "rights change in the books alone",
        ("akaros",),
        "fairlead_machines.engine.pagetables:PageTables.protect",
        leaves_rights,
        "memory.protect",
    ),
    Mutant("reservations cost memory", ("opensbi",), f"{SPACE}.mmap", commits_reservations, "memory.huge"),
    Mutant(
        "MAP_FIXED keeps what was there", ("opensbi",), f"{SPACE}.mmap", leaves_what_was_there, "memory.fixed"
    ),
    Mutant(
        "memory given back is lost",
        ("opensbi",),
        "fairlead.services.frames:Frames.give",
        loses_memory,
        "memory.limit",
    ),
    Mutant(
        "files are mapped from their beginning",
        ("linux-riscv64",),
        f"{LINUX}:HANDLERS[mmap]",
        starts_at_the_beginning,
        "memory.files",
    ),
    Mutant(
        "the lowest page can be mapped",
        ("opensbi",),
        f"{SPACE}.__init__",
        maps_the_lowest_page,
        "memory.constants",
    ),
)
