"""Dispatch: calls by number, errors as errno, and nothing that a guest passes as a Python exception."""

from __future__ import annotations

from errno import EFAULT, EINVAL, ENOSYS
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fairlead.errors import GuestRefusal
from fairlead.services.linux.calls import SERVED
from fairlead.services.linux.numbers import NUMBERS, name_of
from fairlead.syscall import Pending, Result, Syscall, Wake


@pytest.mark.parametrize(
    ("arch", "name", "number"),
    [
        ("riscv64", "io_setup", 0),
        ("riscv64", "write", 64),
        ("riscv64", "futex", 98),
        ("riscv64", "clone", 220),
        ("riscv64", "riscv_hwprobe", 258),
        ("riscv64", "clone3", 435),
        ("x86_64", "read", 0),
        ("x86_64", "rt_sigreturn", 15),
        ("x86_64", "futex", 202),
        ("x86_64", "getrandom", 318),
        ("x86_64", "fchmodat2", 452),
    ],
)
def test_numbers_are_those_of_the_kernel_headers(arch: str, name: str, number: int) -> None:
    assert NUMBERS[arch][name] == number and name_of(arch, number) == name


def test_an_unknown_call_is_refused_and_named(desk: Any) -> None:
    assert desk.errno("swapon") == ENOSYS
    result = desk.process.syscall(desk.cpu, Syscall(9999, (0,) * 6))
    assert result.errno == ENOSYS
    assert desk.unknown == {"swapon": 1, "syscall_9999": 1}


def test_a_bad_pointer_in_a_call_that_waited_is_an_errno(desk: Any) -> None:
    desk.memory.write(desk.room, (1).to_bytes(8, "little") + bytes(8))
    pending = desk.call("nanosleep", desk.room, 1)
    assert isinstance(pending, Pending)
    assert pending.resume(Wake.SIGNAL) == Result(errno=EFAULT)


def test_errors_that_handlers_raise_become_errno(desk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for error, expected in (
        (GuestRefusal(EINVAL, "no"), Result(errno=EINVAL, errstr="no")),
        (FileNotFoundError(2, "gone"), Result(errno=2)),
        (OSError("no number"), Result(errno=5)),
    ):
        number = NUMBERS["riscv64"]["getpid"]

        def fail(process: object, error: Exception = error) -> int:
            raise error

        monkeypatch.setitem(desk.process._handlers, number, (fail, 0))
        assert desk.call("getpid") == expected


_WILD = st.one_of(
    st.sampled_from([0, 1, 2, 3, 8, 16, 4095, 4096, 2**31, 2**32 - 1, 2**47, 2**63, 2**64 - 1, 2**64 - 100]),
    st.integers(0, 2**64 - 1),
    st.integers(0, 64),
)
_DEADLY = {"exit", "exit_group", "rt_sigreturn"}


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.sampled_from(sorted(set(SERVED) & set(NUMBERS["riscv64"]) - _DEADLY)), data=st.data())
def test_wild_arguments_never_raise(desk: Any, name: str, data: st.DataObject) -> None:
    inside = st.integers(0, 64).map(lambda n: desk.room + 8 * n)
    arguments = data.draw(st.lists(st.one_of(_WILD, inside), min_size=6, max_size=6))
    result = desk.call(name, *arguments)
    if isinstance(result, Pending):
        result = result.resume(data.draw(st.sampled_from([Wake.SIGNAL, Wake.TIMEOUT])))
    assert isinstance(result, Result | Pending)
    if isinstance(result, Result):
        assert result.value >= 0 and result.errno >= 0
    desk.system.current.signals.blocked = 0
    desk.be(desk.system.current)
