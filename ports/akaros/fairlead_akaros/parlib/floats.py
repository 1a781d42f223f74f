"""Floating-point state in a struct ancillary_state, as the kernel's XSAVE puts it there.

MXCSR and xmm0…xmm15 are the uthread's own; the x87 part is as after FNINIT.
"""

from __future__ import annotations

from struct import Struct

from fairlead.machine import Cpu
from fairlead.services.addressspace import AddressSpace

__all__ = ["load", "saved"]

_AREA = Struct("<HHHH QQ II 128x 256s 96x Q 56x")
# cwd, swd, twd, fop; rip, rdp; mxcsr, mxcsr_mask; st0…st7; xmm0…xmm15; padding; xstate_bv, header
_XMM = tuple(f"xmm{n}" for n in range(16))
_FNINIT_CWD = 0x37F
_MXCSR = 0xFFFF
_X87_AND_SSE = 3


def saved(cpu: Cpu) -> bytes:
    """The running thread's state."""
    get = cpu.get
    registers = b"".join(get(name).to_bytes(16, "little") for name in _XMM)
    return _AREA.pack(_FNINIT_CWD, 0, 0, 0, 0, 0, get("mxcsr") & _MXCSR, _MXCSR, registers, _X87_AND_SSE)


def load(cpu: Cpu, memory: AddressSpace, address: int) -> None:
    """Take a state from guest memory; a GuestFault leaves the registers as they were."""
    area = memory.unpack(_AREA, address)
    cpu.set("mxcsr", area[6] & _MXCSR)
    registers = area[8]
    for n, name in enumerate(_XMM):
        cpu.set(name, int.from_bytes(registers[16 * n : 16 * n + 16], "little"))
