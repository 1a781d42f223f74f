"""Register names of x86-64 and their numbers in Unicorn (unicorn/x86.h, 2.1.4)."""

from __future__ import annotations

__all__ = [
    "CR0",
    "CR2",
    "CR3",
    "CR4",
    "CS",
    "DR0",
    "FS_BASE",
    "GDTR",
    "GENERAL",
    "GS_BASE",
    "IDS",
    "MSR",
    "MXCSR",
    "RFLAGS",
    "RIP",
    "VECTORS",
    "user_flags",
]

GENERAL = ("rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", *(f"r{n}" for n in range(8, 16)))
"""In the order of their numbers in instructions (Intel SDM volume 2A, table 3-1)."""
_GENERAL_IDS = (35, 38, 40, 37, 44, 36, 43, 39, *range(106, 114))
CS = 11
RIP = 41
CR0, CR2, CR3, CR4 = 50, 52, 53, 54
DR0 = 66
_XMM0 = 122
GDTR = 243
MSR = 248
MXCSR = 249
FS_BASE, GS_BASE = 250, 251
RFLAGS = 253

IDS: dict[str, int] = {
    **dict(zip(GENERAL, _GENERAL_IDS, strict=True)),
    "rip": RIP,
    "rflags": RFLAGS,
    "fs_base": FS_BASE,
    "gs_base": GS_BASE,
    "mxcsr": MXCSR,
    "cr2": CR2,
    "cr3": CR3,
}
"""Registers of at most 64 bits."""

VECTORS: dict[str, int] = {f"xmm{n}": _XMM0 + n for n in range(16)}
"""Registers of 128 bits."""

_CF, _PF, _AF, _ZF, _SF, _TF, _DF, _OF = 0x1, 0x4, 0x10, 0x40, 0x80, 0x100, 0x400, 0x800
_NT, _RF, _AC, _ID = 0x4000, 0x1_0000, 0x4_0000, 0x20_0000
_WRITABLE = _CF | _PF | _AF | _ZF | _SF | _TF | _DF | _OF | _NT | _RF | _AC | _ID
_FIXED = 0x202  # IF and bit 1


def user_flags(value: int) -> int:
    """RFLAGS as a user thread can have it: IF set, IOPL zero."""
    return value & _WRITABLE | _FIXED
