"""The x86-64 engine: a processor in ring 3, and how its traps reach the world.

Where Unicorn differs from the manual (Intel SDM volume 3A, chapter 6), the difference ends here and in the
modules beside: faults that turn into double faults, branches to non-canonical addresses reported after the
branch, stack faults as protection faults, read-modify-write as reads, invalid instructions as a hook of their
own, port I/O that ring 3 may do, faults reported at the start of a block.

Exceptions that Unicorn cannot raise do not exist on this machine: #AC, as if CR0.AM were clear; #XM and the
sticky flags of MXCSR; #GP for unaligned SSE operands and for reserved bits given to ldmxcsr; #UD for a LOCK
prefix where none is allowed, and for VEX encodings of instructions that exist without VEX. A call to a
non-canonical address leaves its return address in memory below the stack pointer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fairlead.errors import MachineError
from fairlead.machine import Mmu, Stop
from fairlead.trap import Trap, TrapKind
from fairlead_machines.engine.base import EngineMachine
from fairlead_machines.engine.clock import EngineClock
from fairlead_machines.engine.counter import Counter
from fairlead_machines.engine.native import (
    ERROR_NAMES,
    HOOK_INTR,
    INTR_HOOK,
    Registers,
    Unicorn,
)
from fairlead_machines.engine.paging4 import Paging4
from fairlead_machines.engine.ram import EngineRam
from fairlead_machines.engine.wakeup import Wakeup
from fairlead_machines.engine.x86_64_cpu import X86Cpu
from fairlead_machines.engine.x86_64_decode import LONGEST, branch_before, decode, is_canonical
from fairlead_machines.engine.x86_64_instructions import Instructions
from fairlead_machines.engine.x86_64_memory import GuestView
from fairlead_machines.engine.x86_64_registers import IDS, RIP

__all__ = ["SYSCALL_CAUSE", "TIMER_VECTOR", "TRAP_COST", "X86Machine"]

TRAP_COST = 100
"""Guest nanoseconds that a trap served outside the guest takes."""
SYSCALL_CAUSE = 0x100
"""`Trap.cause` of the syscall instruction, which has no vector; `int n` has n."""
TIMER_VECTOR = 32
"""`Trap.cause` of the board's timer: the first vector that is not an exception's."""

# Exceptions and interrupts (table 6-1).
_DE, _DB, _BP, _OF, _UD = 0, 1, 3, 4, 6
_TS, _NP, _SS, _GP, _PF, _MF, _XM = 10, 11, 12, 13, 14, 16, 19
_EXCEPTIONS = 32
_KINDS = {
    _DE: TrapKind.DIVIDE,
    _DB: TrapKind.BREAKPOINT,
    _BP: TrapKind.BREAKPOINT,
    _OF: TrapKind.PROTECTION,
    _UD: TrapKind.ILLEGAL,
    _TS: TrapKind.PROTECTION,
    _NP: TrapKind.PROTECTION,
    _SS: TrapKind.PROTECTION,
    _GP: TrapKind.PROTECTION,
    _MF: TrapKind.DIVIDE,
    _XM: TrapKind.DIVIDE,
}
# Error codes: of a page fault (section 4.7), of a descriptor (section 6.13).
_PRESENT, _WRITE, _USER, _FETCH = 1 << 0, 1 << 1, 1 << 2, 1 << 4
_IN_IDT = 1 << 1
_INT3, _INT1 = b"\xcc", b"\xf1"
_RSP = 4
_TF = 1 << 8
_MASK = (1 << 64) - 1
_PAGE = 4096
_FAR, _FAR_OFF = 1 << 40, 1 << 62
"""Units, and a guest time, that do not run out in what is left of a block."""


class X86Machine(EngineMachine):
    """One processor under the run loop.

    Every trap goes to `on_trap`. `int n` from 32 up and the syscall instruction are SYSCALL; of the vectors
    of exceptions `int` may use 3 and 4, the others are #GP, as behind gates of privilege 0. pc is where the
    frame in the manual has it: after `int`, syscall, int3 and single steps, else at the instruction.
    """

    def __init__(
        self,
        unicorn: Unicorn,
        ram: EngineRam,
        clock: EngineClock,
        counter: Counter,
        wakeup: Wakeup,
        cpu: X86Cpu,
    ) -> None:
        super().__init__(unicorn, ram, clock, counter, wakeup)
        self.cpu = self._processor = cpu
        self._view = GuestView(ram, cpu)
        self._states = cpu.states
        self._charge = clock.charge
        self._read_pc = Registers(unicorn, [RIP]).read
        self._set_branch = Registers(unicorn, [RIP, IDS["rsp"]]).write
        self._instructions = Instructions(
            unicorn, clock, self.carry, self._on_call, self._on_illegal, self._on_port
        )
        self._stepping = False
        self._late: Any = None
        self._late_cell = 0
        self._late_handler = self._on_trap
        self._translated = bytearray(ram.size // _PAGE)
        self._timer_pending = False
        ram.on_code_written(self._drop_code)
        unicorn.add_hook(HOOK_INTR, INTR_HOOK(self._on_interrupt))
        # There is no device to stop at an access; count= stops by an exit inside a block.
        unicorn.set_exits_inside_blocks(counter.kind != "blocks")

    @property
    def time_source(self) -> Callable[[], int] | None:
        return self._instructions.time_source

    @time_source.setter
    def time_source(self, source: Callable[[], int] | None) -> None:
        self._instructions.time_source = source

    # Traps, in a callback of the engine.

    def _on_interrupt(self, _unicorn: int, vector: int, _data: int) -> None:
        """Unicorn's INTR hook; after `int`, rip is past it."""
        try:
            if vector >= _EXCEPTIONS:
                if self._stepping:
                    self._end_steps()
                self._charge(TRAP_COST)
                goes_on = self._on_trap(Trap(TrapKind.SYSCALL, vector, self._read_pc()[0] - 2 & _MASK))
            else:
                goes_on = self._exception(vector)
            if not goes_on:
                self.leave(Stop.HANDLER)
            elif vector < _EXCEPTIONS:
                self.heed_deadline()
        except BaseException as error:
            self.carry(error)

    def _on_call(self, pc: int) -> None:
        """The syscall instruction at pc, with rip past it."""
        if self._stepping:
            self._end_steps()
        self._charge(TRAP_COST)
        if not self._on_trap(Trap(TrapKind.SYSCALL, SYSCALL_CAUSE, pc)):
            self.leave(Stop.HANDLER)

    def _on_illegal(self, pc: int) -> None:
        """#UD; and int1, which Unicorn does not know."""
        if self._stepping:
            self._end_steps()
        if self._view.read(pc, 1) == _INT1:
            self._processor.pc = pc + 1 & _MASK
            goes_on = self._report(_DB, pc)
        else:
            goes_on = self._report(_UD, pc)
        if not goes_on:
            self.leave(Stop.HANDLER)

    def _exception(self, vector: int) -> bool:
        """An exception, or `int` with the vector of one; False to end the run."""
        error, software = self._states.exception()
        pc = self._read_pc()[0]
        stepped = self._stepping
        if stepped:
            if vector == _DB and not software:
                self.unicorn.lib.uc_emu_stop(self.unicorn.handle)
                return True
            self._end_steps()
        if software:
            return self._software_interrupt(vector, pc)
        if vector == _PF:
            return self._page_fault(pc, error, stepped)
        if vector == _GP and not error:
            return self._protection(pc)
        return self._report(vector, pc, error)

    def _software_interrupt(self, vector: int, after: int) -> bool:
        """int3 and `int n` with the vector of an exception."""
        short = vector == _BP and self._view.read(after - 1 & _MASK, 1) == _INT3
        pc = after - (1 if short else 2) & _MASK
        if vector in (_BP, _OF):
            return self._report(vector, pc)
        self._processor.pc = pc
        return self._report(_GP, pc, vector << 3 | _IN_IDT)

    def _page_fault(self, pc: int, error: int, stepped: bool) -> bool:
        if not error & _USER:
            # A far return: Unicorn reads its frame as the supervisor, where the selector would be refused.
            return self._report(_GP, pc)
        address = self._processor.get("cr2")
        if error & _FETCH:
            if address != pc and not stepped and not self._processor.get("rflags") & _TF:
                self._stepping = True
                self.leave(Stop.WAIT)
                return True
            kind = TrapKind.FETCH_FAULT
        else:
            if not error & (_PRESENT | _WRITE):
                found = decode(self._view.read(pc, LONGEST))
                if found is not None and found.modifies_memory:
                    error |= _WRITE  # Unicorn reads first, and faults on that
            kind = TrapKind.STORE_FAULT if error & _WRITE else TrapKind.LOAD_FAULT
        self._charge(TRAP_COST)
        return self._on_trap(Trap(kind, _PF, pc, address, error))

    def _protection(self, pc: int) -> bool:
        """#GP(0): tell stack faults from it, and undo a branch to a non-canonical address."""
        cpu = self._processor
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
            return self._report(_GP, pc)
        instruction = decode(self._view.read(pc, LONGEST))
        if instruction is not None:
            address = instruction.stack_address(pc + instruction.length, general, cpu.get)
            if address is not None and not (is_canonical(address) and is_canonical(address - 8)):
                return self._report(_SS, pc)
        return self._report(_GP, pc)

    def _report(self, vector: int, pc: int, error: int = 0) -> bool:
        kind = _KINDS.get(vector)
        if kind is None:
            raise MachineError(f"the engine reported exception {vector} at {pc:#x}")
        self._charge(TRAP_COST)
        return self._on_trap(Trap(kind, vector, pc, 0, error))

    # Faults that Unicorn does not raise where they belong.

    def _on_port(self) -> None:
        """Port I/O by the guest: #GP, but Unicorn goes on to the block's end.

        The state is kept as it is now. What the rest of the block does to registers and the clock is undone,
        traps in it go nowhere, and what it does to memory stays.
        """
        if self._stepping:
            self._end_steps()
        if self._late is None and self._error is None:
            self._late = self._processor.save()
            self._count_far()
            self._late_cell = self._cell.value
            self._late_handler, self._on_trap = self._on_trap, _ignore
            self.leave(Stop.WAIT)

    def _deliver_late(self) -> Stop | None:
        self._processor.restore(self._late)
        self._end_late()
        return None if self._report(_GP, self._processor.pc) else Stop.HANDLER

    def _end_late(self) -> None:
        self._late = None
        self._cell.value = self._late_cell
        self._on_trap = self._late_handler

    def _walk(self) -> Stop | None:
        """Execute single instructions up to one that straddles into an unmapped page.

        Unicorn reports such a fault at the start of the block, before any of it has run. With TF set a block
        is one instruction long.
        """
        self._single_step(True)
        self._count_far()
        code = 0
        while self._stepping and self._stop is None and not code:
            code = self.unicorn.lib.uc_emu_start(
                self.unicorn.handle, self._processor.pc, 0, 0, self._counter.count_argument()
            )
        if self._stepping:
            self._stepping = False
            self._single_step(False)
        error, self._error = self._error, None
        stop, self._stop = self._stop, None
        if error is not None:
            raise error
        return self._fault(code) if code or self._late is not None else stop

    def _end_steps(self) -> None:
        """Back to normal execution, before a trap is handed over; the engine stops after it."""
        self._stepping = False
        self._single_step(False)
        self.unicorn.lib.uc_emu_stop(self.unicorn.handle)

    def _single_step(self, on: bool) -> None:
        flags = self._processor.get("rflags")
        self._processor.set("rflags", flags | _TF if on else flags & ~_TF)

    def _count_far(self) -> None:
        """Keep the counter from running out before the engine stops by itself."""
        self._timekeeper.start(_FAR_OFF, _FAR)

    def carry(self, error: BaseException) -> None:
        if self._late is not None:
            self._end_late()
        super().carry(error)
        self._on_trap = _ignore  # of traps in the rest of the block

    # Between runs of the engine.

    @property
    def _start_address(self) -> int:
        return self._processor.pc

    def _fault(self, code: int) -> Stop | None:
        if self._late is not None:
            return self._deliver_late()
        raise MachineError(
            f"the engine stopped at {self._processor.pc:#x}: {ERROR_NAMES.get(code, f'error {code}')}"
        )

    def _halted(self, deadline: int) -> Stop | None:
        if self._late is not None:
            return self._deliver_late()
        if self._stepping:
            return self._walk()
        raise MachineError(f"the engine stopped at {self._processor.pc:#x} for no reason")

    # The timer.

    def arm_timer(self, time: int | None) -> None:
        self._timer_pending = False
        self.set_alarm(self._timer_due, time)

    def _timer_due(self) -> None:
        self._timer_pending = True

    def pending_interrupt(self) -> Trap | None:
        self.ring_alarms()
        return Trap(TrapKind.TIMER, TIMER_VECTOR, self._processor.pc) if self._timer_pending else None

    def _take_interrupts(self) -> bool:
        return self._timer_pending

    # What changes under translated code and addresses.

    def new_mmu(self, allocate: Callable[[int], int]) -> Mmu:
        return Paging4(
            self._view.words,
            self.ram.base,
            allocate,
            self.unicorn.flush_tlb,
            self._executable,
            self._processor.set_cr3,
        )

    def _executable(self, _virtual: int, physical: int, size: int) -> None:
        """Pages have become executable: drop what was translated from them in an earlier life."""
        self._drop_code(physical, size)
        first = (physical - self.ram.base) // _PAGE
        last = first + size // _PAGE
        if first >= 0 and last <= len(self._translated):
            self._translated[first:last] = b"\1" * (last - first)

    def _drop_code(self, address: int, size: int) -> None:
        start = address - self.ram.base
        if self._translated.find(1, max(0, start // _PAGE), -(-(start + size) // _PAGE)) >= 0:
            self.unicorn.flush_blocks()

    def close(self) -> None:
        self._view.close()
        super().close()


def _ignore(_trap: Trap) -> bool:
    return True
