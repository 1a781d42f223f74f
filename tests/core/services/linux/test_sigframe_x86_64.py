"""The x86-64 signal frame, byte for byte, on registers in a dictionary: the layout is the thing tested."""

from __future__ import annotations

from collections.abc import Sequence
from struct import unpack_from
from typing import Any

import pytest

from fairlead.errors import GuestFault, GuestRefusal
from fairlead.services.guestmemory import GuestMemory
from fairlead.services.linux.sigframe_x86_64 import SignalFrame
from fairlead.services.regions import Region, RegionMap
from fairlead.signal import Action, Signal
from fairlead_machines.engine.ram import EngineRam

BASE, SIZE = 0x7000_0000_0000, 0x4000
RESTORER = 0x0400_0000
HANDLER, RETURN = 0x40_1000, 0x40_2000
GENERAL = ("rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", *(f"r{n}" for n in range(8, 16)))


class Registers(dict[str, int]):
    """`Cpu` as far as frames need it."""

    arch = "x86_64"
    set = dict.__setitem__

    def get(self, name: str) -> int:  # type: ignore[override]
        return self[name]

    def batch(self, names: Sequence[str]) -> Any:
        cpu = self

        class Batch:
            def read(self) -> list[int]:
                return [cpu[name] for name in names]

            def write(self, values: Sequence[int]) -> None:
                cpu.update(zip(names, values, strict=True))

        return Batch()


@pytest.fixture
def cpu() -> Registers:
    registers = Registers({name: 0xAAAA_0000 + n for n, name in enumerate(GENERAL)})
    registers |= {f"xmm{n}": (n + 1) << 100 | n for n in range(16)}
    registers |= {"rip": 0x40_0123, "rflags": 0x10647, "mxcsr": 0x1FA0, "rsp": BASE + 0x3456}
    return registers


@pytest.fixture
def memory() -> GuestMemory:
    regions = RegionMap(0x10000, 1 << 47, BASE)
    regions.replace(BASE, BASE + SIZE, [Region(BASE, BASE + SIZE, 3, 0x8000_0000)])
    return GuestMemory(EngineRam(0x8000_0000, SIZE), regions)


def push(frame: SignalFrame, cpu: Registers, signal: Signal, flags: int = RESTORER) -> int:
    at = frame.place(cpu["rsp"] - frame.red_zone)
    frame.push(at, signal, Action(HANDLER, flags, 0, RETURN), 0, 0x5555, (0x1000, 0, 0x2000))
    return at


def test_layout_and_way_back(cpu: Registers, memory: GuestMemory) -> None:
    before = dict(cpu)
    frame = SignalFrame(cpu, memory)
    at = push(frame, cpu, Signal(11, 1, 0xBAD, synchronous=True, trap=14, error=6))
    assert at % 16 == 8 and at + 440 <= before["rsp"] - 128 - 512
    assert (cpu["rip"], cpu["rsp"], cpu["rdi"], cpu["rax"]) == (HANDLER, at, 11, 0)
    assert (cpu["rsi"], cpu["rdx"]) == (at + 312, at + 8)
    assert cpu["rflags"] == before["rflags"] & ~0x10500
    data = memory.read(at, 440)
    word = lambda offset: unpack_from("<Q", data, offset)[0]  # noqa: E731
    assert word(0) == RETURN and word(8) == 6
    assert unpack_from("<QIIQ", data, 24) == (0x1000, 0, 0, 0x2000)
    for name, offset in (("r8", 48), ("r15", 104), ("rdi", 112), ("rax", 152), ("rsp", 168), ("rip", 176)):
        assert word(offset) == before[name], name
    assert unpack_from("<4H", data, 192) == (0x33, 0, 0, 0x2B)
    assert [word(offset) for offset in (200, 208, 224, 304)] == [6, 14, 0xBAD, 0x5555]
    # err, trapno, cr2, uc_sigmask
    state = word(232)
    assert state % 64 == 0
    floats = memory.read(state, 512)
    assert unpack_from("<I", floats, 24)[0] == before["mxcsr"]
    assert floats[160:416] == b"".join(before[f"xmm{n}"].to_bytes(16, "little") for n in range(16))

    for name in GENERAL:
        cpu[name] = 0
    cpu["rsp"] = at + 8  # the handler's ret has popped pretcode
    cpu["xmm3"], cpu["mxcsr"] = 0, 0
    assert frame.pop() == (0x5555, (0x1000, 0, 0x2000))
    before["rflags"] = before["rflags"] & 0x10CD5 | 0x202
    assert dict(cpu) == before


def test_a_lying_frame_is_tamed_or_refused(cpu: Registers, memory: GuestMemory) -> None:
    frame = SignalFrame(cpu, memory)
    at = push(frame, cpu, Signal(10))
    memory.write_u64(at + 184, 2**64 - 1)  # eflags
    state = memory.read_u64(at + 232)
    memory.write_u32(state + 24, 0xFFFF_FFFF)  # mxcsr
    cpu["rsp"] = at + 8
    frame.pop()
    assert cpu["rflags"] == 0x10ED7 and cpu["mxcsr"] == 0xFFFF
    memory.write_u64(at + 176, 1 << 47)  # rip
    cpu["rsp"] = at + 8
    with pytest.raises(GuestRefusal):
        frame.pop()
    memory.write_u64(at + 176, 0x40_0000)
    memory.write_u64(at + 232, 0x1234)  # fpstate
    cpu["rsp"] = at + 8
    before = dict(cpu)
    with pytest.raises(GuestFault):
        frame.pop()
    assert cpu == before
    memory.write_u64(at + 232, 0)
    frame.pop()
    assert cpu["mxcsr"] == 0x1F80 and cpu["xmm5"] == 0


def test_without_a_restorer_there_is_no_way_back(cpu: Registers, memory: GuestMemory) -> None:
    with pytest.raises(GuestRefusal):
        push(SignalFrame(cpu, memory), cpu, Signal(10), flags=0)


def test_a_bad_stack_leaves_the_registers(cpu: Registers, memory: GuestMemory) -> None:
    cpu["rsp"] = BASE + 256
    before = dict(cpu)
    with pytest.raises(GuestFault):
        push(SignalFrame(cpu, memory), cpu, Signal(10))
    assert cpu == before
