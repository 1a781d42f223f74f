"""The SBI firmware, called by the guest and by the host."""

from __future__ import annotations

import pytest
import rv64asm as a
from riscv64_lab import CODE, DATA, FOREIGN, RAM, Lab

from fairlead.errors import PortError
from fairlead.machine import Prot, Stop
from fairlead.trap import Trap, TrapKind
from fairlead_machines.firmware.sbi.firmware import EXTENSIONS

BASE, TIME, IPI, RFENCE, HSM, SRST, DBCN = (
    0x10, 0x54494D45, 0x735049, 0x52464E43, 0x48534D, 0x53525354, 0x4442434E,
)  # fmt: skip
SUCCESS, FAILED, NOT_SUPPORTED, INVALID_PARAM, ALREADY_AVAILABLE = 0, -1, -2, -3, -6
ALL_HARTS = (1 << 64) - 1


def guest_call(lab: Lab, extension: int, function: int, *arguments: int) -> tuple[int, int]:
    """The call as an ecall of the guest's; a0 as a signed number, and a1."""
    lab.load(a.ecall(), a.li("a7", FOREIGN), a.ecall())
    for number, value in enumerate((*arguments, *(0xBAD,) * 6)[:6]):
        lab.cpu.set(f"a{number}", value)
    lab.cpu.set("a6", function)
    lab.cpu.set("a7", extension)
    lab.until_call()
    error = lab.cpu.get("a0")
    return error - (error >> 63 << 64), lab.cpu.get("a1")


CALLS = [
    # the base extension
    ((BASE, 0), (SUCCESS, 2 << 24)),
    ((BASE, 2), (SUCCESS, 1)),
    *[((BASE, 3, extension.id), (SUCCESS, 1)) for extension in EXTENSIONS],
    ((BASE, 3, FOREIGN), (SUCCESS, 0)),
    ((BASE, 3, 0x504D55), (SUCCESS, 0)),
    *[((BASE, function), (SUCCESS, 0)) for function in (4, 5, 6)],
    ((BASE, 7), (NOT_SUPPORTED, 0)),
    # hart masks
    ((IPI, 0, 0, 0), (SUCCESS, 0)),
    ((IPI, 0, 2, 0), (INVALID_PARAM, 0)),
    ((IPI, 0, 1, 1), (INVALID_PARAM, 0)),
    ((IPI, 0, 0, 1), (SUCCESS, 0)),
    ((IPI, 1, 1, 0), (NOT_SUPPORTED, 0)),
    ((RFENCE, 0, 1, 0), (SUCCESS, 0)),
    ((RFENCE, 1, 1, 0, 0, ALL_HARTS), (SUCCESS, 0)),
    ((RFENCE, 2, 0, ALL_HARTS, 0, 0x1000, 1), (SUCCESS, 0)),
    ((RFENCE, 1, 3, 0), (INVALID_PARAM, 0)),
    ((RFENCE, 3, 1, 0), (NOT_SUPPORTED, 0)),
    # hart states
    ((HSM, 0, 0, 0, 0), (ALREADY_AVAILABLE, 0)),
    ((HSM, 0, 1, 0, 0), (INVALID_PARAM, 0)),
    ((HSM, 1), (FAILED, 0)),
    ((HSM, 2, 0), (SUCCESS, 0)),
    ((HSM, 2, 7), (INVALID_PARAM, 0)),
    ((HSM, 3, 0x8000_0000, 0, 0), (NOT_SUPPORTED, 0)),
    ((HSM, 3, 0x1000_0000, 0, 0), (NOT_SUPPORTED, 0)),
    ((HSM, 3, 1, 0, 0), (INVALID_PARAM, 0)),
    ((HSM, 3, 0x8000_0001, 0, 0), (INVALID_PARAM, 0)),
    # resets that are refused
    ((SRST, 0, 3, 0), (INVALID_PARAM, 0)),
    ((SRST, 0, 0, 2), (INVALID_PARAM, 0)),
    ((SRST, 0, 0xF000_0000, 0), (NOT_SUPPORTED, 0)),
    ((SRST, 1), (NOT_SUPPORTED, 0)),
    # console ranges outside RAM
    ((DBCN, 0, 1, RAM - 1, 0), (INVALID_PARAM, 0)),
    ((DBCN, 0, 1 << 62, RAM, 0), (INVALID_PARAM, 0)),
    ((DBCN, 0, 1, RAM, 1), (INVALID_PARAM, 0)),
    ((DBCN, 1, 2, RAM + (64 << 20) - 1, 0), (INVALID_PARAM, 0)),
    ((DBCN, 3), (NOT_SUPPORTED, 0)),
]


@pytest.mark.parametrize(("call", "answer"), CALLS, ids=lambda value: ",".join(f"{n:x}" for n in value))
def test_calls_answer_as_specified(lab: Lab, call: tuple[int, ...], answer: tuple[int, int]) -> None:
    assert lab.machine.firmware.call(*call) == answer
    assert guest_call(lab, *call) == answer


def test_the_implementation_has_an_id(lab: Lab) -> None:
    error, value = lab.machine.firmware.call(BASE, 1)
    assert error == SUCCESS and value > 15, "not one of the registry's"


def test_a_ports_extension_is_probed_and_reaches_the_port(lab: Lab) -> None:
    lab.machine.firmware.register(FOREIGN, "Fairlead")
    assert guest_call(lab, BASE, 3, FOREIGN) == (SUCCESS, 1)
    assert lab.machine.firmware.call(FOREIGN, 0) == (NOT_SUPPORTED, 0)
    with pytest.raises(PortError, match="Timer Extension"):
        lab.machine.firmware.register(TIME, "mine")


@pytest.mark.parametrize("call", [(SRST, 0, 0, 0), (SRST, 0, 1, 1), (SRST, 0, 2, 0), (8, 0)])
def test_resets_end_the_run(lab: Lab, call: tuple[int, ...]) -> None:
    lab.load(a.ecall(), a.ecall())
    for name, value in zip(("a7", "a6", "a0", "a1"), (*call, 0, 0), strict=False):
        lab.cpu.set(name, value)
    assert lab.run() is Stop.SHUTDOWN
    assert lab.traps == []


def test_a_suspended_hart_waits(lab: Lab) -> None:
    lab.load(a.ecall(), a.addi("t0", "zero", 4), a.li("a7", FOREIGN), a.ecall())
    lab.cpu.set("a7", HSM)
    lab.cpu.set("a6", 3)
    assert lab.run() is Stop.WAIT
    assert (lab.cpu.get("a0"), lab.cpu.get("t0"), lab.cpu.pc) == (0, 0, CODE + 4)
    lab.until_call()
    assert lab.cpu.get("t0") == 4


def test_software_interrupts(lab: Lab) -> None:
    lab.load(a.addi("t0", "t0", 1), a.j(-4))
    assert lab.machine.firmware.call(IPI, 0, 1, 0) == (SUCCESS, 0)
    assert lab.run() is Stop.INTERRUPT
    assert lab.machine.pending_interrupt() == Trap(TrapKind.SOFTWARE, 1 << 63 | 1, CODE)
    lab.cpu.set("sip", 0)
    assert lab.machine.pending_interrupt() is None
    assert lab.machine.firmware.call(4, 0) == (SUCCESS, 0)
    assert lab.machine.pending_interrupt() is not None
    assert lab.machine.firmware.call(3, 0) == (SUCCESS, 0)
    assert lab.machine.pending_interrupt() is None
    assert lab.run(1000) is Stop.DEADLINE


def test_the_most_urgent_interrupt_comes_first(lab: Lab) -> None:
    lab.load(a.j(0))
    lab.machine.firmware.call(TIME, 0, 0)
    lab.machine.firmware.call(IPI, 0, 1, 0)
    assert lab.run() is Stop.INTERRUPT
    first = lab.machine.pending_interrupt()
    assert first is not None and first.kind is TrapKind.SOFTWARE
    lab.cpu.set("sip", 0)
    second = lab.machine.pending_interrupt()
    assert second is not None and second.kind is TrapKind.TIMER


def test_the_debug_console(lab: Lab) -> None:
    lab.write(lab.data_frame, b"hello")
    assert guest_call(lab, DBCN, 0, 5, lab.data_frame, 0) == (SUCCESS, 5)
    assert guest_call(lab, DBCN, 2, ord("!") | 0x100) == (SUCCESS, 0)
    assert lab.wire.sent == b"hello!"
    lab.wire.waiting = b"abc"
    assert guest_call(lab, DBCN, 1, 2, lab.data_frame, 0) == (SUCCESS, 2)
    assert guest_call(lab, DBCN, 1, 8, lab.data_frame + 2, 0) == (SUCCESS, 1)
    assert guest_call(lab, DBCN, 1, 8, lab.data_frame + 3, 0) == (SUCCESS, 0)
    assert lab.word().to_bytes(8, "little") == b"abclo\0\0\0"


def test_a_large_write_is_taken_in_parts(lab: Lab) -> None:
    error, count = guest_call(lab, DBCN, 0, 32 << 20, RAM, 0)
    assert error == SUCCESS and 0 < count < 32 << 20
    assert len(lab.wire.sent) == count


def test_the_legacy_console(lab: Lab) -> None:
    lab.wire.waiting = b"\xff"
    for byte in b"hi":
        assert guest_call(lab, 1, 0, byte)[0] == SUCCESS
    assert lab.wire.sent == b"hi"
    # a legacy call's result is the byte itself, and a1 is left alone
    lab.wire.waiting = b"\xff"
    assert guest_call(lab, 2, 99, 1, 2) == (0xFF, 2)
    assert guest_call(lab, 2, 99, 1, 2) == (-1, 2)


def test_the_legacy_timer(lab: Lab) -> None:
    due = lab.machine.clock.now() // 100 + 10
    assert guest_call(lab, 0, 77, due)[0] == SUCCESS
    lab.load(a.j(0))
    assert lab.run() is Stop.INTERRUPT
    assert lab.machine.firmware.call(0, 0, (1 << 64) - 1) == (SUCCESS, 0)
    assert lab.run(1000) is Stop.DEADLINE


@pytest.mark.parametrize("extension", [5, 6, 7])
def test_the_legacy_fences(lab: Lab, extension: int) -> None:
    assert guest_call(lab, extension, 0)[0] == SUCCESS


def test_a_remote_fence_flushes_what_the_guest_changed(lab: Lab) -> None:
    """The guest remaps DATA by its own store to the table and asks for a fence."""
    other = lab.allocate(0x1000)
    lab.write(other, b"\x02")
    lab.write(lab.data_frame, b"\x01")
    words = lab.machine.ram.view.cast("Q")
    leaf = next(
        n for n in range(len(words)) if words[n] >> 10 == lab.data_frame >> 12 and words[n] & 0xF == 7
    )
    new = other >> 2 | words[leaf] & 0x3FF
    words.release()
    table = 0x5000_0000
    lab.mmu.map(table, RAM + leaf * 8 & ~0xFFF, 0x1000, Prot.READ | Prot.WRITE)
    lab.load(
        a.lbu("t0", 0, "s0"), a.sd("s1", 0, "s2"), a.ecall(), a.lbu("t1", 0, "s0"),
        a.li("a7", FOREIGN), a.ecall(),
    )  # fmt: skip
    for name, value in {
        "s0": DATA, "s1": new, "s2": table + leaf * 8 % 0x1000, "a7": RFENCE, "a6": 1, "a0": 1, "a1": 0,
    }.items():  # fmt: skip
        lab.cpu.set(name, value)
    lab.until_call()
    assert (lab.cpu.get("t0"), lab.cpu.get("t1")) == (1, 2)


def test_a_consoles_failure_comes_out_of_run(lab: Lab) -> None:
    def write(data: bytes) -> None:
        raise BrokenPipeError("nobody reads")

    lab.wire.write = write  # type: ignore[method-assign]
    with pytest.raises(BrokenPipeError, match="nobody reads"):
        guest_call(lab, 1, 0, 65)
