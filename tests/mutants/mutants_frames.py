"""Faults in how a handler is entered and left (hook deliver_signal)."""

from __future__ import annotations

from mutant import Mutant

from fairlead.services.signals import SA_NODEFER, SA_ONSTACK
from fairlead.signal import Sig

__all__ = ["HOOK", "MUTANTS"]

HOOK = "deliver_signal"
DELIVERY = "fairlead.services.linux.delivery:Delivery"
RISCV64 = "fairlead.services.linux.sigframe_riscv64:SignalFrame"
X86_64 = "fairlead.services.linux.sigframe_x86_64"


def entered(change):
    """The handler is entered as if sigaction had said something else."""

    def fault(original):
        def enter(self, cpu, thread, signal, action):
            return original(self, cpu, thread, *change(signal, action))

        return enter

    return fault


def nothing_deferred(signal, action):
    return signal, action._replace(flags=action.flags | SA_NODEFER)


def no_mask(signal, action):
    return signal, action._replace(mask=0)


def no_stack(signal, action):
    """SIGUSR1 only: of those that it needs itself Go sees at once where they are, and waits for ever."""
    if signal.number == Sig.SIGUSR1:
        action = action._replace(flags=action.flags & ~SA_ONSTACK)
    return signal, action


def as_if_sent(signal, action):
    return signal._replace(code=0), action


def keeps_the_handlers_mask(original):
    def sigreturn(self):
        thread = self._services.current
        blocked = thread.signals.blocked
        answer = original(self)
        thread.signals.blocked = blocked
        return answer

    return sigreturn


def opens_the_mask(original):
    def sigreturn(self):
        answer = original(self)
        self._services.current.signals.blocked = 0
        return answer

    return sigreturn


def keeps_floats(original):
    def pop(self):
        before = self._float.read()
        answer = original(self)
        self._float.write(before)
        return answer

    return pop


def keeps_register(index):
    """One register has after the handler what it left there."""

    def fault(original):
        def pop(self):
            before = self._general.read()[index]
            answer = original(self)
            after = list(self._general.read())
            after[index] = before
            self._general.write(after)
            return answer

        return pop

    return fault


def keeps_vectors(original):
    def set_floats(self, state):
        pass

    return set_floats


def enters_with_direction(original):
    return 0


MUTANTS = (
    Mutant(
        "a handler is interrupted by its own signal",
        ("opensbi",),
        f"{DELIVERY}._enter",
        entered(nothing_deferred),
        "signals.masks",
    ),
    Mutant(
        "a handler's mask is not kept", ("opensbi",), f"{DELIVERY}._enter", entered(no_mask), "signals.nested"
    ),
    Mutant(
        "handlers run on the interrupted stack",
        ("opensbi", "linux-amd64"),
        f"{DELIVERY}._enter",
        entered(no_stack),
        "signals.stack",
    ),
    Mutant(
        "faults look as if somebody had sent them",
        ("opensbi",),
        f"{DELIVERY}._enter",
        entered(as_if_sent),
        "traps.nil",
        hook="handle_trap",
    ),
    Mutant(
        "the mask stays as in the handler",
        ("linux-amd64",),
        f"{DELIVERY}.sigreturn",
        keeps_the_handlers_mask,
        "signals.masks",
    ),
    Mutant(
        "a handler's end lets all signals in",
        ("opensbi",),
        f"{DELIVERY}.sigreturn",
        opens_the_mask,
        "signals.masks",
    ),
    Mutant(
        "floating-point registers stay as in the handler",
        ("opensbi",),
        f"{RISCV64}.pop",
        keeps_floats,
        "traps.sweep_signals",
    ),
    Mutant(
        "an integer register stays as in the handler",
        ("linux-riscv64",),
        f"{RISCV64}.pop",
        keeps_register(18),
        "traps.sweep_signals",
    ),
    Mutant(
        "an x86 register stays as in the handler",
        ("linux-amd64",),
        f"{X86_64}:SignalFrame.pop",
        keeps_register(2),
        "traps.sweep_signals",
    ),
    Mutant(
        "vector registers stay as in the handler",
        ("linux-amd64",),
        f"{X86_64}:SignalFrame._set_floats",
        keeps_vectors,
        "traps.sweep_signals",
    ),
    Mutant(
        "the flags stay as in the handler",
        ("linux-amd64",),
        f"{X86_64}:SignalFrame.pop",
        keeps_register(17),
        "traps.sweep_signals",
    ),
    Mutant(
        "handlers start with the direction flag set",
        ("linux-amd64",),
        f"{X86_64}:_ENTRY_CLEARS",
        enters_with_direction,
        "traps.sweep_signals",
    ),
)
