"""clone(2), exit(2), futex(2) and what is asked about threads."""

from __future__ import annotations

from errno import EAGAIN, ECHILD, EFAULT, EINTR, EINVAL, ENOSYS, EPERM, ESRCH, ETIMEDOUT
from typing import Any

import pytest

from fairlead.syscall import Result, Wake
from fairlead.thread import ThreadState

GO = 0x50F00  # the flags of Go's newosproc
SETTLS, PARENT_SETTID, CHILD_CLEARTID, CHILD_SETTID = 0x80000, 0x10_0000, 0x20_0000, 0x100_0000
MS = 1_000_000


def timespec(desk: Any, address: int, nanoseconds: int) -> int:
    seconds, rest = divmod(nanoseconds, 10**9)
    desk.memory.write(address, seconds.to_bytes(8, "little") + rest.to_bytes(8, "little"))
    return address


def test_a_clone_starts_after_the_call_with_zero(desk: Any) -> None:
    desk.cpu.pc = 0x12344
    desk.cpu.set("s1", 77)
    desk.system.current.signals.blocked = 0xFF0
    identifier = desk.value("clone", GO, 0x7000_0000, 0, 0, 0)
    child = desk.system.find_thread(identifier)
    peek = desk.cpu.peek
    assert [peek(child.context, r) for r in ("pc", "sp", "a0", "s1")] == [0x12344, 0x7000_0000, 0, 77]
    assert child.signals.blocked == 0xFF0 and child.state is ThreadState.READY


def test_identifiers_are_told_where_asked(desk: Any) -> None:
    room = desk.room
    flags = GO | SETTLS | PARENT_SETTID | CHILD_SETTID | CHILD_CLEARTID
    identifier = desk.value("clone", flags, 0x7000_0000, room, 0x1234, room + 8)
    child = desk.system.find_thread(identifier)
    assert desk.cpu.peek(child.context, "tp") == 0x1234
    assert desk.memory.read_u32(room) == desk.memory.read_u32(room + 8) == identifier
    waiter = desk.wait("futex", room + 8, 0, identifier)
    desk.be(child)
    assert desk.value("gettid") == identifier
    desk.call("exit", 0)
    assert desk.memory.read_u32(room + 8) == 0
    assert desk.finish(waiter) == Result() and child.state is ThreadState.ENDED


def test_a_clone_with_a_bad_pointer_makes_no_thread(desk: Any) -> None:
    assert desk.errno("clone", GO | PARENT_SETTID, 0x7000_0000, 8) == EFAULT
    assert len(desk.system.threads()) == 1


def test_processes_cannot_be_made(desk: Any) -> None:
    assert desk.errno("clone", 17, 0) == ENOSYS  # SIGCHLD alone: fork
    assert desk.errno("clone3", desk.room, 88) == ENOSYS
    assert desk.errno("execve", 0, 0, 0) == ENOSYS
    assert desk.errno("wait4", -1, 0, 0, 0) == ECHILD
    assert list(desk.unknown) == ["clone (a new process)", "execve"]


def test_the_last_thread_takes_the_process_with_it(desk: Any) -> None:
    child = desk.thread()
    desk.call("exit", 3)
    assert desk.ended is None
    desk.be(child)
    desk.call("exit", 0x105)
    assert desk.ended.status == 5


def test_exit_group_ends_all(desk: Any) -> None:
    desk.thread()
    desk.call("exit_group", 2)
    assert desk.ended.status == 2


def test_too_many_threads_are_refused(desk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fairlead.scheduler.MAX_THREADS", 2)
    desk.value("clone", GO, 0x7000_0000)
    assert desk.errno("clone", GO, 0x7000_0000) == EAGAIN


def test_a_futex_wait_ends_by_wake_by_timeout_and_by_signal(desk: Any) -> None:
    room = desk.room
    other = desk.thread()
    assert desk.errno("futex", room, 128, 1, 0) == EAGAIN
    waiter = desk.wait("futex", room, 128, 0, 0)
    desk.be(other)
    assert desk.value("futex", room, 129, 5) == 1
    assert desk.finish(waiter) == Result()

    start = desk.now
    waiter = desk.wait("futex", room, 128, 0, timespec(desk, room + 64, 3 * MS))
    assert waiter.pending.deadline - start == 3 * MS
    desk.pass_time(3 * MS)
    assert desk.finish(waiter) == Result(errno=ETIMEDOUT)

    waiter = desk.wait("futex", room, 128, 0, 0)
    desk.system.scheduler.wake(waiter, Wake.SIGNAL)
    assert desk.finish(waiter) == Result(errno=EINTR, restart=True)


@pytest.mark.parametrize("realtime", [0, 256])
def test_a_bitset_wait_has_an_absolute_deadline(desk: Any, realtime: int) -> None:
    epoch = desk.system.machine.clock.epoch if realtime else 0
    when = timespec(desk, desk.room + 64, epoch + 5000 * MS)
    waiter = desk.wait("futex", desk.room, 9 | 128 | realtime, 0, when, 0, 6)
    assert waiter.pending.deadline == 5000 * MS
    desk.be(desk.thread())
    assert desk.value("futex", desk.room, 10 | 128, 1, 0, 0, 1) == 0
    assert desk.value("futex", desk.room, 10 | 128, 1, 0, 0, 4) == 1


def test_futex_refusals(desk: Any) -> None:
    desk.memory.write(desk.room + 64, (1).to_bytes(8, "little") + (10**9).to_bytes(8, "little"))
    assert desk.errno("futex", desk.room, 0, 0, desk.room + 64) == EINVAL
    assert desk.errno("futex", desk.room + 2, 0, 0, 0) == EINVAL
    assert desk.errno("futex", 0x5000_0000, 0, 0, 0) == EFAULT
    assert desk.errno("futex", desk.room, 6, 0, 0) == ENOSYS
    assert desk.errno("futex", desk.room, 4, 1, 1, desk.room + 8, 5) == EAGAIN


def test_one_processor_is_seen(desk: Any) -> None:
    assert desk.value("sched_getaffinity", 0, 8192, desk.room) == 8
    assert desk.memory.read_u64(desk.room) == 1
    assert desk.errno("sched_getaffinity", 0, 4, desk.room) == EINVAL
    assert desk.errno("sched_getaffinity", 4242, 8, desk.room) == ESRCH
    desk.memory.write_u64(desk.room, 2)
    assert desk.errno("sched_setaffinity", 0, 8, desk.room) == EINVAL
    assert desk.errno("sched_setscheduler", 0, 1, desk.room) == EPERM


def test_yielding_lets_another_run(desk: Any) -> None:
    desk.thread()
    first = desk.system.current
    desk.value("sched_yield")
    assert list(desk.system.scheduler.ready)[-1] is first
