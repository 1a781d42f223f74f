"""Faults that only Akaros can have: struct syscall, events, uthreads on vcores."""

from __future__ import annotations

from itertools import count

from mutant import Mutant

__all__ = ["HOOK", "MUTANTS"]

HOOK = "syscall"

PORT = ("akaros",)
KERNEL = "fairlead_akaros.kernel"
PARLIB = "fairlead_akaros.parlib"
BOUNDARY = f"{KERNEL}.convention:Boundary"


def words_of_the_last_error(original):
    """An error comes with the words of the one before."""
    last = []

    def complete(self, address, result):
        if result.errno:
            words = last.pop() if last else result.errstr
            last.append(result.errstr)
            result = result._replace(errstr=words)
        original(self, address, result)

    return complete


def another_errno(original):
    def complete(self, address, result):
        original(self, address, result._replace(errno=result.errno and 22))

    return complete


def tells_nobody(original):
    """SC_DONE is set and no event sent."""

    def complete(self, address, result):
        told, self.on_done = self.on_done, lambda address, flags: None
        try:
            original(self, address, result)
        finally:
            self.on_done = told

    return complete


def never_done(original):
    """All is written but SC_DONE."""

    def complete(self, address, result):
        memory = self._memory
        at = address + 16
        flags = memory.read_u64(at)
        original(self, address, result)
        memory.write_u64(at, flags)

    return complete


def loses_some_events(original):
    numbers = count(1)

    def on_syscall(self, vcore, message):
        if next(numbers) % 5:
            original(self, vcore, message)

    return on_syscall


def aborts_nothing(original):
    def abort(self, address):
        return False

    return abort


def says_it_aborted(original):
    """The call goes on, and whoever wanted it ended believes that it has."""

    def abort(self, address):
        return address in self._running

    return abort


def alarms_never_ring(original):
    def fire(self, waiter, thread):
        del self._set[waiter]

    return fire


def is_always_a_uthread(original):
    def in_vcore_context(self):
        return False

    return in_vcore_context


def restores_integers_only(original):
    """The floating-point state is the handler's."""

    def exit_sighandler(self):
        cpu = self._services.machine.cpu
        names = [f"xmm{number}" for number in range(16)]
        before = [cpu.get(name) for name in names]
        answer = original(self)
        for name, value in zip(names, before, strict=True):
            cpu.set(name, value)
        return answer

    return exit_sighandler


def handlers_nest(original):
    def deliver(self, cpu, signal):
        thread = self._services.current
        blocked = thread.signals.blocked
        answer = original(self, cpu, signal)
        thread.signals.blocked = blocked
        return answer

    return deliver


def keeps_everything_blocked(original):
    def set_mask(self, uthread):
        uthread.thread.signals.blocked |= uthread.mask

    return set_mask


def to_the_caller(original):
    def pthread_kill(self, thread, number):
        return original(self, self._services.current, number)

    return pthread_kill


def drops_the_processs_signals(original):
    def send(self, message):
        pass

    return send


def yields_nothing(original):
    def yield_(self):
        pass

    return yield_


MUTANTS = (
    Mutant(
        "errors come with the words of the last one",
        PORT,
        f"{BOUNDARY}.complete",
        words_of_the_last_error,
        "syscall.errors",
    ),
    Mutant("every error is EINVAL", PORT, f"{BOUNDARY}.complete", another_errno, "syscall.errors"),
    Mutant(
        "no event tells of a finished call", PORT, f"{BOUNDARY}.complete", tells_nobody, "syscall.blocking"
    ),
    Mutant(
        "SC_DONE is not set",
        PORT,
        f"{BOUNDARY}.complete",
        never_done,
        "syscall.blocking",
        boots=False,
    ),
    Mutant(
        "some EV_SYSCALL are lost",
        PORT,
        f"{PARLIB}.parlib:Parlib._on_syscall",
        loses_some_events,
        "syscall.blocking",
    ),
    Mutant(
        "abort_sysc aborts nothing",
        PORT,
        f"{KERNEL}.kthread:Kthreads.abort",
        aborts_nothing,
        "akaros.deadline",
        limit="5s",
    ),
    Mutant(
        "abort_sysc only says that it aborts",
        PORT,
        f"{KERNEL}.kthread:Kthreads.abort",
        says_it_aborted,
        "akaros.deadline",
        limit="5s",
    ),
    Mutant(
        "alarms do not ring",
        PORT,
        f"{PARLIB}.alarms:Alarms._fire",
        alarms_never_ring,
        "akaros.deadline",
        limit="5s",
    ),
    Mutant(
        "vcore context is taken for a uthread's",
        PORT,
        f"{PARLIB}.vcores:Vcores.in_vcore_context",
        is_always_a_uthread,
        "signals.timer",
        hook="deliver_signal",
    ),
    Mutant(
        "a uthread's vector registers stay as in the handler",
        PORT,
        f"{PARLIB}.signals:Signals.exit_sighandler",
        restores_integers_only,
        "traps.sweep_signals",
        hook="deliver_signal",
    ),
    Mutant(
        "a uthread's handlers nest",
        PORT,
        f"{PARLIB}.signals:Signals.deliver",
        handlers_nest,
        "signals.nested",
        hook="deliver_signal",
    ),
    Mutant(
        "a handler's end leaves signals blocked",
        PORT,
        f"{PARLIB}.signals:Signals._set_mask",
        keeps_everything_blocked,
        "signals.masks",
        hook="deliver_signal",
    ),
    Mutant(
        "pthread_kill signals its caller",
        PORT,
        f"{PARLIB}.signals:Signals.pthread_kill",
        to_the_caller,
        "signals.delivery",
        hook="deliver_signal",
    ),
    Mutant(
        "the process' signals are no events",
        PORT,
        "fairlead_akaros.akaros:Akaros._send",
        drops_the_processs_signals,
        "signals.timer",
        limit="5s",
        hook="deliver_signal",
    ),
    Mutant(
        "yielding is not heard",
        PORT,
        f"{PARLIB}.vcores:Vcores.yield_",
        yields_nothing,
        "newosproc.yields",
        limit="20ms",
        hook="newosproc",
    ),
)
