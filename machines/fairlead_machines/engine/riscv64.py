"""The riscv64 engine: an RV64GC hart in S-mode or U-mode, and how its traps and interrupts reach the world.

Where Unicorn differs from the privileged specification, the difference ends here and in the modules beside:
the program counter reported 4 too far, the fault address kept to itself, the causes of atomics, breakpoints
and physical holes as engine errors, faults reported at the start of a block.
"""

from __future__ import annotations

from collections.abc import Callable, Container

from fairlead.errors import MachineError
from fairlead.machine import PAGE_SIZE, Mmu, Stop
from fairlead.trap import Trap, TrapKind
from fairlead_machines.engine.base import EngineMachine
from fairlead_machines.engine.clock import EngineClock
from fairlead_machines.engine.counter import Counter
from fairlead_machines.engine.native import (
    ERR_FETCH_PROT,
    ERR_FETCH_UNMAPPED,
    ERR_INSN_INVALID,
    ERR_READ_UNMAPPED,
    ERR_WRITE_UNMAPPED,
    ERROR_NAMES,
    HOOK_INTR,
    INTR_HOOK,
    Registers,
    Unicorn,
)
from fairlead_machines.engine.ram import EngineRam
from fairlead_machines.engine.riscv64_badaddr import FaultAddress
from fairlead_machines.engine.riscv64_code import Translations
from fairlead_machines.engine.riscv64_counters import CounterReads
from fairlead_machines.engine.riscv64_cpu import SUPERVISOR, Riscv64Cpu
from fairlead_machines.engine.riscv64_decode import access, is_store
from fairlead_machines.engine.riscv64_emulate import TICK, Emulator
from fairlead_machines.engine.riscv64_interrupts import TIMER, Interrupts
from fairlead_machines.engine.riscv64_memory import GuestView
from fairlead_machines.engine.riscv64_registers import IDS, PC, PRIV
from fairlead_machines.engine.wakeup import Wakeup

__all__ = ["TRAP_COST", "FirmwareCall", "Riscv64Machine"]

TRAP_COST = 100
"""Guest nanoseconds that a trap served outside the guest takes."""

FirmwareCall = Callable[[int, tuple[int, ...]], tuple[int, ...]]
"""serve(function, (a0…a5)); the results go to a0 and, if there are two, a1."""

# scause (privileged specification, table 4.2)
_ILLEGAL, _BREAKPOINT, _ECALL_U, _ECALL_S = 2, 3, 8, 9
_FETCH_MISALIGNED, _LOAD_MISALIGNED, _STORE_MISALIGNED = 0, 4, 6
_FETCH_ACCESS, _LOAD_ACCESS, _STORE_ACCESS = 1, 5, 7
_FETCH_PAGE, _LOAD_PAGE, _STORE_PAGE = 12, 13, 15
_KINDS = {
    _FETCH_MISALIGNED: TrapKind.MISALIGNED,
    _FETCH_ACCESS: TrapKind.PROTECTION,
    _ILLEGAL: TrapKind.ILLEGAL,
    _BREAKPOINT: TrapKind.BREAKPOINT,
    _LOAD_MISALIGNED: TrapKind.MISALIGNED,
    _LOAD_ACCESS: TrapKind.PROTECTION,
    _STORE_MISALIGNED: TrapKind.MISALIGNED,
    _STORE_ACCESS: TrapKind.PROTECTION,
    _FETCH_PAGE: TrapKind.FETCH_FAULT,
    _LOAD_PAGE: TrapKind.LOAD_FAULT,
    _STORE_PAGE: TrapKind.STORE_FAULT,
}
_WITH_ADDRESS = frozenset(_KINDS) - {_ILLEGAL, _BREAKPOINT}
_HOLES = {
    ERR_READ_UNMAPPED: _LOAD_ACCESS,
    ERR_WRITE_UNMAPPED: _STORE_ACCESS,
    ERR_FETCH_UNMAPPED: _FETCH_ACCESS,
    ERR_FETCH_PROT: _FETCH_ACCESS,  # devices cannot be executed
}
_SIE, _SPIE, _SPP = 1 << 1, 1 << 5, 1 << 8
_SBI_ERR_NOT_SUPPORTED = -2
_MASK = (1 << 64) - 1


class Riscv64Machine(EngineMachine):
    """One hart under the run loop.

    Traps go where the guest wants them: with stvec zero to `on_trap`, otherwise to the guest's own vector, as
    on hardware. Calls from S-mode are the firmware's in both cases; those that it does not serve reach
    `on_trap` if a port has registered the extension or the guest has no vector. Of a program in U-mode all go
    to `on_trap`.
    """

    def __init__(
        self,
        unicorn: Unicorn,
        ram: EngineRam,
        clock: EngineClock,
        counter: Counter,
        wakeup: Wakeup,
        cpu: Riscv64Cpu,
    ) -> None:
        super().__init__(unicorn, ram, clock, counter, wakeup)
        self.cpu = self._hart = cpu
        self.calls: dict[int, FirmwareCall] = {}
        """SBI extensions served in place, by a7."""
        self.foreign: Container[int] = ()
        """SBI extensions that a port serves, by a7."""
        self._view = GuestView(ram, cpu)
        self._emulator = Emulator(unicorn, cpu, clock, self._view)
        self._translations = Translations(
            unicorn,
            ram,
            cpu,
            counter,
            self._view,
            self._emulator,
            CounterReads(unicorn, clock, self._view, self.carry),
        )
        self._read_time = self._emulator.read_time
        self._pc = Registers(unicorn, [PC])
        self._frame = Registers(unicorn, [PC, IDS["a7"], PRIV, IDS["stvec"]]).read
        self._arguments = Registers(unicorn, [IDS[f"a{n}"] for n in range(7)]).read
        self._one_result = Registers(unicorn, [IDS["a0"]]).write
        self._two_results = Registers(unicorn, [IDS["a0"], IDS["a1"]]).write
        self._entry = Registers(
            unicorn, [PRIV, *(IDS[name] for name in ("sepc", "scause", "stval", "sstatus")), PC]
        ).write
        self._fault_address = FaultAddress(unicorn)
        self._charge = clock.charge
        self.interrupts = Interrupts(cpu, self.end_slice)
        self._exit: int | None = None
        unicorn.add_hook(HOOK_INTR, INTR_HOOK(self._on_interrupt))

    @property
    def time_source(self) -> Callable[[], int] | None:
        return self._emulator.time_source

    @time_source.setter
    def time_source(self, source: Callable[[], int] | None) -> None:
        self._emulator.time_source = source

    # Traps, in a callback of the engine.

    def _on_interrupt(self, _unicorn: int, cause: int, _data: int) -> None:
        """Unicorn's INTR hook. Here pc is 4 past the instruction, whatever its length, also for fetches."""
        try:
            if self._stop is not None:
                # A device has ended the run in the middle of this block: the trap waits for the next one.
                self._pc.write((self._pc.read()[0] - 4,))
                return
            if cause == _ILLEGAL:
                pc = self._pc.read()[0] - 4 & _MASK
                if self._read_time(pc) or self._emulator.emulate(pc):
                    return
            pc, a7, privilege, vector = self._frame()
            if privilege != SUPERVISOR:
                vector = self._hart.trap_vector()
            self._charge(TRAP_COST)
            if cause == _ECALL_U:
                self._call(pc - 4 & _MASK, a7, privilege, vector)
            else:
                self._exception(cause, pc - 4 & _MASK, privilege, vector)
        except BaseException as error:
            self.carry(error)

    def _call(self, pc: int, extension: int, privilege: int, vector: int) -> None:
        """An ecall; Unicorn reports the cause of one from U-mode whatever the mode."""
        cause = _ECALL_U
        if privilege == SUPERVISOR:
            serve = self.calls.get(extension)
            if serve is not None:
                arguments = self._arguments()
                results = serve(arguments[6], arguments[:6])
                (self._two_results if len(results) == 2 else self._one_result)(results)
                return
            if vector and extension not in self.foreign:
                self._two_results((_SBI_ERR_NOT_SUPPORTED, 0))
                return
            cause = _ECALL_S
        elif vector:
            self._enter(_ECALL_U, pc, 0, privilege, vector)
            return
        if not self._on_trap(Trap(TrapKind.SYSCALL, cause, pc)):
            self.leave(Stop.HANDLER)

    def _exception(self, cause: int, pc: int, privilege: int, vector: int) -> None:
        address = 0
        if cause in _WITH_ADDRESS:
            address = self._fault_address.read()
            if cause == _FETCH_PAGE:
                if 2 < address - pc < PAGE_SIZE:
                    self._approach(pc, address - 2)
                    return
            elif cause in (_LOAD_MISALIGNED, _LOAD_PAGE) and is_store(self._view.instruction(pc)):
                cause += 2  # Unicorn takes AMO and SC for loads
        if self._report(cause, pc, address, privilege, vector):
            self.heed_deadline()
        else:
            self.leave(Stop.HANDLER)

    def _report(self, cause: int, pc: int, address: int, privilege: int, vector: int) -> bool:
        """Hand an exception to the guest's vector or, with pc at the instruction, to `on_trap`."""
        if vector:
            self._enter(cause, pc, address, privilege, vector)
            return True
        kind = _KINDS.get(cause)
        if kind is None:
            raise MachineError(f"the engine reported exception {cause} at {pc:#x}")
        self._pc.write((pc,))
        return self._on_trap(Trap(kind, cause, pc, address))

    def _enter(self, cause: int, pc: int, address: int, privilege: int, vector: int) -> None:
        """Trap entry into S-mode (privileged specification, sections 3.1.6.1 and 4.1.2)."""
        status = self._hart.get("sstatus")
        entered = status & ~(_SPP | _SPIE | _SIE)
        if status & _SIE:
            entered |= _SPIE
        if privilege == SUPERVISOR:
            entered |= _SPP
        self._entry((SUPERVISOR, pc, cause, address, entered, vector & ~3))

    # Between runs of the engine.

    @property
    def _start_address(self) -> int:
        self._translations.before_run()
        return self._hart.pc

    def _fault(self, code: int) -> Stop | None:
        """Breakpoints and physical holes, which Unicorn reports as errors with pc at the instruction."""
        pc, _a7, privilege, _vector = self._frame()
        vector = self._hart.trap_vector()
        if code == ERR_INSN_INVALID:
            cause, address = _BREAKPOINT, pc
        elif code in _HOLES:
            cause, address = _HOLES[code], pc
            found = access(self._view.instruction(pc)) if cause != _FETCH_ACCESS else None
            if found is not None:
                base, offset, writes = found
                address = (self._hart.get(f"x{base}") + offset) & _MASK
                cause = _STORE_ACCESS if writes else _LOAD_ACCESS
        else:
            raise MachineError(f"the engine stopped at {pc:#x}: {ERROR_NAMES.get(code, f'error {code}')}")
        self._charge(TRAP_COST)
        return None if self._report(cause, pc, address, privilege, vector) else Stop.HANDLER

    def _approach(self, pc: int, target: int) -> None:
        """Run from pc up to an instruction that straddles into an unmapped page.

        Unicorn reports such a fault at the start of the block, before any of it has run.
        """
        self.unicorn.set_exits((target,))
        self._exit = target
        self._pc.write((pc,))

    def _halted(self, deadline: int) -> Stop | None:
        if self._exit is not None:
            self.unicorn.set_exits(())
            reached, self._exit = self._hart.pc == self._exit, None
            if reached:
                return None
        if not self._hart.trap_vector():
            return Stop.WAIT
        if self._hart.get("sip") & self._hart.get("sie"):
            return None
        if self.alarm is None or self.alarm >= deadline:
            return Stop.WAIT
        return None if self.clock.idle_until(self.alarm) else Stop.HOST

    # Interrupts.

    def set_timer(self, ticks: int) -> None:
        """Arm the timer for a value of the time CSR, and lower its interrupt until then."""
        self.arm_timer(ticks * TICK)

    def arm_timer(self, time: int | None) -> None:
        self.interrupts.set_line(TIMER, False)
        self.set_alarm(self._timer_due, time)

    def _timer_due(self) -> None:
        self.interrupts.set_line(TIMER, True)

    def ticks(self) -> int:
        """The time CSR."""
        return self.clock.now() // TICK

    def pending_interrupt(self) -> Trap | None:
        self.ring_alarms()
        return None if self._hart.trap_vector() else self.interrupts.pending()

    def _take_interrupts(self) -> bool:
        if self.interrupts.idle():
            return False
        if not self._hart.trap_vector():
            return self.interrupts.pending() is not None
        self.interrupts.deliver()
        return False

    def new_mmu(self, allocate: Callable[[int], int]) -> Mmu:
        return self._translations.new_tables(allocate)

    def _physical(self, address: int) -> int | None:
        index = self._view.index(address)
        return None if index is None else index + self.ram.base

    def flush_translations(self) -> None:
        """Forget what virtual addresses meant (SFENCE.VMA)."""
        self._translations.forget_addresses()

    def close(self) -> None:
        self._fault_address.close()
        self._view.close()
        super().close()
