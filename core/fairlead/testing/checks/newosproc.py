"""Threads: what the runtime's newosproc gives an M, and what it finds there."""

from __future__ import annotations

from pathlib import Path

from fairlead.testing.check import Check, CheckFailed
from fairlead.testing.lab import Lab

__all__ = ["CHECKS"]

_ADVERSITY = ("--adversity",)
_OK = "ok\n"
_FATAL = 2
_SOON = ("--max-time=300ms",)
"""Longer than the runtime tries again."""


def _refused(lab: Lab) -> None:
    """Refuse threads for a while, then for good.

    Go's own newosproc for riscv64 never learns of it (clone in runtime/sys_linux_riscv64.s drops the error
    number: MOVW ZERO, ret+40(FP)); there the call itself is asked.
    """
    if lab.port.guest.goarch == "riscv64" and not _brings_newosproc(lab.port.guest.overlay):
        lab.run("newosproc.refused_call").must_say(_OK)
        return
    lab.run("newosproc.refused", options=_SOON).must_say(_OK)
    ran = lab.run("newosproc.die_refused", options=_SOON)
    ran.must_end(_FATAL)
    said = "failed to create new OS thread"
    if said not in ran.stderr or "errno=11" not in ran.stderr:
        raise CheckFailed(f"Go said {ran.stderr[:200]!r} where {said!r} and EAGAIN are due")


def _brings_newosproc(overlay: Path | None) -> bool:
    """Does a port's overlay change how the runtime asks for threads?"""
    return overlay is not None and "newosproc" in (overlay / "edits.toml").read_text("utf-8")


CHECKS = (
    Check(
        name="newosproc.ids",
        hook="newosproc",
        sentence="A thread's id is unique among living threads, stable, and never zero.",
        source="runtime/os_linux.go minit: m.procid = gettid(), which tgkill and timers use",
        calls=20,
    ),
    Check(
        name="newosproc.entry",
        hook="newosproc",
        sentence="A thread begins on its own M's g0, at the top of its stack, with that M's id and Go's "
        "floating-point mode.",
        source="runtime/sys_linux_*.s clone, runtime/proc.go mstart1: g0.sched is what mstart found",
        calls=20,
    ),
    Check(
        name="newosproc.bursts",
        hook="newosproc",
        sentence="1,000 threads begin, work and end, 100 at a time.",
        source="runtime/proc.go mexit: a locked goroutine that ends takes its thread with it",
        calls=1000,
    ),
    Check(
        name="newosproc.together",
        hook="newosproc",
        sentence="1,000 threads live at the same time, each with an id of its own.",
        source="runtime/proc.go checkmcount: up to 10,000 Ms (debug.SetMaxThreads)",
        calls=1000,
    ),
    Check(
        name="newosproc.locked",
        hook="newosproc",
        sentence="LockOSThread keeps a goroutine on its thread and all others off it, whatever it waits for.",
        source="runtime/proc.go LockOSThread, stoplockedm, startlockedm",
        calls=8,
    ),
    Check(
        name="newosproc.exits",
        hook="newosproc",
        sentence="Threads that end, while others wait in a read, a sleep or for a lock, are gone; "
        "the others are served.",
        source="runtime/os_linux.go mdestroy, runtime/sys_linux_*.s exitThread; tgkill(2): ESRCH",
        calls=53,
    ),
    Check(
        name="newosproc.blocked",
        hook="newosproc",
        sentence="30 threads that wait in a system call hold up neither new threads nor goroutines, "
        "and are served in any order.",
        source="runtime/proc.go entersyscallblock, handoffp: a blocked M's P gets another M",
        calls=30,
    ),
    Check(
        name="newosproc.yields",
        hook="newosproc",
        sentence="A thread that yields lets the others run at once.",
        source="runtime/sys_linux_*.s osyield, in runtime/lock_spinbit.go and proc.go",
        calls=3,
        options=("--max-time=2s",),
    ),
    Check(
        name="newosproc.local",
        hook="newosproc",
        sentence="Every thread has a thread-local register of its own, and keeps it and its M.",
        source="runtime/tls_riscv64.s, asm_amd64.s settls: g is found through it",
        calls=20,
    ),
    Check(
        name="newosproc.mask",
        hook="newosproc",
        sentence="A new thread has the program's first signal mask, whatever the one that starts it blocks.",
        source="runtime/proc.go newm (initSigmask), startTemplateThread; signal_unix.go minitSignalMask",
        calls=20,
    ),
    Check(
        name="newosproc.greeted",
        hook="newosproc",
        sentence="A signal that waits for a new thread is delivered only once that has its signal stack.",
        source="runtime/os_linux.go newosproc: all signals are blocked around clone; minit unblocks them",
        calls=30,
        options=_ADVERSITY,
    ),
    Check(
        name="newosproc.refused",
        hook="newosproc",
        sentence="A thread that cannot be had is EAGAIN: the runtime tries again, or ends with a reason.",
        source="runtime/os_linux.go newosproc, runtime/retry.go retryOnEAGAIN",
        calls=1,
        options=_ADVERSITY,
        probe=_refused,
    ),
)
