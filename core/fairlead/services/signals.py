"""What a process does on signals, and where its threads' handlers run."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from errno import EINVAL, ENOMEM, EPERM

from fairlead.errors import GuestRefusal
from fairlead.signal import Action, Sig

__all__ = [
    "MINSIGSTKSZ",
    "NSIG",
    "SA_NOCLDSTOP",
    "SA_NODEFER",
    "SA_ONSTACK",
    "SA_RESETHAND",
    "SA_RESTART",
    "SA_RESTORER",
    "SA_SIGINFO",
    "SIG_DFL",
    "SIG_IGN",
    "SS_AUTODISARM",
    "SS_DISABLE",
    "SS_ONSTACK",
    "UNBLOCKABLE",
    "AltStack",
    "Default",
    "SignalTable",
    "bit",
]

NSIG = 64
SIG_DFL = 0
SIG_IGN = 1

# asm-generic/signal-defs.h; x86 has the same
SA_NOCLDSTOP = 0x1
SA_SIGINFO = 0x4
SA_RESTORER = 0x0400_0000
SA_ONSTACK = 0x0800_0000
SA_RESTART = 0x1000_0000
SA_NODEFER = 0x4000_0000
SA_RESETHAND = 0x8000_0000

SS_ONSTACK = 1
SS_DISABLE = 2
SS_AUTODISARM = 1 << 31
MINSIGSTKSZ = 2048


class Default(enum.Enum):
    """What a signal does where no handler is set (signal(7), "Standard signals")."""

    TERMINATE = "terminate"
    CORE = "terminate with a core dump"
    IGNORE = "ignore"
    STOP = "stop"
    CONTINUE = "continue"


_DEFAULTS = {
    Sig.SIGQUIT: Default.CORE,
    Sig.SIGILL: Default.CORE,
    Sig.SIGTRAP: Default.CORE,
    Sig.SIGABRT: Default.CORE,
    Sig.SIGBUS: Default.CORE,
    Sig.SIGFPE: Default.CORE,
    Sig.SIGSEGV: Default.CORE,
    Sig.SIGXCPU: Default.CORE,
    Sig.SIGXFSZ: Default.CORE,
    Sig.SIGSYS: Default.CORE,
    Sig.SIGCHLD: Default.IGNORE,
    Sig.SIGURG: Default.IGNORE,
    Sig.SIGWINCH: Default.IGNORE,
    Sig.SIGCONT: Default.CONTINUE,
    Sig.SIGSTOP: Default.STOP,
    Sig.SIGTSTP: Default.STOP,
    Sig.SIGTTIN: Default.STOP,
    Sig.SIGTTOU: Default.STOP,
}

_ENDING = frozenset({Default.TERMINATE, Default.CORE})


def bit(number: int) -> int:
    """A signal's bit in a mask."""
    return 1 << (number - 1)


UNBLOCKABLE = bit(Sig.SIGKILL) | bit(Sig.SIGSTOP)
"""Signals that can be neither blocked, caught nor ignored."""


class SignalTable:
    """A process's actions, by signal number 1…64."""

    def __init__(self) -> None:
        self._actions: dict[int, Action] = {}

    def __getitem__(self, number: int) -> Action:
        return self._actions.get(number, _DEFAULT_ACTION)

    def __setitem__(self, number: int, action: Action) -> None:
        self._actions[number] = action

    def default(self, number: int) -> Default:
        return _DEFAULTS.get(number, Default.TERMINATE)  # type: ignore[call-overload, no-any-return]

    def ends(self, number: int) -> bool:
        """Does the default action end the process?"""
        return self.default(number) in _ENDING

    def ignores(self, number: int) -> bool:
        """Would the signal do nothing at all?

        Stopping counts as nothing: no other process could continue this one (POSIX says so for SIGTSTP,
        SIGTTIN and SIGTTOU in an orphaned process group).
        """
        handler = self[number].handler
        if handler == SIG_DFL:
            return self.default(number) not in _ENDING
        return handler == SIG_IGN


_DEFAULT_ACTION = Action()


@dataclass(slots=True)
class AltStack:
    """A thread's alternate signal stack (sigaltstack(2)); size 0 is none."""

    base: int = 0
    size: int = 0
    flags: int = 0

    def holds(self, sp: int) -> bool:
        """Does a stack pointer lie in it? One with SS_AUTODISARM never does, as it is not in force then."""
        if self.flags & SS_AUTODISARM:
            return False
        return self.base < sp <= self.base + self.size

    def state(self, sp: int) -> int:
        """ss_flags as the guest sees it."""
        mode = SS_DISABLE if not self.size else SS_ONSTACK if self.holds(sp) else 0
        return mode | self.flags

    def set(self, base: int, size: int, flags: int, sp: int) -> None:
        """Change it, unless the thread runs on it."""
        if self.holds(sp):
            raise GuestRefusal(EPERM)
        mode = flags & ~SS_AUTODISARM
        if mode not in (0, SS_ONSTACK, SS_DISABLE):
            raise GuestRefusal(EINVAL)
        if mode == SS_DISABLE:
            base = size = 0
        elif size < MINSIGSTKSZ:
            raise GuestRefusal(ENOMEM)
        self.base, self.size, self.flags = base, size, flags & SS_AUTODISARM
