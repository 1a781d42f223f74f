"""A `virt` board with a page of code and a page of data mapped, and a list of what trapped."""

from __future__ import annotations

from typing import Any

from fairlead.machine import BoardOptions, Prot, Stop
from fairlead.trap import Trap, TrapKind
from fairlead_machines.boards.virt import BOARD
from fairlead_machines.boards.virt_machine import VirtMachine

CODE = 0x1_0000
DATA = 0x20_0000
NOWHERE = 0x4000_0000
"""An address that nothing is mapped at."""
RAM = 0x8000_0000
FOREIGN = 0x0A00_0000
"""An SBI extension of the firmware-specific range, for ports."""
SECOND = 1_000_000_000
LONG = 60 * SECOND

Code = bytes


class Wire:
    """The other end of the serial port."""

    def __init__(self) -> None:
        self.sent = b""
        self.waiting = b""
        self.closed = False

    def write(self, data: bytes) -> None:
        self.sent += data

    def read(self, limit: int) -> bytes | None:
        data, self.waiting = self.waiting[:limit], self.waiting[limit:]
        return data or (b"" if self.closed else None)


class Lab:
    """The machine, with physical memory handed out from the second MiB on."""

    def __init__(self, *, paging: bool = True, **options: Any) -> None:
        self.wire = Wire()
        options.setdefault("memory", 64 << 20)
        machine = BOARD.build(BoardOptions(console=self.wire, **options))
        assert isinstance(machine, VirtMachine)
        self.machine = machine
        self.cpu = machine.cpu
        self.traps: list[Trap] = []
        self._next = RAM + (1 << 20)
        self.code_frame = self.allocate(0x4000)
        self.data_frame = self.allocate(0x4000)
        self.mmu = machine.new_mmu(self.allocate)
        self.mmu.map(CODE, self.code_frame, 0x4000, Prot.READ | Prot.EXEC)
        self.mmu.map(DATA, self.data_frame, 0x4000, Prot.READ | Prot.WRITE)
        if paging:
            self.mmu.activate()
        self.cpu.set("a7", FOREIGN)

    def allocate(self, size: int) -> int:
        address = -(-self._next // size) * size
        self._next = address + size
        return address

    def load(self, *code: bytes, at: int = CODE) -> int:
        """Put code at a virtual address in the code pages and point pc to it; the address after it.

        a7 is set so that calls are none of the firmware's.
        """
        self.write(self.code_frame + at - CODE, b"".join(code))
        self.cpu.set("a7", FOREIGN)
        self.cpu.pc = at
        return at + len(b"".join(code))

    def write(self, physical: int, data: bytes) -> None:
        start = physical - RAM
        self.machine.ram.view[start : start + len(data)] = data
        self.machine.ram.code_written(physical, len(data))

    def word(self, offset: int = 0) -> int:
        """The 64-bit word at DATA + offset."""
        start = self.data_frame - RAM + offset
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
        """Run to the next ecall that the firmware does not serve."""
        trap = self.trap()
        assert trap.kind is TrapKind.SYSCALL, trap
