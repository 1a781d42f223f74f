"""System calls: results, errors, bad pointers and waits, as Go's syscall, os and runtime take them."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path

from fairlead.testing.check import Check, CheckFailed, guest_says_ok
from fairlead.testing.checks.late import guest_is_told
from fairlead.testing.lab import Lab

__all__ = ["CHECKS"]

_UNKNOWN = 15
"""Calls of unknown numbers that the guest makes."""
_STREAM = 200_003
"""Bytes of standard input: no whole number of any buffer."""
_COPIED = 7


def _unknown(lab: Lab) -> None:
    """They are told at the end, too, so that whoever misses a call learns which."""
    guest_says_ok(lab)
    counts: dict[str, int] = lab.runs[-1].record.get("unknown_calls", {})
    if sum(counts.values()) != _UNKNOWN:
        raise CheckFailed(f"of {_UNKNOWN} calls that nobody knows {sum(counts.values())} are told at the end")


def _read_only(lab: Lab) -> None:
    """What the guest was refused has not happened on the host, what it was not refused has."""
    with tempfile.TemporaryDirectory(prefix="fairlead-check-") as name:
        folder = Path(name)
        locked, free = folder / "locked", folder / "free"
        for each in (locked, free):
            each.mkdir()
        (locked / "file").write_text("kept")
        (folder / "secret").write_text("secret")
        lab.run(
            lab.check.name, "/kit/locked", "/kit/free",
            options=(f"--mount={locked}:/kit/locked:ro", f"--mount={free}:/kit/free:rw"),
        ).must_say("ok\n")  # fmt: skip
        if [each.name for each in locked.iterdir()] != ["file"] or (locked / "file").read_text() != "kept":
            raise CheckFailed("a folder that is mounted read-only is another one after the run")
        if not (free / "new").exists() or (free / "new").read_text() != "written":
            raise CheckFailed("what is written to a folder that is mounted to be written to is not there")


def _streams(lab: Lab) -> None:
    source = random.Random(1)
    data = "".join(source.choices("abcdefghijklmnopqrstuvwxyz\n", k=_STREAM))
    for given in (data, ""):
        ran = lab.run(lab.check.name, stdin=given.encode())
        ran.must_say(given, _COPIED)
        if ran.stderr != f"{len(given)} <nil>\n":
            raise CheckFailed(f"standard error has {ran.stderr!r}")


CHECKS = (
    Check(
        name="syscall.results",
        hook="syscall",
        sentence="Results are whole: 64 bits, structures, the lowest free descriptor, long lists of files.",
        source="syscall/zsyscall_linux_*.go, ztypes_linux_*.go; lseek(2), fstat(2), getdents64(2)",
        calls=300,
    ),
    Check(
        name="syscall.errors",
        hook="syscall",
        sentence="Errors have the numbers that errors.Is finds; EAGAIN is compared, and so is plain.",
        source="syscall/syscall_unix.go Errno.Is, errnoErr; io/fs: ErrNotExist, ErrExist",
        calls=40,
    ),
    Check(
        name="syscall.unknown",
        hook="syscall",
        sentence="A number that nobody knows is ENOSYS, and is told at the end.",
        source="os, internal/poll and runtime try newer calls first, and fall back on ENOSYS",
        calls=_UNKNOWN,
        probe=_unknown,
    ),
    Check(
        name="syscall.pointers",
        hook="syscall",
        sentence="A pointer that leads nowhere is EFAULT, in every place of every call, and nothing happens.",
        source="fairlead/hookspecs.py RuntimeSpec.syscall; intro(2): EFAULT",
        calls=300,
    ),
    Check(
        name="syscall.edges",
        hook="syscall",
        sentence="A transfer to where memory ends does as much as it says, and leaves the rest where it was.",
        source="internal/poll/fd_unix.go FD.Read, FD.Write count on n; read(2), write(2), readv(2)",
        calls=15,
    ),
    Check(
        name="syscall.restarted",
        hook="syscall",
        sentence="A call that a signal comes into goes on after the handler, and no byte is lost or doubled.",
        source="runtime/os_linux.go setsig: _SA_RESTART; signal(7)",
        calls=40,
    ),
    Check(
        name="syscall.interrupted",
        hook="syscall",
        sentence="A call that ends with EINTR has done nothing, and a sleep says what is left of it.",
        source="internal/poll/fd_unix.go ignoringEINTRIO; syscall/syscall_linux.go Nanosleep; signal(7)",
        calls=40,
        probe=guest_is_told,
    ),
    Check(
        name="syscall.deadline",
        hook="syscall",
        sentence="Deadlines of pipes end reads and writes on time; closing ends them at once.",
        source="internal/poll/fd_poll_runtime.go SetDeadline; runtime/netpoll.go; time limits of epoll_pwait",
        calls=20,
    ),
    Check(
        name="syscall.futex",
        hook="syscall",
        sentence="A futex waits while its word is what it was, until its time, and wakes as many as told.",
        source="runtime/os_linux.go futexsleep, futexwakeup; lock_futex.go; futex(2)",
        calls=40,
    ),
    Check(
        name="syscall.short",
        hook="syscall",
        sentence="A read gives what there is, and at the end nothing; bytes beyond are not touched.",
        source="internal/poll/fd_unix.go FD.Read, eofError; read(2), pread(2), ftruncate(2)",
        calls=25,
    ),
    Check(
        name="syscall.nonblocking",
        hook="syscall",
        sentence="A descriptor that must not block says EAGAIN at once, and loses nothing.",
        source="internal/poll/fd_unix.go: err == syscall.EAGAIN; os/file_unix.go newFile; fcntl(2)",
        calls=20,
    ),
    Check(
        name="syscall.large",
        hook="syscall",
        sentence="Transfers of megabytes move every byte, through files and through pipes.",
        source="internal/poll/fd_unix.go FD.Write loops; write(2), pipe(7)",
        calls=20,
    ),
    Check(
        name="syscall.polling",
        hook="syscall",
        sentence="Polling wakes those whose descriptor is ready, with what they registered, and no others.",
        source="runtime/netpoll_epoll.go netpoll: ev.Data; epoll_ctl(2), epoll_wait(2)",
        calls=60,
    ),
    Check(
        name="syscall.blocking",
        hook="syscall",
        sentence="A thread that waits in a call keeps no other from running, even on one processor.",
        source="runtime/proc.go entersyscall, handoffp, retake",
        calls=40,
    ),
    Check(
        name="syscall.readonly",
        hook="syscall",
        sentence="A folder mounted read-only refuses every change with EROFS, and is the same afterwards.",
        source="fairlead/port.py Mount; mount(2): MS_RDONLY",
        calls=15,
        probe=_read_only,
    ),
    Check(
        name="syscall.streams",
        hook="syscall",
        sentence="Standard input, output and error and the exit code are the host's, byte for byte.",
        source="os/file.go Stdin, Stdout, Stderr; runtime/sys_linux_*.s exit",
        calls=10,
        probe=_streams,
    ),
)
