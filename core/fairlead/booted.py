"""A booted system as its port sees it: the `Services` of port.py, and the state behind them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import NamedTuple

from fairlead.checked import broken
from fairlead.machine import Machine
from fairlead.port import Port, PortObject, Program
from fairlead.scheduler import Scheduler
from fairlead.signal import Signal
from fairlead.syscall import Wake
from fairlead.thread import NewThread, Thread, ThreadState, WaitQueue

__all__ = ["Booted", "Exit"]

_MOST_UNKNOWN = 64
"""Names of unknown calls that are told apart."""


class Exit(NamedTuple):
    """How a guest ended: `status` its exit code, or `signal` above zero."""

    status: int = 0
    signal: int = 0

    @property
    def code(self) -> int:
        """The command's exit code: the guest's own, or 128 + signal."""
        return 128 + self.signal if self.signal else self.status


class Booted:
    """What a port may ask; `System` adds what drives it. Docstrings of the methods stand in `Services`."""

    current: Thread
    os: PortObject

    def __init__(
        self,
        port: Port,
        machine: Machine,
        program: Program,
        options: Mapping[str, object],
        seed: int,
        checks: Collection[str],
    ) -> None:
        self.port = port
        self.machine = machine
        self.program = program
        self.options = options
        self.checks = checks
        self.seed = seed
        self.unknown_calls: dict[str, int] = {}
        self.tracers: dict[str, Callable[[str], None]] = {}
        self.scheduler = Scheduler()
        self.fatal: Signal | None = None
        """The signal that ended the guest, and in `fatal_pc` where the thread that took it stood."""
        self.fatal_pc = 0
        self._cpu = machine.cpu
        self._clock = machine.clock
        self._exit: Exit | None = None
        self._attention = False
        """Something happened that the guest must be left for: a hook that sees it returns to the driver."""
        self._deadline = 0
        self._loaded: Thread | None = None
        self._shared: dict[int, Signal] = {}
        self._taken: Signal | None = None
        self._host_signals: list[int] = []
        self._host_signals_seen = 0

    def threads(self) -> Sequence[Thread]:
        return tuple(self.scheduler.threads.values())

    def add_thread(self, thread: NewThread) -> Thread:
        cpu = self._cpu
        context = cpu.save() if thread.inherit else cpu.blank()
        counter, stack = ("pc", "sp") if cpu.arch == "riscv64" else ("rip", "rsp")
        for register, value in {**thread.registers, counter: thread.pc, stack: thread.sp}.items():
            cpu.poke(context, register, value)
        identifier = thread.id or max(self.scheduler.threads, default=0) + 1
        new = Thread(identifier, context)
        try:
            self.scheduler.add(new)
        except ValueError as error:
            raise broken(self.port.name, "newosproc", str(error)) from None
        return new

    def find_thread(self, id: int) -> Thread | None:
        return self.scheduler.threads.get(id)

    def end_thread(self, thread: Thread) -> None:
        self.scheduler.end(thread)
        self.os.thread_ended(thread)
        self._attention = True

    def read_register(self, thread: Thread, register: str) -> int:
        """A register of any thread, between two of the guest's instructions."""
        cpu = self._cpu
        return cpu.get(register) if thread is self._loaded else cpu.peek(thread.context, register)

    def write_register(self, thread: Thread, register: str, value: int) -> None:
        cpu = self._cpu
        if thread is self._loaded:
            cpu.set(register, value)
        else:
            cpu.poke(thread.context, register, value)

    def wait_queue(self) -> WaitQueue:
        return self.scheduler.wait_queue()

    def call_at(self, time: int, action: Callable[[], None]) -> Callable[[], None]:
        if time < self._deadline:
            self._attention = True
        return self.scheduler.call_at(time, action)

    def reschedule(self) -> None:
        thread = self.current
        if thread.state is ThreadState.RUNNING:
            thread.state = ThreadState.READY
            self.scheduler.ready[thread] = None
        self._attention = True

    def post_signal(self, thread: Thread, signal: Signal) -> None:
        if signal.synchronous:
            self._taken = signal
            if (thread.signals.blocked >> (signal.number - 1)) & 1 or self.os.ignores(signal):
                self.exit_by_signal(signal.number)  # as force_sig does: it can neither wait nor be ignored
        elif self.os.ignores(signal):
            return
        thread.signals.pending.setdefault(signal.number, signal)
        self._notice(thread, signal)

    def post_process_signal(self, signal: Signal) -> None:
        """Make a signal pending for the process: a thread that does not block it takes it.

        The first that runs or can be woken is told; where there is none, the next that runs finds it.
        """
        if self.os.ignores(signal):
            return
        self._shared.setdefault(signal.number, signal)
        for thread in self.scheduler.threads.values():
            blocked = (thread.signals.blocked >> (signal.number - 1)) & 1
            if not blocked and (thread.pending is None or thread.pending.interruptible):
                self._notice(thread, signal)
                return

    def shared_pending(self) -> Mapping[int, Signal]:
        """Signals pending for the process as a whole."""
        return self._shared

    def exit(self, status: int) -> None:
        self._exit = Exit(status=status & 0xFF)
        self._attention = True

    def exit_by_signal(self, number: int) -> None:
        taken = self._taken
        self.fatal = taken if taken is not None and taken.number == number else Signal(number)
        self.fatal_pc = self._cpu.pc
        self._exit = Exit(signal=number)
        self._attention = True

    @property
    def outcome(self) -> Exit | None:
        """How the guest has ended; None while it has not."""
        return self._exit

    def stop_requested(self) -> bool:
        return len(self._host_signals) > self._host_signals_seen

    def note_unknown_call(self, name: str) -> None:
        calls = self.unknown_calls
        if name not in calls and len(calls) >= _MOST_UNKNOWN:
            name = "others"
        calls[name] = calls.get(name, 0) + 1

    def trace(self, kind: str, line: str) -> None:
        tracer = self.tracers.get(kind)
        if tracer is not None:
            tracer(line)

    def _notice(self, thread: Thread, signal: Signal) -> None:
        if (thread.signals.blocked >> (signal.number - 1)) & 1:
            return
        if thread.pending is not None and thread.pending.interruptible:
            self.scheduler.wake(thread, Wake.SIGNAL)
        if thread is self._loaded:
            self._attention = True
