"""Register names of RV64GC and their numbers in Unicorn (unicorn/riscv.h, 2.1.4)."""

from __future__ import annotations

__all__ = [
    "FLOAT_CSRS",
    "GENERAL",
    "IDS",
    "MIDELEG",
    "MIP",
    "MSTATUS",
    "PC",
    "PRIV",
    "SATP",
    "SUPERVISOR_CSRS",
    "X",
]

X = 1
"""Number of x0; x1 to x31 follow."""
_F = 158
PC = 190
PRIV = 191
MSTATUS = 116
MIDELEG = 119
MIP = 131
SATP = 146

# The psABI's names: (prefix, first number there, first register, count).
_ABI = (
    ("ra", None, 1, 1), ("sp", None, 2, 1), ("gp", None, 3, 1), ("tp", None, 4, 1), ("fp", None, 8, 1),
    ("t", 0, 5, 3), ("s", 0, 8, 2), ("a", 0, 10, 8), ("s", 2, 18, 10), ("t", 3, 28, 4),
)  # fmt: skip
_FLOAT_ABI = (("ft", 0, 0, 8), ("fs", 0, 8, 2), ("fa", 0, 10, 8), ("fs", 2, 18, 10), ("ft", 8, 28, 4))

FLOAT_CSRS = {"fflags": 41, "frm": 42, "fcsr": 43}
SUPERVISOR_CSRS = {
    "sstatus": 133,
    "sie": 136,
    "stvec": 137,
    "scounteren": 138,
    "sscratch": 139,
    "sepc": 140,
    "scause": 141,
    "stval": 142,
    "sip": 143,
}

GENERAL = tuple(f"x{n}" for n in range(1, 32))

IDS: dict[str, int] = {
    "pc": PC,
    **FLOAT_CSRS,
    **SUPERVISOR_CSRS,
    **{f"x{n}": X + n for n in range(1, 32)},
    **{f"f{n}": _F + n for n in range(32)},
    **{
        prefix if number is None else f"{prefix}{number + n}": X + first + n
        for prefix, number, first, count in _ABI
        for n in range(count)
    },
    **{
        f"{prefix}{number + n}": _F + first + n
        for prefix, number, first, count in _FLOAT_ABI
        for n in range(count)
    },
}
"""Registers by name; satp, which takes special care, and priv are not among them."""
