"""Signals: numbers, what one carries, and what is pending and masked."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import NamedTuple

__all__ = ["Action", "Sig", "Signal", "SignalMask"]


class Sig(enum.IntEnum):
    """Signal numbers shared by Linux on riscv64 and amd64 (signal(7), x86/ARM column) and by Akaros."""

    SIGHUP = 1
    SIGINT = 2
    SIGQUIT = 3
    SIGILL = 4
    SIGTRAP = 5
    SIGABRT = 6
    SIGBUS = 7
    SIGFPE = 8
    SIGKILL = 9
    SIGUSR1 = 10
    SIGSEGV = 11
    SIGUSR2 = 12
    SIGPIPE = 13
    SIGALRM = 14
    SIGTERM = 15
    SIGSTKFLT = 16
    SIGCHLD = 17
    SIGCONT = 18
    SIGSTOP = 19
    SIGTSTP = 20
    SIGTTIN = 21
    SIGTTOU = 22
    SIGURG = 23
    SIGXCPU = 24
    SIGXFSZ = 25
    SIGVTALRM = 26
    SIGPROF = 27
    SIGWINCH = 28
    SIGIO = 29
    SIGPWR = 30
    SIGSYS = 31


class Signal(NamedTuple):
    """One occurrence. `code` is si_code (SI_KERNEL 0x80, SEGV_MAPERR 1, SI_TKILL -6), `address` si_addr.

    Of a synchronous one `trap` and `error` are `Trap.cause` and `Trap.error`, for frames that hold them.
    """

    number: int
    code: int = 0
    address: int = 0
    pid: int = 0
    uid: int = 0
    value: int = 0
    synchronous: bool = False
    """Caused by the instruction the thread stands at: it cannot wait, and masked it ends the process."""
    trap: int = 0
    error: int = 0


class Action(NamedTuple):
    """What a process does on a signal: `handler` 0 is SIG_DFL, 1 SIG_IGN, else a guest address."""

    handler: int = 0
    flags: int = 0
    mask: int = 0
    restorer: int = 0


@dataclass(slots=True)
class SignalMask:
    """A thread's signals: `blocked` has bit n-1 set for signal n; `pending` keeps one of a number."""

    blocked: int = 0
    pending: dict[int, Signal] = field(default_factory=dict)

    def deliverable(self) -> Signal | None:
        """The lowest pending signal that is not blocked, left in place; synchronous ones first.

        A handler entered before a synchronous signal's would make it look as if its own first instruction
        were the one at fault.
        """
        best = None
        for signal in self.pending.values():
            if (self.blocked >> (signal.number - 1)) & 1:
                continue
            if best is None or (not signal.synchronous, signal.number) < (not best.synchronous, best.number):
                best = signal
        return best
