"""The signal frame on riscv64 (Linux arch/riscv/kernel/signal.c, uapi/asm/{ucontext,sigcontext,ptrace}.h).

siginfo stands at sp, ucontext at sp+128, its mcontext at ucontext+176: pc and x1…x31, then 528 bytes of
floating-point state of which the D extension uses f0…f31 and fcsr, then an empty list of further extensions.
"""

from __future__ import annotations

from errno import EINVAL
from struct import Struct

from fairlead.errors import GuestRefusal
from fairlead.machine import Cpu
from fairlead.services.guestmemory import GuestMemory
from fairlead.services.linux.siginfo import SIGINFO_SIZE, siginfo
from fairlead.signal import Action, Signal

__all__ = ["SignalFrame"]

_FRAME = Struct("<128s QQ QIIQ Q 128x 32Q 32QI 256x 12s")
# siginfo; uc_flags, uc_link; ss_sp, ss_flags, padding, ss_size; uc_sigmask and its room to grow; pc, x1…x31;
# f0…f31, fcsr; unused; reserved word and the END header of the extensions
_NO_EXTENSIONS = bytes(12)
_FCSR = 0xFF  # frm and fflags; the rest is reserved


class SignalFrame:
    """Builds frames on the guest's stack and takes them down again."""

    stack = "sp"
    result = "a0"
    red_zone = 0

    def __init__(self, cpu: Cpu, memory: GuestMemory) -> None:
        self._memory = memory
        self._general = cpu.batch(("pc", *(f"x{n}" for n in range(1, 32))))
        self._float = cpu.batch((*(f"f{n}" for n in range(32)), "fcsr"))
        self._enter = cpu.batch(("pc", "sp", "ra", "a0", "a1", "a2"))
        self._sp = cpu.batch(("sp",))

    def place(self, top: int) -> int:
        """Where a frame below `top` stands."""
        return (top - _FRAME.size) & ~15

    def push(
        self,
        at: int,
        signal: Signal,
        action: Action,
        return_to: int,
        mask: int,
        altstack: tuple[int, int, int],
    ) -> None:
        """Save the registers in a frame at `at` and enter the handler; a GuestFault leaves all as it was.

        `altstack` is ss_sp, ss_flags, ss_size.
        """
        base, flags, size = altstack
        floats = self._float.read()
        frame = _FRAME.pack(
            siginfo(signal), 0, 0, base, flags, 0, size, mask, *self._general.read(), *floats, _NO_EXTENSIONS
        )  # fmt: skip
        self._memory.write(at, frame)
        self._enter.write((action.handler, at, return_to, signal.number, at, at + SIGINFO_SIZE))

    def pop(self) -> tuple[int, tuple[int, int, int]]:
        """Restore the registers from the frame at sp; the mask and alternate stack that it holds."""
        frame = self._memory.unpack(_FRAME, self._sp.read()[0])
        _, _, _, base, flags, _, size, mask = frame[:8]
        if frame[-1] != _NO_EXTENSIONS:
            raise GuestRefusal(EINVAL)
        self._general.write((frame[8] & ~1, *frame[9:40]))
        self._float.write((*frame[40:72], frame[72] & _FCSR))
        return mask, (base, flags, size)
