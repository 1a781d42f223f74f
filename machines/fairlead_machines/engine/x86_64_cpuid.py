"""What cpuid answers: the same on every host, and no feature that Unicorn does not execute.

Leaves are those of Intel SDM volume 2A, CPUID, tables 3-8 to 3-11. Unicorn's model is a Sandy Bridge without
AVX; left out of it are XSAVE, which would need CR4.OSXSAVE, and SYSENTER. RDRAND and RDSEED are in no way
offered: that model does not execute them.
"""

from __future__ import annotations

__all__ = ["MODEL", "TSC_HZ", "cpuid"]

MODEL = 17
"""UC_CPU_X86_SANDYBRIDGE: the newest Intel model before RDRAND, which would return host randomness."""
TSC_HZ = 1_000_000_000
"""The time-stamp counter counts nanoseconds of guest time."""

_VENDOR = b"GenuineIntel"
_BRAND = b"Fairlead x86-64 processor".ljust(48, b"\0")
_MAX_LEAF, _MAX_EXTENDED = 0x16, 0x8000_0008
_SIGNATURE = 0x206A1  # family 6, model 42, stepping 1
_CLFLUSH_64 = 8 << 8
# SSE3, PCLMULQDQ, SSSE3, CX16, SSE4.1, SSE4.2, POPCNT, AES
_FEATURES_ECX = 1 << 0 | 1 << 1 | 1 << 9 | 1 << 13 | 1 << 19 | 1 << 20 | 1 << 23 | 1 << 25
# FPU, DE, PSE, TSC, MSR, PAE, MCE, CX8, APIC, MTRR, PGE, MCA, CMOV, PAT, PSE-36, CLFSH, MMX, FXSR, SSE, SSE2
_FEATURES_EDX = 0x078B_F3FD
_LAHF = 1 << 0
_EXTENDED_EDX = 1 << 11 | 1 << 20 | 1 << 27 | 1 << 29  # SYSCALL, NX, RDTSCP, LM
_INVARIANT_TSC = 1 << 8
_ADDRESS_BITS = 48 << 8 | 40

Answer = tuple[int, int, int, int]


def _words(text: bytes) -> Answer:
    a, b, c, d = (int.from_bytes(text[n : n + 4], "little") for n in (0, 4, 8, 12))
    return a, b, c, d


def _vendor(most: int) -> Answer:
    ebx, edx, ecx, _ = _words(_VENDOR + bytes(4))
    return most, ebx, ecx, edx


_LEAVES: dict[int, Answer] = {
    0x0: _vendor(_MAX_LEAF),
    0x1: (_SIGNATURE, _CLFLUSH_64, _FEATURES_ECX, _FEATURES_EDX),
    0x15: (1, 1, TSC_HZ, 0),
    0x16: (TSC_HZ // 1_000_000, TSC_HZ // 1_000_000, 100, 0),
    0x8000_0000: (_MAX_EXTENDED, 0, 0, 0),
    0x8000_0001: (0, 0, _LAHF, _EXTENDED_EDX),
    **{0x8000_0002 + n: _words(_BRAND[16 * n : 16 * n + 16]) for n in range(3)},
    0x8000_0007: (0, 0, 0, _INVARIANT_TSC),
    0x8000_0008: (_ADDRESS_BITS, 0, 0, 0),
}
_NOTHING: Answer = (0, 0, 0, 0)


def cpuid(leaf: int) -> Answer:
    """(eax, ebx, ecx, edx) for a leaf; none of those that say anything has subleaves."""
    return _LEAVES.get(leaf, _NOTHING)
