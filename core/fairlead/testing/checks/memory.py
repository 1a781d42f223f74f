"""Memory as the runtime's mem_linux.go asks for it, and as its heap and stacks use it."""

from __future__ import annotations

from fairlead.testing.check import Check, CheckFailed, guest_says_ok
from fairlead.testing.lab import Lab

__all__ = ["CHECKS"]

_FATAL = 2
"""How the runtime ends a program that it gives up (runtime/panic.go fatalthrow)."""


def _limit(lab: Lab) -> None:
    """At the limit calls are refused; the heap, which cannot go on without, ends the program in words."""
    guest_says_ok(lab)
    ran = lab.run(lab.check.name, "heap")
    ran.must_say("", _FATAL)
    if "out of memory" not in ran.stderr or "goroutine " not in ran.stderr:
        raise CheckFailed(f"a heap that is full does not end in the runtime's words; {ran.last_words!r}")


CHECKS = (
    Check(
        name="memory.zeroes",
        hook="syscall",
        sentence="New memory holds zeroes, whoever had it before.",
        source="runtime/mem.go: sysReserve, sysMap; runtime/mheap.go allocNeedsZero takes it for granted",
        calls=40,
    ),
    Check(
        name="memory.dontneed",
        hook="syscall",
        sentence="MADV_DONTNEED leaves zeroes in the pages named, and nothing else is touched.",
        source='runtime/mem_linux.go sysUnusedOS; without it "found bad pointer in Go heap"; madvise(2)',
        calls=5,
    ),
    Check(
        name="memory.reserve",
        hook="syscall",
        sentence="Reserved memory faults, committed memory is zero, and what is taken back faults again.",
        source="runtime/mem.go: None, Reserved, Prepared, Ready; mem_linux.go sysMapOS, sysFaultOS",
        calls=8,
    ),
    Check(
        name="memory.hints",
        hook="syscall",
        sentence="An address that is a hint is obeyed where it is free, and never gives memory out twice.",
        source="runtime/malloc.go mallocinit: arenaHints; (*mheap).sysAlloc tries them in turn",
        calls=80,
    ),
    Check(
        name="memory.fixed",
        hook="syscall",
        sentence="MAP_FIXED replaces what was mapped there by zeroes, and nothing beside it.",
        source="runtime/mem_linux.go sysMapOS, sysFaultOS; mmap(2)",
        calls=4,
    ),
    Check(
        name="memory.reuse",
        hook="syscall",
        sentence="Addresses and memory that were given back are given out again.",
        source='runtime/mpagealloc_64bit.go sysInit: "failed to reserve page summary memory"; munmap(2)',
        calls=6000,
    ),
    Check(
        name="memory.guards",
        hook="syscall",
        sentence="A page without rights faults from its first byte to its last, at the address accessed.",
        source="runtime/signal_unix.go sigpanic: si_addr; mprotect(2)",
        calls=4,
    ),
    Check(
        name="memory.protect",
        hook="syscall",
        sentence="Rights taken are gone for every thread at once, rights given are there, contents stay.",
        source="runtime/mem_linux.go sysFaultOS; mprotect(2)",
        calls=25,
    ),
    Check(
        name="memory.model",
        hook="syscall",
        sentence="After mmap, mprotect and madvise in any order each page has its own contents and rights.",
        source="runtime/mem_linux.go; mmap(2), mprotect(2), madvise(2)",
        calls=250,
    ),
    Check(
        name="memory.huge",
        hook="syscall",
        sentence="Reservations of 48 GiB fit into 64 MiB of memory, for they cost nothing.",
        source="runtime/mpagealloc_64bit.go sysInit reserves an index of the whole address space",
        calls=140,
        options=("--memory=64M",),
    ),
    Check(
        name="memory.limit",
        hook="syscall",
        sentence="Without memory mmap says ENOMEM and a full heap ends as Go does; what is freed is free.",
        source="runtime/mem_linux.go sysMapOS: _ENOMEM; runtime/malloc.go mallocgc: out of memory",
        calls=60,
        options=("--memory=128M",),
        probe=_limit,
    ),
    Check(
        name="memory.collector",
        hook="syscall",
        sentence="Live objects are whole after the collector ran often, on several threads.",
        source="runtime/mgc.go: marking takes memory and every interrupted register to be right",
        calls=100,
    ),
    Check(
        name="memory.scavenged",
        hook="syscall",
        sentence="Heap memory that was released to the system is zero when it is used again.",
        source="runtime/mgcscavenge.go; runtime/mheap.go allocNeedsZero",
        calls=100,
    ),
    Check(
        name="memory.stacks",
        hook="syscall",
        sentence="Stacks that grow, shrink and move keep what stands on them.",
        source="runtime/stack.go copystack, shrinkstack",
        calls=100,
    ),
    Check(
        name="memory.files",
        hook="syscall",
        sentence="A file can be mapped to be read, from any page on; a private change stays private.",
        source="syscall/syscall_unix.go mmapper.Mmap; mmap(2)",
        calls=8,
    ),
    Check(
        name="memory.constants",
        hook="syscall",
        sentence="Constants and code cannot be written to, and the lowest page is never there.",
        source="runtime/signal_unix.go sigpanic: below 4096 it is a nil pointer; cmd/link: rodata, text",
        calls=1,
    ),
)
