"""One port on one machine, with its observers: read this file second, after hookspecs.py.

`System` boots a program, then alternates: pick a thread, put its registers into the CPU, let the machine
run until a trap or a deadline, hand what came up to the port's hook, go on. Its typed methods are the only
way to a runtime hook.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from time import sleep
from typing import NamedTuple, TypeVar

from fairlead.errors import (
    DeadlockError,
    FairleadError,
    GuestRefusal,
    PortError,
    TimeLimitError,
)
from fairlead.hooks import RuntimeHooks
from fairlead.machine import Machine, Stop
from fairlead.port import Port, PortObject, Program, Resume
from fairlead.scheduler import Scheduler
from fairlead.signal import Sig, Signal
from fairlead.syscall import Pending, Result, Syscall, Wake
from fairlead.thread import NewThread, Thread, ThreadState, WaitQueue
from fairlead.trap import Trap, TrapKind

__all__ = ["Exit", "System"]

Answer = TypeVar("Answer")

_SI_KERNEL = 0x80
_EXTERNAL_POLL = 10_000_000  # ns between looks at what the host has for a thread that waits for it
_NAP = 10_000  # ns that a CPU which waits for an interrupt sleeps at a time, when nobody else can run


class Exit(NamedTuple):
    """How a guest ended: `status` its exit code, or `signal` above zero."""

    status: int = 0
    signal: int = 0

    @property
    def code(self) -> int:
        """The command's exit code: the guest's own, or 128 + signal."""
        return 128 + self.signal if self.signal else self.status


class System:
    """A booted system; also the `Services` that the port's OS half is given."""

    current: Thread

    def __init__(
        self,
        port: Port,
        machine: Machine,
        program: Program,
        *,
        options: Mapping[str, object],
        seed: int = 0,
        observers: Iterable[object] = (),
        max_time: int | None = None,
    ) -> None:
        self.port = port
        self.machine = machine
        self.program = program
        self.options = options
        self.seed = seed
        self.unknown_calls: dict[str, int] = {}
        self.tracers: dict[str, Callable[[str], None]] = {}
        self.scheduler = Scheduler()
        self._cpu = machine.cpu
        self._clock = machine.clock
        self._max_time = max_time
        self._exit: Exit | None = None
        self._attention = False
        self._deadline = 0
        self._latest = 0
        self._loaded: Thread | None = None
        self._shared: dict[int, Signal] = {}
        self._host_signals: list[int] = []
        self._host_signals_seen = 0
        self._taken: Signal | None = None
        self.fatal: Signal | None = None
        """The signal that ended the guest, and in `fatal_pc` where the thread that took it stood."""
        self.fatal_pc = 0
        self.os = self._boot()
        self._convention = port.convention.bind(machine.cpu, self.os)
        self._hooks = RuntimeHooks(port.name, self.os, observers)
        self._syscall = self._hooks.resolve("syscall")
        self._handle_trap = self._hooks.resolve("handle_trap")
        self._newosproc = self._hooks.resolve("newosproc")
        self._nanotime = self._hooks.resolve("nanotime")
        self._deliver_signal = self._hooks.resolve("deliver_signal")
        if self._hooks.observed:
            machine.time_source = self.nanotime

    # -- the hooks, typed ------------------------------------------------------------------------------

    def newosproc(self, thread: NewThread) -> int:
        """Start a thread through the port's hook; its id, proved to be one of a living thread."""
        try:
            answer = self._newosproc(thread)
        except GuestRefusal:
            raise  # out of threads: whoever asked hands the error number on
        except Exception as error:
            raise self._wrapped("newosproc", error) from error
        identifier = self._answer("newosproc", answer, int)
        if identifier not in self.scheduler.threads:
            raise self._fault("newosproc", f"answered {identifier:#x}, which is no living thread's id")
        return identifier

    def nanotime(self) -> int:
        """Guest time through the port's hook, proved to be above zero and not to go backwards."""
        time = self._answer("nanotime", self._guarded("nanotime", self._nanotime), int)
        if time <= 0:
            raise self._fault("nanotime", f"answered {time}, and time is never zero or less")
        if time < self._latest:
            raise self._fault("nanotime", f"answered {time} after {self._latest}: time went backwards")
        self._latest = time
        return time

    def handle_trap(self, trap: Trap) -> Resume:
        return self._answer(
            "handle_trap", self._guarded("handle_trap", self._handle_trap, self._cpu, trap), Resume
        )

    def syscall(self, call: Syscall) -> Result | Pending:
        return self._result(self._guarded("syscall", self._syscall, self._cpu, call))

    def deliver_signal(self, signal: Signal) -> bool:
        self._taken = signal
        return self._answer(
            "deliver_signal", self._guarded("deliver_signal", self._deliver_signal, self._cpu, signal), bool
        )

    # -- what the port may ask (Services) --------------------------------------------------------------

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
            raise self._fault("newosproc", str(error)) from None
        return new

    def find_thread(self, id: int) -> Thread | None:
        return self.scheduler.threads.get(id)

    def end_thread(self, thread: Thread) -> None:
        self.scheduler.end(thread)
        self.os.thread_ended(thread)
        self._attention = True

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

    def stop_requested(self) -> bool:
        return len(self._host_signals) > self._host_signals_seen

    def note_unknown_call(self, name: str) -> None:
        self.unknown_calls[name] = self.unknown_calls.get(name, 0) + 1

    def trace(self, kind: str, line: str) -> None:
        tracer = self.tracers.get(kind)
        if tracer is not None:
            tracer(line)

    # -- the host's side -------------------------------------------------------------------------------

    def interrupt(self, number: int) -> None:
        """Hand a host signal to the guest; a second SIGINT ends the run. Safe in a host signal handler."""
        self._host_signals.append(number)
        self._attention = True
        self.machine.request_stop()

    def run(self) -> Exit:
        """Run the program to its end."""
        try:
            self.current = self.add_thread(self._start())
            while self._exit is None:
                self._turn()
        finally:
            self.os.close()
        return self._exit

    def _boot(self) -> PortObject:
        try:
            return self.port.boot(self)
        except FairleadError:
            raise
        except Exception as error:
            raise self._fault("boot", f"raised {type(error).__name__}: {error}") from error

    def _start(self) -> NewThread:
        return self._answer("start", self._guarded("start", self.os.start), NewThread)

    def _turn(self) -> None:
        """One pick, one run."""
        if self.stop_requested():
            self._take_host_signals()
        scheduler = self.scheduler
        now = self._clock.now()
        scheduler.fire(now)
        if self._max_time is not None and now >= self._max_time:
            raise TimeLimitError(f"the guest ran past --max-time ({self._max_time / 1e9:g} s of guest time)")
        if self._exit is not None:
            return
        thread = self._pick()
        if thread is None:
            self._idle()
            return
        self._load(thread)
        self._attention = False
        if not self._ready_to_run(thread):
            return
        bounds = [time for time in (scheduler.next_time(), self._max_time) if time is not None]
        self._deadline = min(bounds, default=now + 1_000_000_000)
        if self._attention:
            return
        stop = self.machine.run(self._deadline, self._on_trap)
        if stop is Stop.INTERRUPT:
            self._interrupt_trap()
        elif stop is Stop.WAIT:
            if not scheduler.ready:
                self._clock.idle_until(min(self._deadline, self._clock.now() + _NAP))
            self.reschedule()
        elif stop is Stop.SHUTDOWN:
            self.exit(0)

    def _pick(self) -> Thread | None:
        """The thread to run: the one that runs already, or the port's choice."""
        loaded = self._loaded
        if loaded is not None and loaded.state is ThreadState.RUNNING:
            return loaded
        ready = self.scheduler.ready
        if not ready:
            return None
        ready_threads = self.scheduler.ready_threads()
        choice = self._answer("pick", self._guarded("pick", self.os.pick, loaded, ready_threads), Thread)
        if choice not in ready:
            raise self._fault("pick", f"chose a thread that is not ready: {choice!r}")
        del ready[choice]
        choice.state = ThreadState.RUNNING
        return choice

    def _load(self, thread: Thread) -> None:
        """Put a thread's registers into the CPU, saving those of the one before."""
        loaded = self._loaded
        if thread is not loaded:
            if loaded is not None and loaded.state is not ThreadState.ENDED:
                loaded.context = self._cpu.save(loaded.context)
            self._cpu.restore(thread.context)
            self._loaded = thread
            if "sched" in self.tracers:
                self.trace("sched", f"run {thread.id:#x}")
        self.current = thread

    def _ready_to_run(self, thread: Thread) -> bool:
        """Finish the call waited for and deliver signals; False if the thread cannot run after all."""
        if thread.wake is not None and thread.pending is not None and thread.call is not None:
            pending, wake, thread.pending, thread.wake = thread.pending, thread.wake, None, None
            answer = self._result(self._guarded("syscall", pending.resume, wake))
            if isinstance(answer, Pending):
                self._park(thread, answer)
                return False
            self._finish(thread, thread.call, answer)
        while (signal := self._next_signal(thread)) is not None:
            self.deliver_signal(signal)
            if self._exit is not None or thread.state is not ThreadState.RUNNING:
                return False
        if thread.restart and thread.call is not None:
            self._convention.rewind(thread.call)
            thread.restart = False
        return self._exit is None and thread.state is ThreadState.RUNNING

    def _next_signal(self, thread: Thread) -> Signal | None:
        signals = thread.signals
        if signals.pending:
            signal = signals.deliverable()
            if signal is not None:
                del signals.pending[signal.number]
                return signal
        for number in sorted(self._shared):
            if not (signals.blocked >> (number - 1)) & 1:
                return self._shared.pop(number)
        return None

    def _on_trap(self, trap: Trap) -> bool:
        """The hot path: one trap, one hook, back to the guest."""
        if trap.kind is TrapKind.SYSCALL:
            call = self._convention.decode(trap)
            if call is not None:
                thread = self.current
                thread.call = call
                try:
                    answer = self._syscall(self._cpu, call)
                except Exception as error:
                    raise self._wrapped("syscall", error) from error
                if type(answer) is Result:
                    if answer.restart:
                        self._finish(thread, call, answer)
                    elif not answer.resumed:
                        self._convention.finish(call, answer)
                    return not self._attention
                if type(answer) is Pending:
                    self._park(thread, answer)
                    return False
                self._result(answer)
        if self.handle_trap(trap) is Resume.RESCHEDULE:
            self.reschedule()
        return not self._attention

    def _park(self, thread: Thread, pending: Pending) -> None:
        """Let a thread wait, unless it has ended; a signal it may take by now ends the wait at once."""
        if thread.state is ThreadState.ENDED:
            return
        self.scheduler.park(thread, pending)
        blocked = thread.signals.blocked
        numbers = (*thread.signals.pending, *self._shared)
        if pending.interruptible and any(not (blocked >> (number - 1)) & 1 for number in numbers):
            self.scheduler.wake(thread, Wake.SIGNAL)

    def _finish(self, thread: Thread, call: Syscall, result: Result) -> None:
        if result.restart:
            thread.restart = True
            self._attention = True
        elif not result.resumed:
            self._convention.finish(call, result)

    def _interrupt_trap(self) -> None:
        trap = self.machine.pending_interrupt()
        if trap is not None and self.handle_trap(trap) is Resume.RESCHEDULE:
            self.reschedule()

    def _idle(self) -> None:
        """Nobody is ready: let time pass until a timer, or wait for the host."""
        scheduler = self.scheduler
        if not scheduler.threads:
            raise DeadlockError("every thread of the guest has ended, and none called exit_group")
        next_time = scheduler.next_time()
        external = scheduler.waits_for_host()
        if next_time is None and not external:
            raise DeadlockError(
                f"deadlock: all {len(scheduler.threads)} threads wait and nothing can wake one",
                hint="--trace sched shows who ran and who blocked",
            )
        bounds = [time for time in (next_time, self._max_time) if time is not None]
        until = min(bounds) if bounds else None
        if external:
            now = self._clock.now()
            soon = now + _EXTERNAL_POLL
            until = soon if until is None else min(until, soon)
            if self._clock.kind != "host":
                sleep(max(0, until - now) / 1e9)  # the time that others take is not skipped
        self._clock.idle_until(until)
        for thread in external:
            scheduler.wake(thread, Wake.EVENT)

    def _take_host_signals(self) -> None:
        new = self._host_signals[self._host_signals_seen :]
        self._host_signals_seen += len(new)
        if self._host_signals[: self._host_signals_seen].count(Sig.SIGINT) > 1:
            self.exit_by_signal(Sig.SIGINT)
            return
        for number in new:
            self.post_process_signal(Signal(number, code=_SI_KERNEL))

    def _notice(self, thread: Thread, signal: Signal) -> None:
        if (thread.signals.blocked >> (signal.number - 1)) & 1:
            return
        if thread.pending is not None and thread.pending.interruptible:
            self.scheduler.wake(thread, Wake.SIGNAL)
        if thread is self._loaded:
            self._attention = True

    # -- a port that breaks the contract ---------------------------------------------------------------

    def _guarded(self, hook: str, function: Callable[..., object], *arguments: object) -> object:
        try:
            return function(*arguments)
        except Exception as error:
            raise self._wrapped(hook, error) from error

    def _wrapped(self, hook: str, error: Exception) -> Exception:
        if isinstance(error, FairleadError):
            return error
        return self._fault(hook, f"raised {type(error).__name__}: {error}")

    def _answer(self, hook: str, answer: object, kind: type[Answer]) -> Answer:
        if not isinstance(answer, kind):
            raise self._fault(hook, f"answered {answer!r} where {kind.__name__} is due")
        return answer

    def _result(self, answer: object) -> Result | Pending:
        if not isinstance(answer, (Result, Pending)):
            raise self._fault("syscall", f"answered {answer!r} where Result or Pending is due")
        return answer

    def _fault(self, hook: str, what: str) -> PortError:
        return PortError(
            f"port {self.port.name}: hook {hook} {what}",
            hint="--debug shows where; the contract is in hookspecs.py",
        )
