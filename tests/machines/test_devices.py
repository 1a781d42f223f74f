"""Devices by themselves, with lists for wires."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from riscv64_lab import Wire

from fairlead_machines.devices.clint import Clint
from fairlead_machines.devices.finisher import Finisher
from fairlead_machines.devices.goldfish_rtc import GoldfishRtc
from fairlead_machines.devices.plic import Plic
from fairlead_machines.devices.uart16550 import Uart16550


class Level:
    """An interrupt line, and how often it rose."""

    def __init__(self) -> None:
        self.high = False
        self.rose = 0

    def __call__(self, level: bool) -> None:
        self.rose += level and not self.high
        self.high = level


# 16550 registers
DATA, IER, IIR, LCR, MCR, LSR, MSR, SCR = range(8)


def serial() -> tuple[Uart16550, Wire, Level]:
    wire, line = Wire(), Level()
    return Uart16550(wire, line), wire, line


def test_the_serial_port_sends() -> None:
    uart, wire, _ = serial()
    for byte in b"ok\n":
        assert uart.read(LSR, 1) == 0x60
        uart.write(DATA, 1, byte)
    assert wire.sent == b"ok\n"


def test_the_serial_port_receives() -> None:
    uart, wire, _ = serial()
    assert uart.read(LSR, 1) & 1 == 0
    assert uart.read(DATA, 1) == 0
    wire.waiting = bytes(range(40))
    received = []
    while uart.read(LSR, 1) & 1:
        received.append(uart.read(DATA, 1))
    assert bytes(received) == bytes(range(40))
    wire.closed = True
    assert uart.read(LSR, 1) & 1 == 0


def test_the_received_data_interrupt() -> None:
    uart, wire, line = serial()
    wire.waiting = b"ab"
    uart.poll()
    assert not line.high, "off, and the input is left where it is"
    assert wire.waiting == b"ab"
    uart.write(IER, 1, 1)
    uart.poll()
    assert line.high
    assert uart.read(IIR, 1) == 0x04
    assert uart.read(DATA, 1) == ord("a")
    assert line.high
    assert uart.read(DATA, 1) == ord("b")
    assert not line.high
    assert uart.read(IIR, 1) == 0x01


def test_the_transmitter_interrupt() -> None:
    uart, _, line = serial()
    uart.write(IER, 1, 2)
    assert line.high
    assert uart.read(IIR, 1) == 0x02, "reading it takes it away"
    assert not line.high
    assert uart.read(IIR, 1) == 0x01
    uart.write(DATA, 1, 65)
    assert line.high
    uart.write(IER, 1, 0)
    assert not line.high


def test_received_data_comes_before_the_transmitter() -> None:
    uart, wire, _ = serial()
    uart.write(IER, 1, 3)
    wire.waiting = b"x"
    uart.poll()
    assert uart.read(IIR, 1) == 0x04
    uart.read(DATA, 1)
    assert uart.read(IIR, 1) == 0x02


def test_the_divisor_latch_hides_the_data() -> None:
    uart, wire, _ = serial()
    uart.write(LCR, 1, 0x83)
    uart.write(DATA, 1, 0x34)
    uart.write(IER, 1, 0x12)
    assert (uart.read(DATA, 1), uart.read(IER, 1)) == (0x34, 0x12)
    uart.write(LCR, 1, 0x03)
    assert wire.sent == b""
    assert uart.read(IER, 1) == 0
    assert uart.read(LCR, 1) == 3


def test_registers_that_only_hold() -> None:
    uart, _, _ = serial()
    uart.write(SCR, 1, 0x1A5)
    uart.write(MCR, 1, 0xFF)
    assert (uart.read(SCR, 1), uart.read(MCR, 1), uart.read(MSR, 1)) == (0xA5, 0x1F, 0xB0)
    uart.write(IIR, 1, 1)
    assert uart.read(IIR, 1) == 0xC1
    assert uart.read(77, 1) == 0
    uart.write(77, 1, 1)


def test_the_fifo_can_be_cleared() -> None:
    uart, wire, line = serial()
    uart.write(IER, 1, 1)
    wire.waiting = b"x"
    uart.poll()
    uart.write(IIR, 1, 3)
    assert not line.high
    assert uart.read(LSR, 1) & 1 == 0


ENABLE, THRESHOLD, CLAIM = 0x2080, 0x20_1000, 0x20_1004


def plic() -> tuple[Plic, Level]:
    line = Level()
    return Plic(95, [Level(), line]), line


def test_the_plics_way_of_one_interrupt() -> None:
    controller, line = plic()
    source = controller.source(10)
    source(True)
    assert not line.high
    assert controller.read(0x1000, 4) == 1 << 10
    controller.write(0x28, 4, 1)
    controller.write(ENABLE, 4, 1 << 10)
    assert line.high
    controller.write(THRESHOLD, 4, 1)
    assert not line.high, "a priority must be above the threshold"
    controller.write(THRESHOLD, 4, 0)
    assert controller.read(CLAIM, 4) == 10
    assert not line.high
    assert controller.read(CLAIM, 4) == 0
    controller.write(CLAIM, 4, 10)
    assert line.high, "level-triggered: it is still raised"
    source(False)
    assert not line.high


def test_the_plics_order() -> None:
    controller, _ = plic()
    for number, priority in ((3, 2), (40, 7), (41, 7), (5, 1)):
        controller.write(4 * number, 4, priority)
        controller.source(number)(True)
    controller.write(ENABLE, 4, 0xFFFF_FFFF)
    controller.write(ENABLE + 4, 4, 0xFFFF_FFFF)
    assert [controller.read(CLAIM, 4) for _ in range(5)] == [40, 41, 3, 5, 0]


def test_the_plics_limits() -> None:
    controller, line = plic()
    controller.write(0, 4, 7)
    controller.write(ENABLE, 4, 0xFFFF_FFFF)
    assert controller.read(ENABLE, 4) == 0xFFFF_FFFE, "source 0 is none"
    controller.write(0x28, 4, 0xFF)
    assert controller.read(0x28, 4) == 7
    controller.write(CLAIM, 4, 10)
    controller.write(CLAIM, 4, 0xFFFF_FFFF)
    assert not line.high


@given(
    st.lists(st.tuples(st.booleans(), st.integers(0, 0x5F_FFFC), st.integers(0, (1 << 32) - 1)), max_size=30)
)
def test_no_access_upsets_the_plic(accesses: list[tuple[bool, int, int]]) -> None:
    controller, _ = plic()
    for writes, offset, value in accesses:
        if writes:
            controller.write(offset, 4, value)
        assert 0 <= controller.read(offset, 4) < 1 << 32


def test_the_clint() -> None:
    now, armed, software = [0x1_2345_6789], [], Level()
    clint = Clint(lambda: now[0], armed.append, software)
    assert clint.read(0xBFF8, 8) == 0x1_2345_6789
    assert (clint.read(0xBFF8, 4), clint.read(0xBFFC, 4)) == (0x2345_6789, 1)
    assert clint.read(0x4000, 8) == (1 << 64) - 1
    clint.write(0x4000, 4, 0x1111_2222)
    clint.write(0x4004, 4, 0x3)
    assert armed == [0xFFFF_FFFF_1111_2222, 0x3_1111_2222]
    clint.write(0, 4, 3)
    assert software.high and clint.read(0, 4) == 1
    clint.write(0, 4, 0)
    assert not software.high
    clint.write(0xBFF8, 4, 0)
    clint.write(0x4008, 4, 0)
    assert clint.read(0xBFF8, 8) == 0x1_2345_6789
    assert clint.read(0x1234, 4) == 0


EPOCH = 1_767_225_600_000_000_000


class Alarms:
    def __init__(self) -> None:
        self.now = 5_000
        self.set: dict[Callable[[], None], int | None] = {}

    def arm(self, action: Callable[[], None], time: int | None) -> None:
        self.set[action] = time


def rtc() -> tuple[GoldfishRtc, Alarms, Level]:
    alarms, line = Alarms(), Level()
    return GoldfishRtc(lambda: alarms.now, EPOCH, alarms.arm, line), alarms, line


def test_the_clock_of_the_day() -> None:
    clock, alarms, _ = rtc()
    low = clock.read(0, 4)
    alarms.now += 1 << 40
    assert clock.read(4, 4) << 32 | low == EPOCH + 5_000, "reading the low half latches the high one"
    alarms.now = 0
    clock.write(4, 4, 1)
    clock.write(0, 4, 77)
    assert (clock.read(0, 4), clock.read(4, 4)) == (77, 1)


def test_the_alarm_of_the_clock() -> None:
    clock, alarms, line = rtc()
    due = EPOCH + 123_456
    clock.write(0x10, 4, 1)
    clock.write(0x0C, 4, due >> 32)
    clock.write(0x08, 4, due & 0xFFFF_FFFF)
    [(ring, time)] = alarms.set.items()
    assert time == 123_456
    assert clock.read(0x18, 4) == 1
    ring()
    assert line.high
    assert clock.read(0x18, 4) == 0
    clock.write(0x1C, 4, 1)
    assert not line.high
    clock.write(0x08, 4, due & 0xFFFF_FFFF)
    clock.write(0x14, 4, 1)
    assert alarms.set[ring] is None
    assert (clock.read(0x08, 4), clock.read(0x0C, 4), clock.read(0x10, 4)) == (
        due & 0xFFFF_FFFF,
        due >> 32,
        1,
    )


@pytest.mark.parametrize(
    ("value", "codes"), [(0x5555, [0]), (0x7777, [0]), (0x3_3333, [3]), (0x1234, []), (0, [])]
)
def test_the_finisher(value: int, codes: list[int]) -> None:
    finished: list[int] = []
    device = Finisher(finished.append)
    device.write(4, 4, value)
    assert finished == [] and device.read(0, 4) == 0
    device.write(0, 4, value)
    assert finished == codes
