"""Signals: masks, pending ones, the alternate stack, who gets them, and what the runtime makes of them."""

from __future__ import annotations

from signal import Signals

from fairlead.testing.check import Check, CheckFailed
from fairlead.testing.checks.late import guest_is_told
from fairlead.testing.lab import Lab

__all__ = ["CHECKS"]

_DUMPED = 2
"""How the runtime ends a program on a signal that shows goroutines (runtime/signal_unix.go dieFromSignal)."""

_DEFAULTS = (
    (Signals.SIGTERM, "process", "", 128 + Signals.SIGTERM),
    (Signals.SIGHUP, "reset", "", 128 + Signals.SIGHUP),
    (Signals.SIGINT, "blocked", "blocked\n", 128 + Signals.SIGINT),
    (Signals.SIGKILL, "thread", "", 128 + Signals.SIGKILL),
    (Signals.SIGQUIT, "process", "", _DUMPED),
    (Signals.SIGUSR2, "process", "ok\n", 0),
)
"""A signal, how it comes, what is printed and the exit code."""


def _defaults(lab: Lab) -> None:
    for number, how, printed, code in _DEFAULTS:
        ran = lab.run(lab.check.name, str(int(number)), how)
        try:
            ran.must_say(printed, code)
        except CheckFailed as failure:
            raise CheckFailed(f"on {number.name} the program {failure}") from None
        if code == _DUMPED and not ("SIGQUIT: quit" in ran.stderr and "goroutine " in ran.stderr):
            raise CheckFailed(f"on {number.name} the runtime does not show goroutines; {ran.last_words!r}")


CHECKS = (
    Check(
        name="signals.masks",
        hook="deliver_signal",
        sentence="A thread's mask is its own, is kept over handlers, and holds their own signal back.",
        source="runtime/os_linux.go newosproc, sigprocmask; signal_unix.go: m.sigmask; sigprocmask(2)",
        calls=5,
    ),
    Check(
        name="signals.pending",
        hook="deliver_signal",
        sentence="A blocked signal waits, comes once when it is let through, and stops nobody else.",
        source="runtime/os_linux.go newosproc blocks all signals round clone; POSIX 2.4.1, sigprocmask",
        calls=31,
    ),
    Check(
        name="signals.newborn",
        hook="deliver_signal",
        sentence="No signal reaches a thread that is being made, before it has a signal stack.",
        source="runtime/os_linux.go newosproc: sigset_all; signal_unix.go minitSignals, needm",
        calls=3,
    ),
    Check(
        name="signals.stack",
        hook="deliver_signal",
        sentence="Handlers run on the alternate stack, from its top; the interrupted one is untouched.",
        source="runtime/signal_unix.go adjustSignalStack, setsigstack; runtime/stack.go stackSystem",
        calls=27,
    ),
    Check(
        name="signals.registers",
        hook="deliver_signal",
        sentence="The interrupted code finds every register and the flags as they were before a handler.",
        source="runtime/signal_unix.go doSigPreempt; defs_linux_*.go: ucontext, mcontext, fpstate",
        calls=48,
    ),
    Check(
        name="signals.nested",
        hook="deliver_signal",
        sentence="A signal during another's handler comes after it, or on top of it if that is allowed.",
        source="runtime/os_linux.go setsig: sigfillset(&sa.sa_mask); sigaction(2)",
        calls=40,
    ),
    Check(
        name="signals.storm",
        hook="deliver_signal",
        sentence="Of 10,000 signals none is made up, of each burst one at least comes, the program is whole.",
        source="runtime/sigqueue.go sigsend; runtime/signal_unix.go sighandler; POSIX 2.4.1",
        calls=4020,
    ),
    Check(
        name="signals.delivery",
        hook="deliver_signal",
        sentence="A signal for a thread is delivered to it, be it running, parked or in a system call.",
        source="runtime/os_linux.go signalM: tgkill; tgkill(2)",
        calls=18,
        probe=guest_is_told,
    ),
    Check(
        name="signals.timer",
        hook="deliver_signal",
        sentence="A signal of the process wakes a program of which every thread waits, and when it is due.",
        source="runtime/sigqueue.go signal_recv; runtime/os_linux.go futexsleep; setitimer(2)",
        calls=3,
    ),
    Check(
        name="signals.notify",
        hook="deliver_signal",
        sentence="os/signal tells every channel that wants a signal, and none after Stop, Ignore or Reset.",
        source="os/signal/signal.go; runtime/signal_unix.go sigenable, sigdisable, sigignore",
        calls=10,
    ),
    Check(
        name="signals.profile",
        hook="deliver_signal",
        sentence="The profiling signal comes a hundred times in a second of work, to the thread that works.",
        source="runtime/os_linux.go setThreadCPUProfiler; runtime/cpuprof.go",
        calls=10,
    ),
    Check(
        name="signals.preempt",
        hook="deliver_signal",
        sentence="Loops that never yield are taken off the only processor, and go on unharmed.",
        source="runtime/signal_unix.go preemptM, doSigPreempt; runtime/preempt.go; runtime/proc.go retake",
        calls=3,
    ),
    Check(
        name="signals.faults",
        hook="deliver_signal",
        sentence="A fault's handler is told the address and the place, and the program goes on as it says.",
        source="runtime/signal_unix.go sigpanic; signal_amd64.go, signal_riscv64.go preparePanic, fault",
        calls=180,
    ),
    Check(
        name="signals.default",
        hook="deliver_signal",
        sentence="A signal that nobody handles ends the program by its number, as soon as it is unblocked.",
        source="runtime/signal_unix.go dieFromSignal; runtime/sigtab_linux_generic.go; signal(7)",
        calls=3,
        probe=_defaults,
    ),
)
