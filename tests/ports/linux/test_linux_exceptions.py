"""Exceptions become the signals that Linux makes of them, as Go's runtime reports them."""

from __future__ import annotations

import platform
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import linux_faults
import pytest

Told = tuple[str, int, int | None, int]
Fault = Callable[..., Told]

ARCHITECTURES = {"linux-amd64": linux_faults.AMD64, "linux-riscv64": linux_faults.RISCV64}
HERE = sys.platform == "linux" and platform.machine() == "x86_64"


@pytest.fixture(scope="module")
def images(go_package: Any, fairlead: Any) -> dict[str, Path]:
    made = {}
    for port, files in ARCHITECTURES.items():
        folder = go_package(files)
        made[port] = folder / "image"
        built = fairlead("build", "--port", port, "-o", made[port], folder)
        assert built.returncode == 0, built.stderr
    return made


@pytest.fixture
def fault(images: dict[str, Path], fairlead: Any) -> Fault:
    def run(port: str, *words: str) -> Told:
        ran = fairlead("run", "--port", port, images[port], *words)
        assert ran.returncode == 2, ran.stderr
        return linux_faults.told(ran.stderr)

    return run


ADDRESSES = [0x10, 0xDEAD_0000, 0x3F_FFFF_F000, 0xFFFF_8000_0000_0000, 0xFFFF_FFFF_FFFF_F000]


@pytest.mark.parametrize("port", ARCHITECTURES)
@pytest.mark.parametrize("how", ["load", "store", "jump"])
@pytest.mark.parametrize("address", ADDRESSES)
def test_where_nothing_is_mapped_it_is_maperr_and_the_address(
    port: str, how: str, address: int, fault: Fault
) -> None:
    name, code, where, pc = fault(port, how, hex(address))
    assert (name, code, where) == ("SIGSEGV", 1, address)
    assert (pc == address) is (how == "jump")


@pytest.mark.parametrize("port", ARCHITECTURES)
@pytest.mark.parametrize("how", ["text", "data"])
def test_where_a_right_is_missing_it_is_accerr(port: str, how: str, fault: Fault) -> None:
    name, code, where, pc = fault(port, how)
    assert (name, code) == ("SIGSEGV", 2)
    assert (where == pc) is (how == "data")


SI_KERNEL = 0x80


@pytest.mark.parametrize(
    ("words", "name", "code"),
    [
        (("load", "0x8000000000000000"), "SIGSEGV", SI_KERNEL),
        (("store", "0x7fff800000000000"), "SIGSEGV", SI_KERNEL),
        (("jump", "0x8000000000000000"), "SIGSEGV", SI_KERNEL),
        (("stack",), "SIGBUS", SI_KERNEL),
        (("halt",), "SIGSEGV", SI_KERNEL),
        (("input",), "SIGSEGV", SI_KERNEL),
        (("int20",), "SIGSEGV", SI_KERNEL),
        (("int80",), "SIGSEGV", SI_KERNEL),
        (("undefined",), "SIGILL", 2),
        (("int3",), "SIGTRAP", SI_KERNEL),
        (("int1",), "SIGTRAP", 1),
        (("step",), "SIGTRAP", 2),
        (("zero",), "SIGFPE", 1),
        (("overflow",), "SIGFPE", 1),
    ],
)
def test_exceptions_of_x86_64(words: tuple[str, ...], name: str, code: int, fault: Fault) -> None:
    """arch/x86/kernel/traps.c"""
    found = fault("linux-amd64", *words)
    assert found[:2] == (name, code)
    if found[2] is not None:
        assert found[2] == (found[3] if name == "SIGFPE" else 0)


@pytest.mark.parametrize(
    ("words", "name", "code"),
    [
        (("illegal",), "SIGILL", 1),
        (("wait",), "SIGILL", 1),
        (("status",), "SIGILL", 1),
        (("breakpoint",), "SIGTRAP", 1),
        (("misaligned",), "SIGBUS", 1),
    ],
)
def test_exceptions_of_riscv64(words: tuple[str, ...], name: str, code: int, fault: Fault) -> None:
    """arch/riscv/kernel/traps.c; si_addr of a misaligned access is the instruction's address there."""
    found = fault("linux-riscv64", *words)
    assert found[:2] == (name, code)
    if found[2] is not None:
        assert found[2] == found[3]


@pytest.mark.skipif(not HERE, reason="the host is no Linux on x86-64")
@pytest.mark.parametrize(
    "words",
    [
        *(
            (how, hex(address))
            for how in ("load", "store", "jump")
            for address in (*ADDRESSES, 0x7FFF_FFFF_F000, 1 << 63)
        ),
        *((how,) for how in ("text", "data", "undefined", "int3", "int20", "step", "zero", "overflow")),
        *((how,) for how in ("stack", "halt", "input")),
    ],
)
def test_the_host_s_kernel_says_the_same(
    words: tuple[str, ...], images: dict[str, Path], fault: Fault
) -> None:
    """The same image, unchanged: even its pc is the same."""
    ran = subprocess.run(
        [images["linux-amd64"], *words], capture_output=True, text=True, timeout=60, check=False
    )
    assert fault("linux-amd64", *words) == linux_faults.told(ran.stderr)


def test_a_fault_in_the_fault_s_handler_ends_the_program(images: dict[str, Path], fairlead: Any) -> None:
    """With a stack pointer of no stack Go's handler for SIGBUS cannot go on; SIGSEGV is blocked by then."""
    ran = fairlead("run", "--port", "linux-amd64", images["linux-amd64"], "push")
    assert ran.returncode == 128 + signal.SIGSEGV
    assert ran.stderr.startswith("fairlead: the guest was ended by SIGSEGV at pc 0x")
