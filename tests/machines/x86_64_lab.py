"""A `pc` board with pages of code, data and stack mapped, and a list of what trapped."""

from __future__ import annotations

from typing import Any

from fairlead.machine import BoardOptions, Prot, Stop
from fairlead.trap import Trap, TrapKind
from fairlead_machines.boards.pc import BOARD
from fairlead_machines.boards.pc_machine import PcMachine

CODE = 0x40_0000
DATA = 0x60_0000
STACK = 0x7FFF_0000_0000
"""The lowest address of the stack; rsp starts in its middle."""
SP = STACK + 0x2000
NOWHERE = 0x1000_0000
"""An address that nothing is mapped at."""
WILD = 0xDEAD_0000_1234_5678
"""An address that is not canonical."""
RAM = 0x1_0000_0000
SECOND = 1_000_000_000
LONG = 60 * SECOND


class Wire:
    """The other end of the serial port."""

    def __init__(self) -> None:
        self.sent = b""

    def write(self, data: bytes) -> None:
        self.sent += data

    def read(self, limit: int) -> bytes | None:
        return None


class PcLab:
    """The machine, with physical memory handed out from the second MiB on."""

    def __init__(self, **options: Any) -> None:
        self.wire = Wire()
        options.setdefault("memory", 64 << 20)
        machine = BOARD.build(BoardOptions(console=self.wire, **options))
        assert isinstance(machine, PcMachine)
        self.machine = machine
        self.cpu = machine.cpu
        self.traps: list[Trap] = []
        self._next = RAM + (1 << 20)
        self.code_frame = self.allocate(0x4000)
        self.data_frame = self.allocate(0x4000)
        self.stack_frame = self.allocate(0x4000)
        self.mmu = machine.new_mmu(self.allocate)
        self.mmu.map(CODE, self.code_frame, 0x4000, Prot.READ | Prot.EXEC)
        self.mmu.map(DATA, self.data_frame, 0x4000, Prot.READ | Prot.WRITE)
        self.mmu.map(STACK, self.stack_frame, 0x4000, Prot.READ | Prot.WRITE)
        self.mmu.activate()
        self.cpu.set("rsp", SP)

    def allocate(self, size: int) -> int:
        address = -(-self._next // size) * size
        self._next = address + size
        return address

    def load(self, *code: str, at: int = CODE) -> int:
        """Put code, in hexadecimal, at a virtual address in the code pages and point rip to it; its end."""
        data = bytes.fromhex("".join(code))
        self.write(self.code_frame + at - CODE, data)
        self.cpu.pc = at
        return at + len(data)

    def write(self, physical: int, data: bytes) -> None:
        start = physical - RAM
        self.machine.ram.view[start : start + len(data)] = data
        self.machine.ram.code_written(physical, len(data))

    def word(self, address: int = DATA) -> int:
        """The 64-bit word at an address in the data or the stack pages."""
        frame, first = (self.stack_frame, STACK) if address >= STACK else (self.data_frame, DATA)
        start = frame - RAM + address - first
        return int.from_bytes(self.machine.ram.view[start : start + 8], "little")

    def run(self, time: int = LONG, *, leave: bool = True) -> Stop:
        """Run for at most `time` of guest time; traps are collected and, if `leave`, end the run."""

        def on_trap(trap: Trap) -> bool:
            self.traps.append(trap)
            return not leave

        return self.machine.run(self.machine.clock.now() + time, on_trap)

    def trap(self) -> Trap:
        """Run to the next trap."""
        assert self.run() is Stop.HANDLER
        return self.traps[-1]

    def until_call(self) -> None:
        """Run to the next `int 0x30` or the like."""
        trap = self.trap()
        assert trap.kind is TrapKind.SYSCALL, trap
