"""From what Unicorn reports of an exception to what the manual says (Intel SDM volume 3A, chapter 6).

x87 errors (#MF) are of kind DIVIDE; #OF, #TS, #NP and #SS of kind PROTECTION: the cause tells them apart.
"""

from __future__ import annotations

from fairlead.errors import MachineError
from fairlead.trap import Trap, TrapKind
from fairlead_machines.engine.counter import Counter
from fairlead_machines.engine.native import Registers, Unicorn
from fairlead_machines.engine.x86_64_cpu import X86Cpu
from fairlead_machines.engine.x86_64_decode import LONGEST, branch_before, decode, is_canonical
from fairlead_machines.engine.x86_64_memory import GuestView
from fairlead_machines.engine.x86_64_registers import IDS, RIP

__all__ = ["DEBUG", "FETCH", "PAGE_FAULT", "PROTECTION", "Faults"]

# Exceptions (table 6-1).
_DE, DEBUG, _BP, _OF, _UD = 0, 1, 3, 4, 6
_TS, _NP, _SS, PROTECTION, PAGE_FAULT, _MF, _XM = 10, 11, 12, 13, 14, 16, 19
_KINDS = {
    _DE: TrapKind.DIVIDE,
    DEBUG: TrapKind.BREAKPOINT,
    _BP: TrapKind.BREAKPOINT,
    _OF: TrapKind.PROTECTION,
    _UD: TrapKind.ILLEGAL,
    _TS: TrapKind.PROTECTION,
    _NP: TrapKind.PROTECTION,
    _SS: TrapKind.PROTECTION,
    PROTECTION: TrapKind.PROTECTION,
    _MF: TrapKind.DIVIDE,
    _XM: TrapKind.DIVIDE,
}
# Error codes: of a page fault (section 4.7), of a descriptor (section 6.13).
_PRESENT, _WRITE, _USER, FETCH = 1 << 0, 1 << 1, 1 << 2, 1 << 4
_IN_IDT = 1 << 1
_INT3, _INT1 = b"\xcc", b"\xf1"
_RSP = 4
_MASK = (1 << 64) - 1


class Faults:
    """Makes traps of exceptions; corrects rip and rsp where Unicorn has them elsewhere than the manual."""

    __slots__ = ("_counter", "_cpu", "_set_branch", "_view")

    def __init__(self, unicorn: Unicorn, cpu: X86Cpu, view: GuestView, counter: Counter) -> None:
        self._cpu = cpu
        self._view = view
        self._counter = counter
        self._set_branch = Registers(unicorn, [RIP, IDS["rsp"]]).write

    def exception(self, vector: int, pc: int, error: int) -> Trap:
        """One that the INTR hook reports with rip = `pc`."""
        if vector == PAGE_FAULT:
            return self._page_fault(pc, error)
        if vector == PROTECTION and not error:
            return self._protection(pc)
        return _trap(vector, pc, error)

    def illegal(self, pc: int) -> Trap:
        """#UD; and int1, which Unicorn does not know."""
        if self._view.read(pc, 1) != _INT1:
            return _trap(_UD, pc)
        self._cpu.pc = pc + 1 & _MASK
        return _trap(DEBUG, pc)

    def software_interrupt(self, vector: int, after: int) -> Trap:
        """int3 and `int n` with the vector of an exception, of whose gates 3 and 4 are open to ring 3."""
        short = vector == _BP and self._view.read(after - 1 & _MASK, 1) == _INT3
        pc = after - (1 if short else 2) & _MASK
        if vector in (_BP, _OF):
            return _trap(vector, pc)
        self._cpu.pc = pc
        return _trap(PROTECTION, pc, vector << 3 | _IN_IDT)

    def _page_fault(self, pc: int, error: int) -> Trap:
        if not error & _USER:
            # A far return: Unicorn reads its frame as the supervisor, where the selector would be refused.
            return _trap(PROTECTION, pc)
        if error & FETCH:
            kind = TrapKind.FETCH_FAULT
        else:
            if not error & (_PRESENT | _WRITE):
                found = decode(self._view.read(pc, LONGEST))
                if found is not None and found.modifies_memory:
                    error |= _WRITE  # Unicorn reads first, and faults on that
            kind = TrapKind.STORE_FAULT if error & _WRITE else TrapKind.LOAD_FAULT
        return Trap(kind, PAGE_FAULT, pc, self._cpu.get("cr2"), error)

    def _protection(self, pc: int) -> Trap:
        """#GP(0): tell stack faults from it, and undo a branch to a non-canonical address."""
        cpu = self._cpu
        general = cpu.general()
        if not is_canonical(pc):
            end = self._counter.last_block_end()
            if end is None:
                end = self._view.word(general[_RSP])
            if end is not None:
                code = self._view.read_back(end, LONGEST)
                found = branch_before(code, end, pc, general, cpu.get, self._view.word)
                if found is not None:
                    self._set_branch(found)
                    pc = found[0]
            return _trap(PROTECTION, pc)
        instruction = decode(self._view.read(pc, LONGEST))
        if instruction is not None:
            address = instruction.stack_address(pc + instruction.length, general, cpu.get)
            if address is not None and not (is_canonical(address) and is_canonical(address - 8)):
                return _trap(_SS, pc)
        return _trap(PROTECTION, pc)


def _trap(vector: int, pc: int, error: int = 0) -> Trap:
    kind = _KINDS.get(vector)
    if kind is None:
        raise MachineError(f"the engine reported exception {vector} at {pc:#x}")
    return Trap(kind, vector, pc, 0, error)
