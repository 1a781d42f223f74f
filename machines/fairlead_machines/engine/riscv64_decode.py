"""As much of RV64GC's encodings as traps need (unprivileged spec 2019, tables 16.5 to 16.7, 24.2)."""

from __future__ import annotations

__all__ = ["AMO", "LR", "access", "csr_access", "is_store"]

AMO = 0x2F
LR = 2
_LOAD, _LOAD_FP, _STORE, _STORE_FP = 0x03, 0x07, 0x23, 0x27


def _sign(value: int, bits: int) -> int:
    return value - (1 << bits) if value >> bits - 1 else value


def _field(word: int, *parts: tuple[int, int, int]) -> int:
    """Gather (lowest bit in the word, width, lowest bit in the result)."""
    return sum((word >> low & (1 << width) - 1) << to for low, width, to in parts)


# Immediates of the compressed loads and stores (table 16.5 to 16.7).
_WORD = ((10, 3, 3), (6, 1, 2), (5, 1, 6))
_DOUBLE = ((10, 3, 3), (5, 2, 6))
_LWSP = ((12, 1, 5), (4, 3, 2), (2, 2, 6))
_LDSP = ((12, 1, 5), (5, 2, 3), (2, 3, 6))
_SWSP = ((9, 4, 2), (7, 2, 6))
_SDSP = ((10, 3, 3), (7, 3, 6))
_COMPRESSED: dict[tuple[int, int], tuple[tuple[tuple[int, int, int], ...], bool, bool]] = {
    # (quadrant, funct3): immediate, through sp, store
    (0, 1): (_DOUBLE, False, False),  # c.fld
    (0, 2): (_WORD, False, False),  # c.lw
    (0, 3): (_DOUBLE, False, False),  # c.ld
    (0, 5): (_DOUBLE, False, True),  # c.fsd
    (0, 6): (_WORD, False, True),  # c.sw
    (0, 7): (_DOUBLE, False, True),  # c.sd
    (2, 1): (_LDSP, True, False),  # c.fldsp
    (2, 2): (_LWSP, True, False),  # c.lwsp
    (2, 3): (_LDSP, True, False),  # c.ldsp
    (2, 5): (_SDSP, True, True),  # c.fsdsp
    (2, 6): (_SWSP, True, True),  # c.swsp
    (2, 7): (_SDSP, True, True),  # c.sdsp
}


def access(word: int) -> tuple[int, int, bool] | None:
    """Of a load, store or atomic: (base register, offset, does it write); None for other instructions."""
    if word & 3 != 3:
        known = _COMPRESSED.get((word & 3, word >> 13 & 7))
        if known is None:
            return None
        immediate, through_sp, store = known
        return 2 if through_sp else 8 + (word >> 7 & 7), _field(word, *immediate), store
    opcode = word & 0x7F
    base = word >> 15 & 31
    if opcode in (_LOAD, _LOAD_FP):
        return base, _sign(word >> 20, 12), False
    if opcode in (_STORE, _STORE_FP):
        return base, _sign(_field(word, (7, 5, 0), (25, 7, 5)), 12), True
    if opcode == AMO:
        return base, 0, word >> 27 != LR
    return None


def is_store(word: int) -> bool:
    found = access(word)
    return found is not None and found[2]


def csr_access(word: int) -> tuple[int, int, int, int] | None:
    """Of a CSR instruction: (csr, funct3, rd, rs1 or immediate); None for other instructions."""
    if word & 0x7F != 0x73 or not word >> 12 & 3:
        return None
    return word >> 20 & 0xFFF, word >> 12 & 7, word >> 7 & 31, word >> 15 & 31
