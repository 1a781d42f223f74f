"""siginfo_t, 128 bytes (asm-generic/siginfo.h)."""

from __future__ import annotations

from struct import Struct

from fairlead.signal import Sig, Signal

__all__ = ["SIGINFO_SIZE", "SI_KERNEL", "SI_TIMER", "SI_TKILL", "SI_USER", "siginfo"]

SIGINFO_SIZE = 128

SI_USER = 0
SI_TIMER = -2
SI_TKILL = -6
SI_KERNEL = 0x80

_HEAD = Struct("<iiiI")  # si_signo, si_errno, si_code, padding
_SENT = Struct("<IIQ")  # si_pid, si_uid, si_value; of a timer si_tid, si_overrun, si_value
_FAULT = Struct("<Q")  # si_addr
_FAULTS = frozenset({Sig.SIGILL, Sig.SIGTRAP, Sig.SIGBUS, Sig.SIGFPE, Sig.SIGSEGV})
_U32 = 0xFFFF_FFFF
_U64 = 0xFFFF_FFFF_FFFF_FFFF


def siginfo(signal: Signal) -> bytes:
    """A signal as a handler sees it."""
    head = _HEAD.pack(signal.number, 0, signal.code, 0)
    if signal.code > 0 and signal.number in _FAULTS:
        body = _FAULT.pack(signal.address & _U64)
    else:
        body = _SENT.pack(signal.pid & _U32, signal.uid & _U32, signal.value & _U64)
    return (head + body).ljust(SIGINFO_SIZE, b"\0")
