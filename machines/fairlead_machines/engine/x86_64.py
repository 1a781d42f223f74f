"""The x86-64 engine: a processor in ring 3, and how its traps reach the world.

Where Unicorn differs from the manual (Intel SDM volume 3A, chapter 6), the difference ends here and in the
modules beside: faults that turn into double faults, branches to non-canonical addresses reported after the
branch, stack faults as protection faults, read-modify-write as reads, invalid instructions as a hook of their
own, port I/O that ring 3 may do, faults reported at the start of a block.

Exceptions that Unicorn cannot raise do not exist on this machine: #AC, as if CR0.AM were clear; #XM and the
sticky flags of MXCSR; #GP for unaligned SSE operands and for reserved bits given to ldmxcsr; #UD for a LOCK
prefix where none is allowed, and for VEX encodings of instructions that exist without VEX. A call to a
non-canonical address leaves its return address in memory below the stack pointer; with the instruction
counter, jumps and returns to one are reported at their target.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fairlead.errors import MachineError
from fairlead.machine import PAGE_SIZE, Mmu, Stop
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
from fairlead_machines.engine.x86_64_faults import DEBUG, FETCH, PAGE_FAULT, PROTECTION, Faults
from fairlead_machines.engine.x86_64_instructions import Instructions
from fairlead_machines.engine.x86_64_memory import GuestView
from fairlead_machines.engine.x86_64_registers import RIP

__all__ = ["SYSCALL_CAUSE", "TIMER_VECTOR", "TRAP_COST", "X86Machine"]

TRAP_COST = 100
"""Guest nanoseconds that a trap served outside the guest takes."""
SYSCALL_CAUSE = 0x100
"""`Trap.cause` of the syscall instruction, which has no vector; `int n` has n."""
TIMER_VECTOR = 32
"""`Trap.cause` of the board's timer: the first vector that is not an exception's."""

_EXCEPTIONS = 32
"""Vectors below are exceptions' (Intel SDM volume 3A, table 6-1)."""
_TF = 1 << 8
_MASK = (1 << 64) - 1
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
        self._faults = Faults(unicorn, cpu, self._view, counter)
        self._instructions = Instructions(
            unicorn, clock, self.carry, self._on_call, self._on_illegal, self._on_port
        )
        self._stepping = False
        self._late: Any = None
        self._late_cell = 0
        self._late_handler = self._on_trap
        self._translated = bytearray(ram.size // PAGE_SIZE)
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
        """An invalid instruction at pc."""
        if self._stepping:
            self._end_steps()
        if not self._hand_over(self._faults.illegal(pc)):
            self.leave(Stop.HANDLER)

    def _exception(self, vector: int) -> bool:
        """An exception, or `int` with the vector of one; False to end the run."""
        error, software = self._states.exception()
        pc = self._read_pc()[0]
        if software:
            if self._stepping:
                self._end_steps()
            return self._hand_over(self._faults.software_interrupt(vector, pc))
        if self._stepping:
            if vector == DEBUG:
                self.unicorn.lib.uc_emu_stop(self.unicorn.handle)
                return True
            self._end_steps()
        elif vector == PAGE_FAULT and error & FETCH and self._straddles(pc):
            self._stepping = True
            self.leave(Stop.WAIT)
            return True
        return self._hand_over(self._faults.exception(vector, pc, error))

    def _hand_over(self, trap: Trap) -> bool:
        self._charge(TRAP_COST)
        return self._on_trap(trap)

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
        trap = Trap(TrapKind.PROTECTION, PROTECTION, self._processor.pc)
        return None if self._hand_over(trap) else Stop.HANDLER

    def _end_late(self) -> None:
        self._late = None
        self._cell.value = self._late_cell
        self._on_trap = self._late_handler

    def _straddles(self, pc: int) -> bool:
        """Is a fetch fault not at pc's own instruction, but behind it?"""
        return self._processor.get("cr2") != pc and not self._processor.get("rflags") & _TF

    def _walk(self) -> Stop | None:
        """Execute single instructions up to one that straddles into an unmapped page.

        Unicorn reports such a fault at the start of the block, before any of it has run. With TF set a block
        is one instruction long.
        """
        self._single_step(True)
        self._count_far()
        code = 0
        if self._tracer is not None:
            self._tracer.pause()
        while self._stepping and self._stop is None and not code:
            code = self.unicorn.lib.uc_emu_start(
                self.unicorn.handle, self._processor.pc, 0, 0, self._counter.count_argument()
            )
        if self._tracer is not None:
            self._tracer.unpause()
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

    def _physical(self, address: int) -> int | None:
        return self._view.physical(address)

    def _executable(self, _virtual: int, physical: int, size: int) -> None:
        """Pages have become executable: drop what was translated from them in an earlier life."""
        self._drop_code(physical, size)
        first = (physical - self.ram.base) // PAGE_SIZE
        last = first + size // PAGE_SIZE
        if first >= 0 and last <= len(self._translated):
            self._translated[first:last] = b"\1" * (last - first)

    def _drop_code(self, address: int, size: int) -> None:
        start = address - self.ram.base
        if self._translated.find(1, max(0, start // PAGE_SIZE), -(-(start + size) // PAGE_SIZE)) >= 0:
            self.unicorn.flush_blocks()

    def close(self) -> None:
        self._view.close()
        super().close()


def _ignore(_trap: Trap) -> bool:
    return True
