"""Exceptions and interrupts: the runtime gets them as signals, and the interrupted code all its registers."""

from __future__ import annotations

from fairlead.testing.check import Check, CheckFailed
from fairlead.testing.lab import Lab

__all__ = ["CHECKS"]

_SWEEP = ("--adversity", "--counter=instructions")
"""A nanosecond is an instruction then, so what comes a nanosecond later comes one instruction further."""

_SIGSEGV = 11
_FATAL = 2
"""Go's exit code after a fatal error or a panic that nobody recovers."""


def _dies_of(lab: Lab, part: str, *words: str) -> None:
    """Run a part that is to end by a fatal signal; CheckFailed unless Go's report has each of some words."""
    ran = lab.run(part)
    ran.must_end(_FATAL)
    for each in words:
        if each not in ran.stderr:
            raise CheckFailed(f"Go's report of its end has no {each!r}, but begins with {ran.stderr[:200]!r}")


def _fatal(lab: Lab) -> None:
    _dies_of(lab, "traps.die_illegal", "SIGILL: illegal instruction\nPC=", "\nmain.illegal()\n")
    _dies_of(lab, "traps.die_breakpoint", "SIGTRAP: trace trap\nPC=", "\nmain.breakpoint()\n")


def _unrecovered(lab: Lab) -> None:
    _dies_of(
        lab,
        "traps.die_nil",
        "panic: runtime error: invalid memory address or nil pointer dereference\n[signal SIGSEGV: ",
        " code=0x1 addr=0x28 pc=0x",  # SEGV_MAPERR
        "\nmain.load64(",
    )


def _faulty_handler(lab: Lab) -> None:
    ran = lab.run("traps.die_handler")
    ran.must_end(128 + _SIGSEGV)


CHECKS = (
    Check(
        name="traps.nil",
        hook="handle_trap",
        sentence="A load, store or call through a nil pointer is a panic that can be recovered.",
        source="runtime/signal_unix.go sigpanic: SIGSEGV with SEGV_MAPERR and an address below 4096",
        calls=37,
    ),
    Check(
        name="traps.addresses",
        hook="handle_trap",
        sentence="With SetPanicOnFault a fault tells its exact address, be the page missing or its rights.",
        source="runtime/signal_unix.go sigpanic: panicmemAddr(gp.sigcode1), which is si_addr",
        calls=70,
    ),
    Check(
        name="traps.execute",
        hook="handle_trap",
        sentence="Data, heap and stack are not executed: a jump there faults at its target.",
        source="runtime/signal_unix.go sigpanic; page rights without PROT_EXEC (runtime/mem_linux.go)",
        calls=7,
    ),
    Check(
        name="traps.straddle",
        hook="handle_trap",
        sentence="An access that reaches into a second page faults if either of the two may not be touched.",
        source="Intel SDM vol. 3A 4.7, RISC-V unprivileged specification 2.6: both parts are translated",
        calls=60,
    ),
    Check(
        name="traps.outside",
        hook="handle_trap",
        sentence="An address that no page table can translate is a fault like others.",
        source="Intel SDM vol. 1 3.3.7.1 (canonical addresses); RISC-V privileged specification, Sv39",
        calls=66,
    ),
    Check(
        name="traps.divide",
        hook="handle_trap",
        sentence="A division by zero is what the architecture makes of it, and where it traps a Go panic.",
        source="runtime/signal_unix.go sigpanic: SIGFPE with FPE_INTDIV; RISC-V: no trap, a result of -1",
        calls=1,
    ),
    Check(
        name="traps.misaligned",
        hook="handle_trap",
        sentence="Misaligned loads and stores work; a misaligned atomic works or faults, never half.",
        source="RISC-V unprivileged specification, A extension; Intel SDM vol. 3A 9.1.2.2; sigpanic: SIGBUS",
        calls=1,
    ),
    Check(
        name="traps.runtime",
        hook="handle_trap",
        sentence="A fault inside the runtime's own assembly (copy, clear, compare) is the caller's panic.",
        source="runtime/signal_*.go preparePanic: sigpanic appears as called from the faulting pc",
        calls=11,
    ),
    Check(
        name="traps.call",
        hook="syscall",
        sentence="A bad pointer inside a system call is EFAULT, no trap, and spoils nothing that follows.",
        source="write(2), pread(2); runtime/signal_unix.go: no signal of a fault in the kernel",
        calls=15,
    ),
    Check(
        name="traps.nested",
        hook="handle_trap",
        sentence="A fault in a deferred function, while another fault panics, is a panic of its own.",
        source="runtime/panic.go gopanic; runtime/signal_unix.go sigpanic: each starts from a whole context",
        calls=1000,
    ),
    Check(
        name="traps.many",
        hook="handle_trap",
        sentence="Faults of many goroutines on many threads, deep in their stacks, are each their own.",
        source="runtime/signal_unix.go sighandler: gp.sigcode0, gp.sigcode1, gp.sigpc of the faulting g",
        calls=400,
    ),
    Check(
        name="traps.fatal",
        hook="handle_trap",
        sentence="An illegal instruction and a breakpoint end the program with a report of where they stand.",
        source="runtime/sigtab_linux_generic.go: SIGILL and SIGTRAP are _SigThrow; exit(2)",
        calls=2,
        probe=_fatal,
    ),
    Check(
        name="traps.unrecovered",
        hook="handle_trap",
        sentence="A nil dereference that nobody recovers ends the program, with its address and its place.",
        source="runtime/panic.go printpanics: [signal SIGSEGV … code=… addr=… pc=…]",
        probe=_unrecovered,
    ),
    Check(
        name="traps.handler",
        hook="handle_trap",
        sentence="A fault in a signal handler that blocks its signal ends the program by that signal.",
        source="runtime/signal_unix.go setsig: sa_mask has all signals; sigaction(2), kernel force_sig",
        probe=_faulty_handler,
    ),
    Check(
        name="traps.registers",
        hook="handle_trap",
        sentence="After a breakpoint whose handler destroys every register, all are as before: integer, "
        "floating point, vector, status and control.",
        source="runtime/sys_linux_*.s sigreturn: rt_sigreturn restores the context",
        calls=10,
    ),
    Check(
        name="traps.preempted",
        hook="deliver_signal",
        sentence="Loops that are stopped again and again wherever they are compute what they always compute.",
        source="runtime/preempt_*.s asyncPreempt; runtime/signal_unix.go doSigPreempt",
        calls=3,
    ),
    Check(
        name="traps.shares",
        hook="handle_trap",
        sentence="A thread that spins where Go cannot interrupt it takes no more than its share of the CPU.",
        source="runtime/proc.go sysmon, lock_futex.go: Ms run side by side, on a timer interrupt or the like",
        options=("--max-time=2s",),
    ),
    Check(
        name="traps.sweep_signals",
        hook="deliver_signal",
        sentence="At each instruction of a window that uses every register, a signal whose handler destroys "
        "them all leaves each as it was.",
        source="runtime/signal_unix.go: asynchronous preemption sends SIGURG at any instruction",
        calls=60,
        options=_SWEEP,
        limit="60s",
    ),
    Check(
        name="traps.sweep_switches",
        hook="handle_trap",
        sentence="At each instruction of that window the thread loses the CPU to one that destroys its own "
        "registers, and gets it back with all of its own.",
        source="runtime/proc.go: an M's registers are its own (hookspecs.py handle_trap: RESCHEDULE)",
        options=_SWEEP,
        limit="60s",
    ),
    Check(
        name="traps.sweep_calls",
        hook="syscall",
        sentence="At each instruction of the way into a system call and back, a signal or a loss of the CPU "
        "changes neither its result nor what it did.",
        source="internal/runtime/syscall/linux/asm_linux_*.s; signal(7): interruption by handlers",
        calls=60,
        options=_SWEEP,
        limit="60s",
    ),
    Check(
        name="traps.sweep_faults",
        hook="handle_trap",
        sentence="Signals and losses of the CPU on the whole way from a fault to its recovered panic change "
        "nothing of it.",
        source="runtime/signal_unix.go sighandler with all signals blocked; runtime/panic.go recovery",
        calls=40,
        options=_SWEEP,
        limit="60s",
    ),
)
