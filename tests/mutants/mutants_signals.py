"""Faults in signals: masks, stacks, frames, and who gets what (hook deliver_signal)."""

from __future__ import annotations

from itertools import count

from mutant import Mutant

from fairlead.signal import Sig

__all__ = ["HOOK", "MUTANTS"]

HOOK = "deliver_signal"

DELIVERY = "fairlead.services.linux.delivery:Delivery"
CALLS = "fairlead.services.linux.signals"
BOOTED = "fairlead.booted:Booted"


def entered(change):
    """The handler is entered as if sigaction had said something else."""

    def fault(original):
        def enter(self, cpu, thread, signal, action):
            return original(self, cpu, thread, *change(signal, action))

        return enter

    return fault


def loses_some(original):
    """Each fifth signal for a thread is dropped."""
    numbers = count(1)

    def post_signal(self, thread, signal):
        if signal.synchronous or next(numbers) % 5:
            original(self, thread, signal)

    return post_signal


def comes_twice(original):
    def deliver(self, cpu, signal):
        answer = original(self, cpu, signal)
        if not signal.synchronous and signal.value != -1 and answer:
            self._services.post_signal(self._services.current, signal._replace(value=-1))
        return answer

    return deliver


def to_the_first_thread(original):
    def to_thread(process, identifier, number):
        return original(process, process.services.threads()[0].id, number)

    return to_thread


def to_a_thread_that_blocks(original):
    def post_process_signal(self, signal):
        self.post_signal(self.threads()[0], signal)

    return post_process_signal


def drops_what_is_pending(original):
    def set_mask(self, thread, mask):
        thread.signals.pending.clear()
        original(self, thread, mask)

    return set_mask


def blocks_nothing(original):
    def deliverable(self):
        return min(self.pending.values(), key=lambda each: (not each.synchronous, each.number), default=None)

    return deliverable


def wakes_nobody(original):
    """A thread that waits in a call gets its signal when the call is over."""

    def notice(self, thread, signal):
        if thread.pending is None:
            original(self, thread, signal)

    return notice


def ends_by_another(original):
    def exit_by_signal(self, number):
        original(self, Sig.SIGKILL)

    return exit_by_signal


def set_differently(original):
    """Unblocking replaces the mask."""

    def rt_sigprocmask(process, how, new, old, size):
        return original(process, 2 if how == 1 and new else how, new, old, size)

    return rt_sigprocmask


def not_again(original):
    def fire(self):
        self.interval = 0
        original(self)

    return fire


def no_target(original):
    def target(self, notify, target):
        original(self, notify, target)
        return self._services.threads()[0]

    return target


MUTANTS = (
    Mutant(
        "some signals are lost", ("opensbi", "akaros"), f"{BOOTED}.post_signal", loses_some, "signals.storm"
    ),
    Mutant("signals come twice", ("opensbi",), f"{DELIVERY}.deliver", comes_twice, "signals.storm"),
    Mutant(
        "signals for a thread go to the first one",
        ("linux-riscv64",),
        f"{CALLS}:_to_thread",
        to_the_first_thread,
        "signals.delivery",
    ),
    Mutant(
        "the process' signals go to the first thread",
        ("opensbi",),
        f"{BOOTED}.post_process_signal",
        to_a_thread_that_blocks,
        "signals.pending",
    ),
    Mutant(
        "changing the mask drops what is pending",
        ("opensbi",),
        f"{DELIVERY}.set_mask",
        drops_what_is_pending,
        "signals.pending",
    ),
    Mutant(
        "blocked signals are delivered",
        ("opensbi", "akaros"),
        "fairlead.signal:SignalMask.deliverable",
        blocks_nothing,
        "signals.pending",
    ),
    Mutant(
        "a signal does not interrupt a call",
        ("opensbi",),
        f"{BOOTED}._notice",
        wakes_nobody,
        "syscall.interrupted",
        hook="syscall",
    ),
    Mutant(
        "a signal ends a program as another would",
        ("linux-amd64",),
        f"{BOOTED}.exit_by_signal",
        ends_by_another,
        "signals.default",
    ),
    Mutant(
        "unblocking one signal blocks all others",
        ("opensbi",),
        f"{CALLS}:HANDLERS[rt_sigprocmask]",
        set_differently,
        "signals.masks",
    ),
    Mutant(
        "interval timers go off once",
        ("opensbi",),
        "fairlead.services.timers:IntervalTimer._fire",
        not_again,
        "signals.profile",
    ),
    Mutant(
        "a thread's timer signals the first thread",
        ("linux-amd64",),
        "fairlead.services.linux.timers:Timers._target",
        no_target,
        "signals.profile",
    ),
)
