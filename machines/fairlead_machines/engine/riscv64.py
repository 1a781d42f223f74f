"""The riscv64 engine: an RV64GC hart in S-mode, and how its traps reach the world.

Where Unicorn differs from the privileged specification, the difference ends here: the program counter it
reports 4 too far, the fault address it keeps to itself, the causes of atomics, time reads as illegal
instructions, breakpoints and physical holes as engine errors.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable

from fairlead.errors import MachineError
from fairlead.machine import PAGE_SIZE, Mmu, Stop
from fairlead.trap import Trap, TrapKind
from fairlead_machines.engine.base import EngineMachine
from fairlead_machines.engine.clock import EngineClock
from fairlead_machines.engine.counter import Counter
from fairlead_machines.engine.native import (
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
from fairlead_machines.engine.riscv64_cpu import SUPERVISOR, Riscv64Cpu
from fairlead_machines.engine.riscv64_decode import access, csr_access, is_store
from fairlead_machines.engine.riscv64_registers import IDS, MIDELEG, MIP, PC, PRIV, X
from fairlead_machines.engine.sv39 import Sv39, walk
from fairlead_machines.engine.wakeup import Wakeup

__all__ = ["TIMEBASE", "TRAP_COST", "Riscv64Machine"]

TIMEBASE = 10_000_000
"""timebase-frequency, Hz: the time CSR's and the timer's tick, as on QEMU's virt board."""
_TICK = 1_000_000_000 // TIMEBASE
TRAP_COST = 100
"""Guest nanoseconds that a trap served outside the guest takes; a time read takes TIME_COST."""
TIME_COST = 20

# scause (privileged specification, table 4.2)
_ILLEGAL, _BREAKPOINT, _ECALL_U, _ECALL_S = 2, 3, 8, 9
_FETCH_ACCESS, _LOAD_MISALIGNED, _LOAD_ACCESS, _STORE_MISALIGNED, _STORE_ACCESS = 1, 4, 5, 6, 7
_FETCH_PAGE, _LOAD_PAGE, _STORE_PAGE = 12, 13, 15
_ADDRESSED = frozenset({0, _LOAD_MISALIGNED, _STORE_MISALIGNED, _FETCH_PAGE, _LOAD_PAGE, _STORE_PAGE})
"""Exceptions for which Unicorn keeps an address."""
_AS_LOADS = frozenset({_LOAD_MISALIGNED, _LOAD_PAGE})
INTERRUPT = 1 << 63
SUPERVISOR_SOFTWARE, SUPERVISOR_TIMER, SUPERVISOR_EXTERNAL = 1, 5, 9

_KINDS = {
    0: TrapKind.MISALIGNED,
    _FETCH_ACCESS: TrapKind.PROTECTION,
    _ILLEGAL: TrapKind.ILLEGAL,
    _BREAKPOINT: TrapKind.BREAKPOINT,
    _LOAD_MISALIGNED: TrapKind.MISALIGNED,
    _LOAD_ACCESS: TrapKind.PROTECTION,
    _STORE_MISALIGNED: TrapKind.MISALIGNED,
    _STORE_ACCESS: TrapKind.PROTECTION,
    _ECALL_U: TrapKind.SYSCALL,
    _ECALL_S: TrapKind.SYSCALL,
    _FETCH_PAGE: TrapKind.FETCH_FAULT,
    _LOAD_PAGE: TrapKind.LOAD_FAULT,
    _STORE_PAGE: TrapKind.STORE_FAULT,
}
_HOLES = {
    ERR_READ_UNMAPPED: _LOAD_ACCESS,
    ERR_WRITE_UNMAPPED: _STORE_ACCESS,
    ERR_FETCH_UNMAPPED: _FETCH_ACCESS,
}
_INTERRUPTS = {
    SUPERVISOR_SOFTWARE: TrapKind.SOFTWARE,
    SUPERVISOR_TIMER: TrapKind.TIMER,
    SUPERVISOR_EXTERNAL: TrapKind.EXTERNAL,
}
_SUPERVISOR_INTERRUPTS = sum(1 << number for number in _INTERRUPTS)
_SIE, _SPIE, _SPP = 1 << 1, 1 << 5, 1 << 8
SBI_ERR_NOT_SUPPORTED = -2
_SFENCE_VMA, _SFENCE_VMA_MASK = 0x12000073, 0xFE007FFF
_SATP, _TIME = 0x180, 0xC01
_MASK = (1 << 64) - 1


class Riscv64Machine(EngineMachine):
    """One hart under the run loop.

    Traps go where the guest wants them: with stvec zero to `on_trap`, otherwise to the guest's own vector, as
    on hardware. Calls from S-mode are the firmware's in both cases; what the firmware does not serve reaches
    `on_trap` if a port has registered the extension or the guest has no vector.
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
        self.calls: dict[int, Callable[[int, tuple[int, ...]], tuple[int, ...]]] = {}
        """SBI extensions served in place: a7 to serve(function, (a0…a5)), whose results go to a0 and a1."""
        self.foreign: set[int] = set()
        """SBI extensions that a port serves."""
        self._words = ram.view.cast("Q")
        self._bytes = ram.view
        self._frame = Registers(unicorn, [PC, IDS["a7"], PRIV, IDS["stvec"]]).read
        self._arguments = Registers(unicorn, [IDS[f"a{n}"] for n in range(7)])
        self._results = Registers(unicorn, [IDS["a0"], IDS["a1"]])
        self._result = Registers(unicorn, [IDS["a0"]])
        self._delivery = Registers(
            unicorn, [*(IDS[name] for name in ("sepc", "scause", "stval", "sstatus")), PRIV, PC]
        )
        self._fault_address = FaultAddress(unicorn)
        self._charge = clock.charge
        self._now = clock.now
        self._read_register = unicorn.lib.uc_reg_read
        self._write_register = unicorn.lib.uc_reg_write
        self._register = ctypes.c_uint64()
        pointer = ctypes.byref(self._register)
        self._pc = (unicorn.handle, ctypes.c_int(PC), pointer)
        self._targets = tuple((unicorn.handle, ctypes.c_int(X + n), pointer) for n in range(32))
        self._time_reads: dict[int, tuple[int, int, bytes]] = {}
        self._pending = 0
        self._delivered = 0
        self._software = False
        self._exit: int | None = None
        self._ran = False
        cpu.on_satp = self.flush_translations
        cpu.set_machine(MIDELEG, _SUPERVISOR_INTERRUPTS)
        ram.on_code_written(self._drop_code)
        unicorn.add_hook(HOOK_INTR, INTR_HOOK(self._on_interrupt))

    # Traps, in a callback of the engine.

    def _on_interrupt(self, _unicorn: int, cause: int, _data: int) -> None:
        """Unicorn's INTR hook. Here pc is 4 past the instruction, whatever its length, also for fetches."""
        try:
            if cause == _ILLEGAL:
                self._read_register(*self._pc)
                if self._read_time(self._register.value - 4):
                    return
            pc, a7, privilege, vector = self._frame()
            if cause == _ECALL_U:
                self._call(pc - 4 & _MASK, a7, privilege, vector)
            else:
                self._exception(cause, pc - 4 & _MASK, privilege, vector)
        except BaseException as error:
            self.carry(error)

    def _call(self, pc: int, extension: int, privilege: int, vector: int) -> None:
        self._charge(TRAP_COST)
        if privilege == SUPERVISOR:
            serve = self.calls.get(extension)
            if serve is not None:
                arguments = self._arguments.read()
                results = serve(arguments[6], arguments[:6])
                (self._results if len(results) == 2 else self._result).write(results)
                return
            if vector and extension not in self.foreign:
                self._results.write((SBI_ERR_NOT_SUPPORTED, 0))
                return
            trap = Trap(TrapKind.SYSCALL, _ECALL_S, pc)
        elif vector:
            self._deliver(_ECALL_U, pc, 0, privilege, vector)
            return
        else:
            trap = Trap(TrapKind.SYSCALL, _ECALL_U, pc)
        if not self._on_trap(trap):
            self.leave(Stop.HANDLER)

    def _exception(self, cause: int, pc: int, privilege: int, vector: int) -> None:
        """Any exception but a call."""
        address = 0
        if cause in _ADDRESSED:
            address = self._fault_address.read()
            if cause == _FETCH_PAGE:
                if 2 < address - pc < PAGE_SIZE:
                    self._approach(pc, address - 2)
                    return
            elif cause in _AS_LOADS and is_store(self._instruction(pc)):
                cause += 2  # Unicorn reports AMOs and SC as loads
        elif cause == _ILLEGAL and self._emulate(pc):
            return
        self._charge(TRAP_COST)
        if not self._report(cause, pc, address, privilege, vector):
            self.leave(Stop.HANDLER)

    def _report(self, cause: int, pc: int, address: int, privilege: int, vector: int) -> bool:
        """Hand an exception to the guest's vector or to `on_trap`, with pc at the instruction."""
        if vector:
            self._deliver(cause, pc, address, privilege, vector)
            return True
        self._register.value = pc
        self._write_register(*self._pc)
        kind = _KINDS.get(cause)
        if kind is None:
            raise MachineError(f"the engine reported exception {cause} at {pc:#x}")
        return self._on_trap(Trap(kind, cause, pc, address))

    def _deliver(self, cause: int, pc: int, address: int, privilege: int, vector: int) -> None:
        """Trap entry into S-mode (privileged specification, sections 3.1.6.1 and 4.1.1)."""
        status = self._hart.get("sstatus")
        status &= ~(_SPP | _SPIE)
        if status & _SIE:
            status = status & ~_SIE | _SPIE
        if privilege == SUPERVISOR:
            status |= _SPP
        self._delivery.write((pc, cause, address, status, SUPERVISOR, vector & ~3))

    # Illegal instructions that are none.

    def _read_time(self, pc: int) -> bool:
        """Serve `rdtime rd` seen before at pc, its code unchanged; Unicorn has no time CSR."""
        known = self._time_reads.get(pc)
        if known is None:
            return False
        rd, index, word = known
        if bytes(self._bytes[index : index + 4]) != word:
            del self._time_reads[pc]
            return False
        self._charge(TIME_COST)
        if rd:
            source = self.time_source
            self._register.value = (source() if source is not None else self._now()) // _TICK
            self._write_register(*self._targets[rd])
        return True

    def _emulate(self, pc: int) -> bool:
        """Serve time reads and what TVM made trap; the engine's pc is past the instruction already."""
        word = self._instruction(pc)
        if word & _SFENCE_VMA_MASK == _SFENCE_VMA and self._hart.get("priv") == SUPERVISOR:
            self.flush_translations()
            return True
        found = csr_access(word)
        if found is None:
            return False
        csr, operation, rd, source = found
        reads_only = operation & 3 != 1 and not source
        if csr == _TIME and reads_only:
            where = self.translate(pc)
            if where is not None and pc % PAGE_SIZE <= PAGE_SIZE - 4:
                index = where - self._memory.base
                self._time_reads[pc] = rd, index, bytes(self._bytes[index : index + 4])
                return self._read_time(pc)
            self._set(rd, (self.time_source or self._now)() // _TICK)
            return True
        if csr == _SATP and self._hart.get("priv") == SUPERVISOR:
            operand = source if operation & 4 else self._general(source)
            old = self._hart.satp
            self._set(rd, old)
            if not reads_only:
                new = (operand, old | operand, old & ~operand)[(operation & 3) - 1]
                self._hart.set_satp(new)
            return True
        return False

    def _set(self, rd: int, value: int) -> None:
        if rd:
            self._register.value = value
            self._write_register(*self._targets[rd])

    def _general(self, number: int) -> int:
        return self._hart.get(f"x{number}") if number else 0

    # The guest's memory, as the hart sees it now.

    def translate(self, address: int) -> int | None:
        """The physical address of a virtual one in RAM, whatever its permissions; None if it has none."""
        satp = self._hart.satp
        base = self._memory.base
        if satp:
            found = walk(self._words, base, (satp & (1 << 44) - 1) << 12, address)
            if found is None:
                return None
            address = found[0]
        return address if base <= address < base + self._memory.size else None

    def _instruction(self, pc: int) -> int:
        """The instruction at pc, 16 or 32 bits; 0 (an illegal one) where there is none."""
        low = self._parcel(pc)
        return low | self._parcel(pc + 2) << 16 if low & 3 == 3 else low

    def _parcel(self, address: int) -> int:
        where = self.translate(address & _MASK)
        if where is None:
            return 0
        index = where - self._memory.base
        return int.from_bytes(self._bytes[index : index + 2], "little")

    def flush_translations(self) -> None:
        """Forget every virtual address."""
        self._time_reads.clear()
        self.unicorn.flush_tlb()

    def _drop_code(self, address: int, size: int) -> None:
        self._time_reads.clear()
        if self._ran:
            self.unicorn.flush_blocks()

    def new_mmu(self, allocate: Callable[[int], int]) -> Mmu:
        return Sv39(self._words, self._memory.base, allocate, self.flush_translations, self._hart.set_satp)

    # Between runs of the engine.

    @property
    def _start_address(self) -> int:
        self._ran = True
        return self._hart.pc

    def _fault(self, code: int) -> Stop | None:
        """Breakpoints and physical holes, which Unicorn reports as errors with pc at the instruction."""
        pc, _a7, privilege, vector = self._frame()
        address = 0
        if code == ERR_INSN_INVALID:
            cause = _BREAKPOINT
            address = pc
        elif code in _HOLES:
            cause = _HOLES[code]
            address = pc if cause == _FETCH_ACCESS else self._effective_address(pc)
        else:
            raise MachineError(f"the engine stopped at {pc:#x}: {ERROR_NAMES.get(code, f'error {code}')}")
        self._charge(TRAP_COST)
        if self._report(cause, pc, address, privilege, vector):
            return None
        return Stop.HANDLER

    def _effective_address(self, pc: int) -> int:
        found = access(self._instruction(pc))
        if found is None:
            return 0
        base, offset, _store = found
        return self._general(base) + offset & _MASK

    def _approach(self, pc: int, target: int) -> None:
        """Run from pc up to an instruction that straddles into an unmapped page.

        Unicorn reports such a fault at the start of the block, before any of it has run.
        """
        self.unicorn.set_exits((target,))
        self._exit = target
        self._hart.pc = pc

    def _halted(self, deadline: int) -> Stop | None:
        if self._exit is not None:
            self.unicorn.set_exits(())
            reached, self._exit = self._hart.pc == self._exit, None
            if reached:
                return None
        if not self._hart.get("stvec"):
            return Stop.WAIT
        if self._pending or self._hart.get("sip") & self._hart.get("sie"):
            return None
        if self.alarm is None or self.alarm >= deadline:
            return Stop.WAIT
        return None if self._timekeeper.idle_until(self.alarm) else Stop.HOST

    # Interrupts.

    def set_pending(self, interrupt: int, level: bool) -> None:
        """Raise or lower STIP (5) or SEIP (9), as a device's line; looked at before the next block runs."""
        bit = 1 << interrupt
        pending = self._pending | bit if level else self._pending & ~bit
        if pending != self._pending:
            self._pending = pending
            self._hurry()

    def send_software_interrupt(self) -> None:
        """Set SSIP; the guest or `cpu.set("sip", 0)` clears it."""
        self._hart.set_machine(MIP, self._hart.get_machine(MIP) | 1 << SUPERVISOR_SOFTWARE)
        self._software = True
        self._hurry()

    def set_timer(self, ticks: int) -> None:
        """Arm the timer for a value of the time CSR, and lower STIP until then."""
        self.set_pending(SUPERVISOR_TIMER, False)
        self.set_alarm(ticks * _TICK)

    def ticks(self) -> int:
        """The time CSR."""
        return self._now() // _TICK

    def _hurry(self) -> None:
        if self._running:
            self.end_slice()

    def pending_interrupt(self) -> Trap | None:
        if self.alarm is not None and self._now() >= self.alarm:
            self._pending |= 1 << SUPERVISOR_TIMER
        number = self._next_interrupt()
        if number is None:
            return None
        return Trap(_INTERRUPTS[number], INTERRUPT | number, self._hart.pc)

    def _next_interrupt(self) -> int | None:
        """Priority as in the privileged specification, section 4.1.3: external, software, timer."""
        if self._software:
            self._software = bool(self._hart.get("sip") & 1 << SUPERVISOR_SOFTWARE)
        pending = self._pending | self._software << SUPERVISOR_SOFTWARE
        for number in (SUPERVISOR_EXTERNAL, SUPERVISOR_SOFTWARE, SUPERVISOR_TIMER):
            if pending >> number & 1:
                return number
        return None

    def _take_interrupts(self) -> bool:
        alarm = self.alarm
        if alarm is not None and self._now() >= alarm:
            self._pending |= 1 << SUPERVISOR_TIMER
        if not (self._pending or self._software or self._delivered):
            return False
        if not self._hart.get("stvec"):
            return self._next_interrupt() is not None
        if self._pending != self._delivered:
            software = self._hart.get_machine(MIP) & 1 << SUPERVISOR_SOFTWARE
            self._hart.set_machine(MIP, self._pending | software)
            self._delivered = self._pending
        return False

    def close(self) -> None:
        self._fault_address.close()
        self._words.release()
        super().close()
