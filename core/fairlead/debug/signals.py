"""Signal numbers as gdb counts them on every system (gdb's include/gdb/signals.def)."""

from __future__ import annotations

from fairlead.signal import Sig

__all__ = ["INTERRUPT", "TRAP", "from_gdb", "to_gdb"]

INTERRUPT, TRAP = 2, 5
"""GDB_SIGNAL_INT and GDB_SIGNAL_TRAP: what a stop by Ctrl-C and by the debugger's own doing is called."""

_UNKNOWN = 143
_GDB = {
    Sig.SIGHUP: 1,
    Sig.SIGINT: INTERRUPT,
    Sig.SIGQUIT: 3,
    Sig.SIGILL: 4,
    Sig.SIGTRAP: TRAP,
    Sig.SIGABRT: 6,
    Sig.SIGFPE: 8,
    Sig.SIGKILL: 9,
    Sig.SIGBUS: 10,
    Sig.SIGSEGV: 11,
    Sig.SIGSYS: 12,
    Sig.SIGPIPE: 13,
    Sig.SIGALRM: 14,
    Sig.SIGTERM: 15,
    Sig.SIGURG: 16,
    Sig.SIGSTOP: 17,
    Sig.SIGTSTP: 18,
    Sig.SIGCONT: 19,
    Sig.SIGCHLD: 20,
    Sig.SIGTTIN: 21,
    Sig.SIGTTOU: 22,
    Sig.SIGIO: 23,
    Sig.SIGXCPU: 24,
    Sig.SIGXFSZ: 25,
    Sig.SIGVTALRM: 26,
    Sig.SIGPROF: 27,
    Sig.SIGWINCH: 28,
    Sig.SIGUSR1: 30,
    Sig.SIGUSR2: 31,
    Sig.SIGPWR: 32,
    **{number: number + 12 for number in range(33, 64)},  # GDB_SIGNAL_REALTIME_33 is 45
    32: 77,
    64: 78,
}
_NUMBERS = {theirs: int(ours) for ours, theirs in _GDB.items()}


def to_gdb(number: int) -> int:
    """gdb's number of a guest's signal; GDB_SIGNAL_UNKNOWN where it has none."""
    return _GDB.get(number, _UNKNOWN)


def from_gdb(number: int) -> int | None:
    """The guest's number of one of gdb's signals; None where it has none."""
    return _NUMBERS.get(number)
