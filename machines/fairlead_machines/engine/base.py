"""The run loop that all engines share: slices of guest work, reasons to stop, errors out of callbacks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from time import perf_counter_ns

from fairlead.errors import MachineError
from fairlead.machine import Clock, Cpu, Firmware, Mmu, Ram, Stop, TrapHandler
from fairlead.trap import Trap
from fairlead_machines.engine.clock import EngineClock
from fairlead_machines.engine.counter import Counter
from fairlead_machines.engine.native import ERR_OK, Unicorn
from fairlead_machines.engine.ram import EngineRam
from fairlead_machines.engine.tracer import EngineTracer
from fairlead_machines.engine.wakeup import Wakeup

__all__ = ["EngineMachine"]

_QUANTUM = 5_000_000
"""Host nanoseconds that a slice should take: how long a request to stop may wait."""
_FIRST_SLICE = 20_000
_LEAST, _MOST = 1_000, 1_000_000


class EngineMachine(ABC):
    """`Machine` without what an architecture adds: how traps are decoded and interrupts arise.

    Unicorn is stopped only by its own counter or from inside a callback; both are precise. How long a slice
    is depends on the host's speed, and nothing that the guest sees depends on how its run was sliced.
    """

    cpu: Cpu
    ram: Ram
    clock: Clock
    firmware: Firmware | None
    time_source: Callable[[], int] | None
    """Set by the architecture: None at first."""

    def __init__(
        self, unicorn: Unicorn, ram: EngineRam, clock: EngineClock, counter: Counter, wakeup: Wakeup
    ) -> None:
        self.ram = ram
        self.clock = clock
        self.firmware = None
        self.unicorn = unicorn
        self._memory = ram
        self._timekeeper = clock
        self._counter = counter
        self._cell = counter.cell
        self._wakeup = wakeup
        self._slice = _FIRST_SLICE
        self._running = False
        self._stop: Stop | None = None
        self._overdue = False
        self._error: BaseException | None = None
        self._deadline = 0
        self._alarms: dict[Callable[[], None], int] = {}
        self.alarm: int | None = None
        """When the next alarm is due."""
        self._on_trap: TrapHandler = _no_handler
        self._tracer: EngineTracer | None = None

    # What an architecture adds.

    @abstractmethod
    def new_mmu(self, allocate: Callable[[int], int]) -> Mmu: ...

    @abstractmethod
    def pending_interrupt(self) -> Trap | None: ...

    @abstractmethod
    def device_tree(self) -> bytes: ...

    @abstractmethod
    def _take_interrupts(self) -> bool:
        """Give interrupts to a guest that takes them itself; True if one is for the caller of `run`."""

    @abstractmethod
    def _fault(self, code: int) -> Stop | None:
        """Deal with an error that ended the engine's run; None to go on."""

    @abstractmethod
    def _halted(self, deadline: int) -> Stop | None:
        """Deal with a stop of the CPU's own, a wait for an interrupt mostly; None to go on."""

    @property
    @abstractmethod
    def _start_address(self) -> int: ...

    @abstractmethod
    def _physical(self, address: int) -> int | None:
        """Where a virtual address is in physical memory now; None if nowhere."""

    # The run loop.

    def run(self, deadline: int, on_trap: TrapHandler) -> Stop:
        if self._running:
            raise MachineError("the machine is running already; a hook must not run it again")
        self._running = True
        self._on_trap = on_trap
        self._deadline = deadline
        try:
            return self._run(deadline)
        finally:
            self._running = False
            self._on_trap = _no_handler

    def _run(self, deadline: int) -> Stop:
        clock = self._timekeeper
        cell = self._cell
        counter = self._counter
        emu_start = self.unicorn.lib.uc_emu_start
        handle = self.unicorn.handle
        while True:
            if self._stop is not None:
                stop, self._stop = self._stop, None
                if stop is not Stop.WAIT:
                    return stop
                overdue, self._overdue = self._overdue, False
                halted = None if overdue else self._halted(deadline)
                if halted is not None:
                    return halted
            if self._wakeup.requested and self._wakeup.take():
                return Stop.HOST
            now = clock.now()
            alarm = self.alarm
            if alarm is not None and alarm <= now:
                self.ring_alarms()
                alarm = self.alarm
            if self._take_interrupts():
                return Stop.INTERRUPT
            if now >= deadline:
                return Stop.DEADLINE
            most = self._slice
            clock.start(deadline if alarm is None or alarm > deadline else alarm, most)
            whole = cell.value == most
            started = perf_counter_ns()
            code = emu_start(handle, self._start_address, 0, 0, counter.count_argument())
            if self._tracer is not None and code == ERR_OK:
                code = self._traced(self._tracer)
            counted_out = cell.value < 0 and self._stop is None and code == ERR_OK
            clock.finish(counted_out)
            if self._error is not None:
                error, self._error, self._stop = self._error, None, None
                raise error
            if self._stop is not None:
                continue
            if code != ERR_OK:
                reason = self._fault(code)
                if reason is not None:
                    return reason
            elif not counted_out:
                reason = self._halted(deadline)
                if reason is not None:
                    return reason
            elif whole:
                self._slice = self._next_slice(most, perf_counter_ns() - started)

    def _traced(self, tracer: EngineTracer) -> int:
        """Serve the tracer's stops, if it was one that ended the engine's run, within the slice.

        The deadline, alarms and interrupts are not looked at: a run without a tracer would not do it here.
        """
        code = ERR_OK
        while self._stop is None and code == ERR_OK and tracer.take_stop(self.cpu.pc):
            if not tracer.on_halt():
                self._stop = Stop.HANDLER
                break
            self._give_back()
            tracer.resume(self.cpu.pc)
            code = self.unicorn.lib.uc_emu_start(
                self.unicorn.handle, self._start_address, 0, 0, self._counter.count_argument()
            )
        return code

    def _give_back(self) -> None:
        """Undo the count of what a stop of the tracer's kept from running, as it is counted again.

        Where a charge has used up the slice the counter would stop at once, in the middle of a block: it gets
        one unit, and the time stays what it was.
        """
        self._cell.value += self._counter.spent
        if self._cell.value < 1:
            self._timekeeper.start(self.clock.now() + self._counter.nanoseconds, 1)

    def trace(self, on_halt: Callable[[], bool]) -> EngineTracer:
        if self._tracer is not None:
            raise MachineError("the machine has a tracer already")
        self._tracer = EngineTracer(self.unicorn, self._physical, on_halt)
        return self._tracer

    def _next_slice(self, units: int, took: int) -> int:
        """How long the next slice may be, after one of `units` took so many host nanoseconds."""
        return max(_LEAST, min(_MOST, units * _QUANTUM // max(took, _QUANTUM // 8)))

    # For callbacks, which run inside the engine.

    def leave(self, stop: Stop) -> None:
        """End the run at the instruction where the engine stands."""
        if self._stop is None:
            self._stop = stop
        self.unicorn.lib.uc_emu_stop(self.unicorn.handle)

    def heed_deadline(self) -> None:
        """After a trap before any instruction, which no counter sees: end the slice if its time is over."""
        if self._cell.value < 0 and self._stop is None:
            self._overdue = True
            self.leave(Stop.WAIT)

    def carry(self, error: BaseException) -> None:
        """End the run with an exception, which must not pass through the engine's C frames."""
        if self._error is None:
            self._error = error
        self.leave(Stop.HANDLER)

    def set_alarm(self, action: Callable[[], None], time: int | None) -> None:
        """Call `action` between guest instructions once guest time `time` has come; None takes it back."""
        if time is None:
            self._alarms.pop(action, None)
        else:
            self._alarms[action] = time
        self.alarm = min(self._alarms.values(), default=None)
        if self._running:
            limit = self._deadline if self.alarm is None else min(self.alarm, self._deadline)
            self._timekeeper.start(limit, max(0, self._cell.value))

    def ring_alarms(self) -> None:
        """Call what is due."""
        while self.alarm is not None and self.alarm <= self.clock.now():
            action = min(self._alarms, key=self._alarms.__getitem__)
            self.set_alarm(action, None)
            action()

    def end_slice(self) -> None:
        """Make the engine stop before the next block, to look at interrupts."""
        if self._running:
            self._timekeeper.start(self.clock.now(), 0)

    def request_stop(self) -> None:
        self._wakeup.request()

    def close(self) -> None:
        self.unicorn.close()
        if self._tracer is not None:
            self._tracer.free()
        self._counter.close()
        self._memory.close()
        self._wakeup.close()


def _no_handler(trap: Trap) -> bool:
    raise MachineError(f"a trap arrived while the machine was not running: {trap}")
