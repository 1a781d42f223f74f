"""One port on one machine, with its observers: read this file second, after hookspecs.py.

`System` boots a program, then alternates: pick a thread, put its registers into the CPU, let the machine
run until a trap or a deadline, hand what came up to the port's hook, go on. What the port may ask meanwhile
stands in booted.py, and the hooks behind their checks in checked.py.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Mapping
from time import sleep
from typing import Protocol, cast

from fairlead.booted import Booted, Exit
from fairlead.checked import CheckedHooks, answer, broken, guarded
from fairlead.errors import DeadlockError, TimeLimitError
from fairlead.machine import Machine, Stop
from fairlead.port import Port, PortObject, Program, Resume
from fairlead.signal import Sig, Signal
from fairlead.syscall import Pending, Result, Syscall, Wake
from fairlead.thread import NewThread, Thread, ThreadState
from fairlead.trap import Trap, TrapKind

__all__ = ["Debugger", "Exit", "System"]

_SI_KERNEL = 0x80
_EXTERNAL_POLL = 10_000_000  # ns between looks at what the host has for a thread that waits for it
_RECENT = 16
_NAP = 10_000  # ns that a CPU which waits for an interrupt sleeps at a time, when nobody else can run


class Debugger(Protocol):
    """Who may hold the guest up between two turns; each method may take as long as it likes.

    It may change registers and memory, post signals and end the guest.
    """

    def before_run(self, thread: Thread) -> None:
        """A thread, its registers in the CPU, is about to run."""

    def before_idle(self) -> None:
        """No thread is ready."""

    def before_signal(self, thread: Thread, signal: Signal) -> Signal | None:
        """A signal is about to be delivered to the current thread: what is delivered in its stead."""


class System(Booted):
    """A booted system; also the `Services` that the port's OS half is given."""

    def __init__(
        self,
        port: Port,
        machine: Machine,
        program: Program,
        *,
        options: Mapping[str, object],
        seed: int = 0,
        checks: Collection[str] = (),
        observers: Iterable[object] = (),
        max_time: int | None = None,
        unfinished: bool = False,
    ) -> None:
        super().__init__(port, machine, program, options, seed, checks)
        self.debugger: Debugger | None = None
        self._max_time = max_time
        boot = guarded(port.name, "boot", port.boot, self)
        self.os = cast(PortObject, boot)
        self._convention = port.convention.bind(machine.cpu, self.os)
        self.hooks = CheckedHooks(
            port.name, self.os, observers, machine.cpu, self.scheduler.threads, unfinished=unfinished
        )
        self._syscall = self.hooks.bare_syscall
        self.recent: deque[tuple[Thread, Syscall | Trap, object]] = deque(maxlen=_RECENT)
        """The last calls with their answers, and the last exceptions, for the report of a crash."""
        self._remember = self.recent.append
        self.newosproc = self.hooks.newosproc
        self.nanotime = self.hooks.nanotime
        if self.hooks.observed:
            machine.time_source = self.nanotime

    def interrupt(self, number: int) -> None:
        """Hand a host signal to the guest; a second SIGINT ends the run. Safe in a host signal handler."""
        self._host_signals.append(number)
        self._attention = True
        self.machine.request_stop()

    def end_by_host(self) -> None:
        """End the guest by the signal that the host sent last, without asking it."""
        self.exit_by_signal(self._host_signals[-1])

    def run(self) -> Exit:
        """Run the program to its end."""
        try:
            first = guarded(self.port.name, "start", self.os.start)
            self.current = self.add_thread(answer(self.port.name, "start", first, NewThread))
            while self._exit is None:
                self._turn()
        finally:
            self.os.close()
        return self._exit

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
            if self.debugger is not None:
                self.debugger.before_idle()
            if self._exit is None:
                self._idle()
            return
        self._load(thread)
        self._attention = False
        if not self._ready_to_run(thread):
            return
        bounds = [time for time in (scheduler.next_time(), self._max_time) if time is not None]
        self._deadline = min(bounds, default=now + 1_000_000_000)
        if self.debugger is not None:
            self.debugger.before_run(thread)
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
        name = self.port.name
        choice = answer(name, "pick", guarded(name, "pick", self.os.pick, loaded, ready_threads), Thread)
        if choice not in ready:
            raise broken(name, "pick", f"chose a thread that is not ready: {choice!r}")
        self.scheduler.take(choice)
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
            later = self.hooks.resumed(pending.resume, wake)
            if isinstance(later, Pending):
                self._park(thread, later)
                return False
            self._finish(thread, thread.call, later)
        while (signal := self._next_signal(thread)) is not None:
            if self.debugger is not None:
                changed = self.debugger.before_signal(thread, signal)
                if self._exit is not None:
                    return False
                if changed is None:
                    continue
                signal = changed
            self._taken = signal
            self.hooks.deliver_signal(signal)
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
                    result = self._syscall(self._cpu, call)
                    self._remember((thread, call, result))
                    if type(result) is Result:
                        if result.restart:
                            self._finish(thread, call, result)
                        elif not result.resumed:
                            self._convention.finish(call, result)
                        return not self._attention
                    if type(result) is Pending:
                        self._park(thread, result)
                        return False
                except (Exception, SystemExit) as error:  # also over an answer that cannot be handed on
                    raise self.hooks.raised("syscall", error) from error
                self.hooks.result(result)
        self._remember((self.current, trap, None))
        if self.hooks.handle_trap(trap) is Resume.RESCHEDULE:
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
        if trap is not None and self.hooks.handle_trap(trap) is Resume.RESCHEDULE:
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
