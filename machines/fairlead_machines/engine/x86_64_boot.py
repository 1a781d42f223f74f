"""From Unicorn's reset state, ring 0 without paging, to a user process's: long mode, paging, ring 3.

Ring 3 is entered as an operating system does it, by iretq, with a descriptor table in RAM that is gone again
afterwards: the segments stay in the hidden parts of the segment registers, and the guest cannot load others.
"""

from __future__ import annotations

import ctypes
from struct import pack

from fairlead.errors import MachineError
from fairlead_machines.engine.native import Registers, Unicorn
from fairlead_machines.engine.ram import EngineRam
from fairlead_machines.engine.x86_64_registers import CR0, CR4, CS, GDTR, IDS, MSR, MXCSR, RFLAGS

__all__ = ["CODE_SELECTOR", "DATA_SELECTOR", "enter_ring_3"]

CODE_SELECTOR, DATA_SELECTOR = 0x33, 0x2B
"""CS and SS of user code, as Linux has them."""

# Intel SDM volume 3A: descriptors (figure 3-8), control registers (2.5), IA32_EFER (2.2.1)
_USER_CODE = 0x00AF_FB00_0000_FFFF
_USER_DATA = 0x00CF_F300_0000_FFFF
_PG, _WP, _NE, _ET, _MP, _PE = 1 << 31, 1 << 16, 1 << 5, 1 << 4, 1 << 1, 1 << 0
_PAE, _PCE, _OSFXSR, _OSXMMEXCPT = 1 << 5, 1 << 8, 1 << 9, 1 << 10
_EFER = 0xC000_0080
_SCE, _LME, _LMA, _NXE = 1 << 0, 1 << 8, 1 << 10, 1 << 11
_FPCW, _FPTAG = 246, 247

_CODE, _GDT, _STACK, _USER, _END = 0, 0x100, 0x200, 0x300, 0x400
_IRETQ = b"\x48\xcf"
_IF = 0x202


class _TableRegister(ctypes.Structure):
    """uc_x86_mmr."""

    _fields_ = (
        ("selector", ctypes.c_uint16),
        ("base", ctypes.c_uint64),
        ("limit", ctypes.c_uint32),
        ("flags", ctypes.c_uint32),
    )


class _Msr(ctypes.Structure):
    """uc_x86_msr."""

    _fields_ = (("number", ctypes.c_uint32), ("value", ctypes.c_uint64))


def enter_ring_3(unicorn: Unicorn, ram: EngineRam) -> None:
    """Leave the CPU in ring 3 under CR3 = 0, which maps nothing; the start of RAM is used and zeroed."""
    base = ram.base
    ram.view[_CODE : _CODE + len(_IRETQ)] = _IRETQ
    ram.view[_GDT : _GDT + 56] = pack("<7Q", 0, 0, 0, 0, 0, _USER_DATA, _USER_CODE)
    ram.view[_STACK : _STACK + 40] = pack(
        "<5Q", base + _USER, CODE_SELECTOR, _IF, base + _STACK, DATA_SELECTOR
    )
    write = unicorn.lib.uc_reg_write
    gdt = _TableRegister(0, base + _GDT, 55, 0)
    unicorn.check(write(unicorn.handle, GDTR, ctypes.byref(gdt)), "GDTR")
    Registers(unicorn, [IDS["rsp"]]).write([base + _STACK])
    unicorn.set_exits((base + _USER,))
    unicorn.check(unicorn.lib.uc_emu_start(unicorn.handle, base + _CODE, 0, 0, 0), "iretq")
    unicorn.set_exits(())
    if Registers(unicorn, [CS]).read()[0] != CODE_SELECTOR:
        raise MachineError("the CPU did not reach ring 3")
    gdt = _TableRegister()
    unicorn.check(write(unicorn.handle, GDTR, ctypes.byref(gdt)), "GDTR")
    ram.zero(base, _END)
    unicorn.flush_blocks()
    # PCE: Unicorn's rdpmc takes CR4.PCE the wrong way round, and faults in ring 3 only if it is set.
    Registers(unicorn, [CR4]).write([_PAE | _OSFXSR | _OSXMMEXCPT | _PCE])
    efer = _Msr(_EFER, _SCE | _LME | _LMA | _NXE)
    unicorn.check(write(unicorn.handle, MSR, ctypes.byref(efer)), "EFER")
    Registers(unicorn, [CR0]).write([_PG | _WP | _NE | _ET | _MP | _PE])
    # What fninit and a reset leave (volume 1, section 8.1 and 10.2.3).
    Registers(unicorn, [IDS["rsp"], RFLAGS, MXCSR, _FPCW, _FPTAG]).write([0, _IF, 0x1F80, 0x37F, 0xFFFF])
