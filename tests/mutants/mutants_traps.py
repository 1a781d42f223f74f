"""Faults in traps: exceptions that are taken for others or told wrong (hook handle_trap)."""

from __future__ import annotations

from dataclasses import replace

from mutant import Mutant

from fairlead.trap import TrapKind

__all__ = ["HOOK", "MUTANTS"]

HOOK = "handle_trap"

HANDLE_TRAP = {
    "opensbi": "fairlead_opensbi.ethanol.kernel:Ethanol.handle_trap",
    "akaros": "fairlead_akaros.akaros:Akaros.handle_trap",
    "linux": "fairlead_linux.kernel:Kernel.handle_trap",
}
INTERRUPTS = (TrapKind.TIMER,)


def given(change):
    """The hook is given another trap than came."""

    def fault(original):
        def handle_trap(self, cpu, trap):
            return original(self, cpu, change(trap))

        return handle_trap

    return fault


def page_of_the_address(trap):
    return replace(trap, address=trap.address & ~0xFFF)


def no_address(trap):
    return replace(trap, address=0)


def instead(kind, other, cause):
    """One kind of exception is taken for another."""

    def change(trap):
        return replace(trap, kind=other, cause=cause) if trap.kind is kind else trap

    return change


def skips(original):
    """The handler finds the program past the instruction that trapped."""

    def handle_trap(self, cpu, trap):
        answer = original(self, cpu, trap)
        if trap.kind not in (*INTERRUPTS, TrapKind.SYSCALL, TrapKind.PROTECTION):
            cpu.pc += 4
        return answer

    return handle_trap


def never_inside(original):
    """A signal stack that is in use is used from its top again."""

    def holds(self, sp):
        return False

    return holds


MUTANTS = (
    Mutant(
        "faults are told by their page",
        ("opensbi",),
        HANDLE_TRAP["opensbi"],
        given(page_of_the_address),
        "traps.addresses",
    ),
    Mutant(
        "faults on Akaros are told by their page",
        ("akaros",),
        HANDLE_TRAP["akaros"],
        given(page_of_the_address),
        "traps.addresses",
    ),
    Mutant(
        "faults have no address", ("linux-amd64",), HANDLE_TRAP["linux"], given(no_address), "traps.addresses"
    ),
    Mutant(
        "a breakpoint is an illegal instruction",
        ("opensbi",),
        HANDLE_TRAP["opensbi"],
        given(instead(TrapKind.BREAKPOINT, TrapKind.ILLEGAL, 2)),
        "traps.fatal",
    ),
    Mutant(
        "a division by zero is an illegal instruction",
        ("akaros",),
        HANDLE_TRAP["akaros"],
        given(instead(TrapKind.DIVIDE, TrapKind.ILLEGAL, 6)),
        "traps.divide",
    ),
    Mutant(
        "a division by zero is an illegal instruction on Linux",
        ("linux-amd64",),
        HANDLE_TRAP["linux"],
        given(instead(TrapKind.DIVIDE, TrapKind.ILLEGAL, 6)),
        "traps.divide",
    ),
    Mutant(
        "an illegal instruction is a breakpoint",
        ("linux-riscv64",),
        HANDLE_TRAP["linux"],
        given(instead(TrapKind.ILLEGAL, TrapKind.BREAKPOINT, 3)),
        "traps.fatal",
    ),
    Mutant(
        "handlers are told of the next instruction",
        ("opensbi",),
        HANDLE_TRAP["opensbi"],
        skips,
        "traps.registers",
    ),
    Mutant(
        "a fault in a handler overwrites the handler's frame",
        ("opensbi",),
        "fairlead.services.signals:AltStack.holds",
        never_inside,
        "signals.masks",
        limit="60ms",
        hook="deliver_signal",
    ),
)
