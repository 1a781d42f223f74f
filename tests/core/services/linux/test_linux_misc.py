"""Who and where am I, limits, chance, and the refusals that Go's library takes for an answer."""

from __future__ import annotations

from errno import EAFNOSUPPORT, EFAULT, EINVAL, ENOSYS, EPERM, ESRCH
from struct import pack, unpack
from typing import Any

import pytest


def test_uname(desk: Any) -> None:
    desk.value("uname", desk.room)
    fields = [desk.memory.read_cstring(desk.room + 65 * n, 65) for n in range(6)]
    assert fields[0] == b"Linux" and fields[4] == b"riscv64"
    major, minor = fields[2].split(b".")[:2]
    assert (int(major), int(minor)) >= (5, 10)


def test_random_bytes_come_from_the_seed_and_never_repeat(desk: Any) -> None:
    assert desk.value("getrandom", desk.room, 32, 0) == 32
    first = desk.memory.read(desk.room, 32)
    assert desk.value("getrandom", desk.room, 32, 1) == 32
    assert desk.memory.read(desk.room, 32) != first
    assert first == type(desk.process.random)(7, "getrandom").bytes(32)


def test_random_bytes_stop_at_a_bad_page(desk: Any) -> None:
    end = desk.room + 16 * 4096
    assert desk.errno("getrandom", end, 8, 0) == EFAULT
    big = desk.memory.mmap(0x5000_0000, 1 << 20, 3)
    assert desk.value("getrandom", big, 2 << 20, 0) == 1 << 20
    assert desk.value("getrandom", 0, 0, 0) == 0
    for flags in (8, 6):
        assert desk.errno("getrandom", desk.room, 8, flags) == EINVAL


def test_unknown_prctl_is_einval_or_go_asks_for_ever(desk: Any) -> None:
    for option in (0x53564D41, 9999, -1):  # PR_SET_VMA
        assert desk.errno("prctl", option, 0, desk.room, 4096, 0) == EINVAL
    assert not desk.unknown


def test_prctl_keeps_names_and_capabilities_of_a_thread(desk: Any) -> None:
    desk.memory.write(desk.room, b"a name that is long\0")
    desk.value("prctl", 15, desk.room)
    desk.value("prctl", 16, desk.room + 64)
    assert desk.memory.read(desk.room + 64, 16) == b"a name that is \0"
    desk.value("prctl", 8, 1)
    child = desk.thread()
    desk.value("prctl", 8, 0)
    assert desk.value("prctl", 7) == 0
    desk.be(child)
    assert desk.value("prctl", 7) == 1
    assert desk.errno("prctl", 8, 2) == EINVAL


def test_a_descriptor_limit_counts_at_once(desk: Any) -> None:
    room = desk.room
    desk.value("prlimit64", 0, 7, 0, room)
    soft, hard = unpack("<QQ", desk.memory.read(room, 16))
    assert (soft, hard) == (desk.process.files.table.limit, desk.process.files.table.hard)
    desk.memory.write(room, pack("<QQ", 3, hard))
    desk.value("prlimit64", 1000, 7, room, 0)
    assert desk.errno("dup", 0) == 24
    desk.memory.write(room, pack("<QQ", 4, hard + 1))
    assert desk.errno("prlimit64", 0, 7, room, 0) == EPERM
    desk.memory.write(room, pack("<QQ", 5, 4))
    assert desk.errno("prlimit64", 0, 7, room, 0) == EINVAL
    assert desk.errno("prlimit64", 4, 7, 0, room) == ESRCH
    assert desk.errno("prlimit64", 0, 99, 0, room) == EINVAL


def test_identifiers_are_those_of_the_files(desk: Any) -> None:
    user = desk.process.files.user
    assert [desk.value(name) for name in ("getuid", "geteuid", "getgid", "getegid")] == [user.uid] * 2 + [
        user.gid
    ] * 2
    assert desk.value("getpid") == desk.value("getpgid", 0) == 1000
    assert desk.errno("setuid", 0) == EPERM and desk.value("setuid", user.uid) == 0
    assert desk.value("setresgid", -1, user.gid, -1) == 0
    assert desk.errno("getpgid", 1) == ESRCH


def test_capabilities_are_none(desk: Any) -> None:
    room = desk.room
    desk.memory.write(room, pack("<IiQ", 0, 0, 0))
    assert desk.value("capget", room, 0) == 0
    assert desk.memory.read_u32(room) == 0x2008_0522
    desk.memory.write(room + 64, b"x" * 24)
    assert desk.value("capget", room, room + 64) == 0
    assert desk.memory.read(room + 64, 24) == bytes(24)
    assert desk.value("capset", room, room + 64) == 0
    desk.memory.write(room + 64, b"\1")
    assert desk.errno("capset", room, room + 64) == EPERM
    assert desk.errno("capget", 8, 0) == EFAULT


def test_hardware_is_told_honestly(desk: Any) -> None:
    desk.memory.write(desk.room, pack("<qQqQqQ", 4, 0, 5, 0, 99, 7))
    desk.value("riscv_hwprobe", desk.room, 3, 0, 0, 0)
    assert unpack("<qQqQqQ", desk.memory.read(desk.room, 48)) == (4, 3, 5, 3, -1, 0)
    assert desk.errno("riscv_hwprobe", desk.room, 1, 0, 0, 1) == EINVAL


@pytest.mark.parametrize(
    ("name", "errno"),
    [
        ("socket", EAFNOSUPPORT),
        ("membarrier", ENOSYS),
        ("rseq", ENOSYS),
        ("pidfd_open", ENOSYS),
        ("setsid", EPERM),
    ],
)
def test_refusals_that_are_answers_are_not_called_unknown(desk: Any, name: str, errno: int) -> None:
    assert desk.errno(name, 0, 0, 0) == errno
    assert not desk.unknown


def test_use_and_size_of_the_system(desk: Any) -> None:
    desk.pass_time(2_500_000_000)
    desk.value("getrusage", 0, desk.room)
    seconds, microseconds = unpack("<qq", desk.memory.read(desk.room, 16))
    assert seconds * 10**6 + microseconds == desk.now // 1000
    desk.value("sysinfo", desk.room)
    uptime, total = unpack("<q24xQ", desk.memory.read(desk.room, 40))
    assert (uptime, total) == (desk.now // 10**9, 64 << 20)
    assert desk.value("times", desk.room) == desk.now // 10_000_000
    assert desk.errno("getrusage", 5, desk.room) == EINVAL
