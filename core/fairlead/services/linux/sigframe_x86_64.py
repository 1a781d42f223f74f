"""The signal frame on x86-64 (Linux arch/x86/kernel/signal_64.c, uapi/asm/{ucontext,sigcontext}.h).

At rsp stand the address that the handler returns to, ucontext and siginfo; the floating-point state, in
FXSAVE format, lies above them, 64-byte aligned. Of it MXCSR and xmm0…xmm15 are the thread's own: the x87
registers are written as after FNINIT and not restored, as no Go code uses them.
"""

from __future__ import annotations

from errno import EINVAL
from struct import Struct
from typing import Any

from fairlead.errors import GuestRefusal
from fairlead.machine import Cpu
from fairlead.services.guestmemory import GuestMemory
from fairlead.services.linux.siginfo import SIGINFO_SIZE, siginfo
from fairlead.services.signals import SA_RESTORER
from fairlead.signal import Action, Signal

__all__ = ["SignalFrame"]

_FRAME = Struct("<Q QQ QIIQ 18Q 4H 4Q Q 64x Q 128s")
# pretcode; uc_flags, uc_link; ss_sp, ss_flags, padding, ss_size; the registers below; cs, gs, fs, ss; err,
# trapno, oldmask, cr2; fpstate; reserved; uc_sigmask; siginfo
_FXSAVE = Struct("<HHHH QQ II 128x 256s 96x")
# cwd, swd, twd, fop; rip, rdp; mxcsr, mxcsr_mask; st0…st7; xmm0…xmm15; padding
_UCONTEXT = 8
_INFO = _FRAME.size - SIGINFO_SIZE

_ORDER = ("r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "rdi", "rsi", "rbp", "rbx", "rdx", "rax",
          "rcx", "rsp", "rip", "rflags")  # fmt: skip
_XMM = tuple(f"xmm{n}" for n in range(16))

_UC_FLAGS = 0x6  # UC_SIGCONTEXT_SS, UC_STRICT_RESTORE_SS
_USER_CS, _USER_DS = 0x33, 0x2B
_USER_FLAGS = 0x10CD5  # what a guest may set: CF PF AF ZF SF DF OF RF, all but TF and AC of FIX_EFLAGS
_FIXED_FLAGS = 0x202  # IF and the bit that is always one
_ENTRY_CLEARS = 0x10500  # DF, RF, TF
_FNINIT_CWD = 0x37F
_MXCSR = 0xFFFF
_PAGE_FAULT = 14


class SignalFrame:
    """Builds frames on the guest's stack and takes them down again."""

    stack = "rsp"
    result = "rax"
    red_zone = 128

    def __init__(self, cpu: Cpu, memory: GuestMemory) -> None:
        self._cpu = cpu
        self._memory = memory
        self._general = cpu.batch(_ORDER)
        self._enter = cpu.batch(("rip", "rsp", "rdi", "rsi", "rdx", "rax", "rflags"))
        self._sp = cpu.batch(("rsp",))

    def place(self, top: int) -> int:
        """Where a frame below `top` stands: rsp as after a call, 8 modulo 16."""
        return ((_float_state(top) - _FRAME.size) & ~15) - 8

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

        `altstack` is ss_sp, ss_flags, ss_size. The handler returns to the restorer that sigaction gave.
        """
        if not action.flags & SA_RESTORER:
            raise GuestRefusal(EINVAL)
        base, flags, size = altstack
        state = (at + 8 + _FRAME.size + 63) & ~63
        general = self._general.read()
        cr2 = signal.address if signal.trap == _PAGE_FAULT else 0
        frame = _FRAME.pack(
            action.restorer, _UC_FLAGS, 0, base, flags, 0, size, *general, _USER_CS, 0, 0, _USER_DS,
            signal.error, signal.trap, mask, cr2, state, mask, siginfo(signal),
        )  # fmt: skip
        get = self._cpu.get
        registers = b"".join(get(name).to_bytes(16, "little") for name in _XMM)
        floats = _FXSAVE.pack(_FNINIT_CWD, 0, 0, 0, 0, 0, get("mxcsr") & _MXCSR, _MXCSR, registers)
        self._memory.write(at, frame.ljust(state - at, b"\0") + floats)
        self._enter.write(
            (action.handler, at, signal.number, at + _INFO, at + _UCONTEXT, 0, general[17] & ~_ENTRY_CLEARS)
        )

    def pop(self) -> tuple[int, tuple[int, int, int]]:
        """Restore the registers from the frame below rsp; the mask and alternate stack that it holds."""
        frame = self._memory.unpack(_FRAME, self._sp.read()[0] - 8)
        base, flags, _, size = frame[3:7]
        state, mask = frame[33], frame[34]
        floats = self._memory.unpack(_FXSAVE, state) if state else None
        general = list(frame[7:25])
        if general[16] >> 47:
            raise GuestRefusal(EINVAL)  # iretq to a non-canonical address would trap in the kernel
        general[17] = general[17] & _USER_FLAGS | _FIXED_FLAGS
        self._general.write(general)
        self._set_floats(floats)
        return mask, (base, flags, size)

    def _set_floats(self, state: tuple[Any, ...] | None) -> None:
        put = self._cpu.set
        mxcsr, registers = (0x1F80, bytes(256)) if state is None else (state[6] & _MXCSR, state[8])
        put("mxcsr", mxcsr)
        for n, name in enumerate(_XMM):
            put(name, int.from_bytes(registers[16 * n : 16 * n + 16], "little"))


def _float_state(top: int) -> int:
    """Where the floating-point state below `top` stands."""
    return (top - _FXSAVE.size) & ~63
