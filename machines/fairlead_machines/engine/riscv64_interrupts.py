"""Supervisor interrupts of one hart: lines that devices and firmware raise, and who takes them."""

from __future__ import annotations

from collections.abc import Callable

from fairlead.trap import Trap, TrapKind
from fairlead_machines.engine.riscv64_cpu import Riscv64Cpu
from fairlead_machines.engine.riscv64_registers import MIDELEG, MIP

__all__ = ["EXTERNAL", "SOFTWARE", "TIMER", "Interrupts"]

SOFTWARE, TIMER, EXTERNAL = 1, 5, 9
"""Bits of sip and sie (privileged specification, section 4.1.3)."""
_INTERRUPT = 1 << 63
_KINDS = {EXTERNAL: TrapKind.EXTERNAL, SOFTWARE: TrapKind.SOFTWARE, TIMER: TrapKind.TIMER}
"""By priority, as section 4.1.3 orders them; Unicorn's own order is the opposite."""


class Interrupts:
    """Pending interrupts.

    While the guest has no trap vector they wait here for the caller of `run`, enabled as soon as their source
    is. Otherwise they are put into mip, and Unicorn enters the guest as sstatus.SIE and sie allow.
    """

    __slots__ = ("_cpu", "_delivered", "_hurry", "_lines", "_software")

    def __init__(self, cpu: Riscv64Cpu, hurry: Callable[[], None]) -> None:
        """`hurry` must make the engine stop before its next block."""
        self._cpu = cpu
        self._hurry = hurry
        self._lines = 0
        self._delivered = 0
        self._software = False
        cpu.set_machine(MIDELEG, sum(1 << number for number in _KINDS))

    def set_line(self, number: int, level: bool) -> None:
        """Raise or lower TIMER or EXTERNAL."""
        lines = self._lines & ~(1 << number) | level << number
        if lines != self._lines:
            self._lines = lines
            self._hurry()

    def send_software(self) -> None:
        """Raise SOFTWARE, which lives in the hart: the guest clears it in sip."""
        self._cpu.set_machine(MIP, self._cpu.get_machine(MIP) | 1 << SOFTWARE)
        self._software = True
        self._hurry()

    def clear_software(self) -> None:
        self._cpu.set_machine(MIP, self._cpu.get_machine(MIP) & ~(1 << SOFTWARE))

    def idle(self) -> bool:
        """Is there nothing to look at? Asked before every slice."""
        return not (self._lines or self._software or self._delivered)

    def pending(self) -> Trap | None:
        """The most urgent interrupt for the caller of `run`."""
        if self._software:
            self._software = bool(self._cpu.get("sip") & 1 << SOFTWARE)
        lines = self._lines | self._software << SOFTWARE
        for number, kind in _KINDS.items():
            if lines >> number & 1:
                return Trap(kind, _INTERRUPT | number, self._cpu.pc)
        return None

    def deliver(self) -> None:
        """Show the lines in mip; Unicorn takes it from there at the next slice."""
        if self._lines != self._delivered:
            software = self._cpu.get_machine(MIP) & 1 << SOFTWARE
            self._cpu.set_machine(MIP, self._lines | software)
            self._delivered = self._lines
