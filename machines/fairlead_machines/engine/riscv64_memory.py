"""Guest memory as the hart sees it now: address translation and instruction fetch from the host's side."""

from __future__ import annotations

from fairlead.machine import PAGE_SIZE
from fairlead_machines.engine.ram import EngineRam
from fairlead_machines.engine.riscv64_cpu import Riscv64Cpu
from fairlead_machines.engine.sv39 import walk

__all__ = ["GuestView"]

_MASK = (1 << 64) - 1
_SATP_PPN = (1 << 44) - 1


class GuestView:
    """Reads of RAM by virtual address, whatever the page's permissions."""

    __slots__ = ("_base", "_cpu", "_size", "ram", "words")

    def __init__(self, ram: EngineRam, cpu: Riscv64Cpu) -> None:
        self.ram = ram.view
        self.words = ram.view.cast("Q")
        self._base = ram.base
        self._size = ram.size
        self._cpu = cpu

    def index(self, address: int) -> int | None:
        """Where in `ram` the byte at a virtual address is; None if it is not there."""
        satp = self._cpu.satp
        if satp:
            found = walk(self.words, self._base, (satp & _SATP_PPN) << 12, address)
            if found is None:
                return None
            address = found[0]
        index = address - self._base
        return index if 0 <= index < self._size else None

    def instruction(self, pc: int) -> int:
        """The instruction at pc, 16 or 32 bits; 0, an illegal one, where there is none."""
        index = self.index(pc)
        if index is None:
            return 0
        if pc % PAGE_SIZE <= PAGE_SIZE - 4:
            word = int.from_bytes(self.ram[index : index + 4], "little")
            return word if word & 3 == 3 else word & 0xFFFF
        low = int.from_bytes(self.ram[index : index + 2], "little")
        if low & 3 != 3:
            return low
        index = self.index(pc + 2 & _MASK)
        return 0 if index is None else low | int.from_bytes(self.ram[index : index + 2], "little") << 16

    def close(self) -> None:
        self.words.release()
