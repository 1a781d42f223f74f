"""As much of the instruction format as trap handling needs (Intel SDM volume 2, chapter 2 and appendix A)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

__all__ = ["LONGEST", "Instruction", "branch_before", "decode", "is_canonical"]

LONGEST = 15
"""Bytes that an instruction may have."""

_MASK = (1 << 64) - 1
_RAX, _RSP, _RBP = 0, 4, 5
_PREFIXES = frozenset({0x26, 0x2E, 0x36, 0x3E, 0x64, 0x65, 0x66, 0x67, 0xF0, 0xF2, 0xF3})
_FS, _GS, _ADDRESS_SIZE = 0x64, 0x65, 0x67

# Opcodes with a ModR/M byte; those of the two-byte map are written 0x0F00 up.
_MODRM = frozenset(
    [op for op in range(0x40) if op & 7 < 4]
    + [0x63, 0x69, 0x6B, *range(0x80, 0x90), 0xC0, 0xC1, 0xC6, 0xC7, *range(0xD0, 0xD4)]
    + [*range(0xD8, 0xE0), 0xF6, 0xF7, 0xFE, 0xFF]
)
_TWO_BYTE_WITHOUT_MODRM = frozenset({*range(0x05, 0x0C), 0x0E, *range(0x30, 0x38), 0x77}) | {
    *(*range(0x80, 0x90), 0xA0, 0xA1, 0xA2, 0xA8, 0xA9, 0xAA, *range(0xC8, 0xD0))
}
_ALL = frozenset(range(8))
_READ_MODIFY_WRITE: dict[int, frozenset[int]] = {
    # opcode: values of ModR/M.reg with which it reads and writes its memory operand
    **{base | low: _ALL for base in range(0, 0x38, 8) for low in (0, 1)},
    **dict.fromkeys((0x80, 0x81, 0x83), _ALL - {7}),
    **dict.fromkeys((0x86, 0x87, 0xC0, 0xC1, 0xD0, 0xD1, 0xD2, 0xD3), _ALL),
    **dict.fromkeys((0xF6, 0xF7), frozenset({2, 3})),
    **dict.fromkeys((0xFE, 0xFF), frozenset({0, 1})),
    **dict.fromkeys((0x0FAB, 0x0FB3, 0x0FBB, 0x0FA4, 0x0FA5, 0x0FAC, 0x0FAD), _ALL),
    **dict.fromkeys((0x0FB0, 0x0FB1, 0x0FC0, 0x0FC1), _ALL),
    0x0FBA: frozenset({5, 6, 7}),
    0x0FC7: frozenset({1}),
}
# Opcodes that access the stack through rsp: push, pop, pushf, popf, call, ret, retf, enter.
_STACK = frozenset({*range(0x50, 0x60), 0x68, 0x6A, 0x8F, 0x9C, 0x9D}) | {
    *(0xC2, 0xC3, 0xC8, 0xCA, 0xCB, 0xE8, 0x0FA0, 0x0FA1, 0x0FA8, 0x0FA9)
}
_LEAVE = 0xC9
_GROUP_5 = 0xFF
_CALL, _JUMP, _PUSH = 2, 4, 6


def is_canonical(address: int) -> bool:
    return address + (1 << 47) & _MASK < 1 << 48


@dataclass(frozen=True, slots=True)
class Instruction:
    """The parts of an instruction up to its memory operand; immediates are not looked at."""

    opcode: int
    """The opcode; that of the two-byte map 0x0F00 up, of the three-byte maps 0x0F3800 and 0x0F3A00 up."""
    length: int
    """Bytes without the immediate."""
    prefixes: frozenset[int]
    modrm: int | None
    base: int | None
    """Number of the base register; None for rip (`relative`) or for none."""
    index: int | None
    scale: int
    displacement: int
    relative: bool
    register: int | None
    """Number of the register that ModR/M.rm names; None if that is memory."""

    @property
    def reg(self) -> int:
        """ModR/M.reg, without REX.R: the opcode's extension."""
        return 0 if self.modrm is None else self.modrm >> 3 & 7

    @property
    def memory(self) -> bool:
        """Has it a memory operand by ModR/M?"""
        return self.modrm is not None and self.register is None

    @property
    def modifies_memory(self) -> bool:
        """Does it read its memory operand in order to write it?"""
        return self.memory and self.reg in _READ_MODIFY_WRITE.get(self.opcode, ())

    def address(self, end: int, general: Sequence[int], segment: Callable[[str], int]) -> int:
        """The memory operand's linear address; `end` is that of the next instruction."""
        address = self.displacement + (end if self.relative else 0)
        if self.base is not None:
            address += general[self.base]
        if self.index is not None:
            address += general[self.index] * self.scale
        if _ADDRESS_SIZE in self.prefixes:
            address &= 0xFFFF_FFFF
        if _FS in self.prefixes:
            address += segment("fs_base")
        elif _GS in self.prefixes:
            address += segment("gs_base")
        return address & _MASK

    def stack_address(self, end: int, general: Sequence[int], segment: Callable[[str], int]) -> int | None:
        """An address that it accesses through the stack segment; None if there is none."""
        if self.memory and self.base in (_RSP, _RBP) and not self.prefixes & {_FS, _GS}:
            address = self.address(end, general, segment)
            if not is_canonical(address):
                return address
        if self.opcode == _LEAVE:
            return general[_RBP]
        if self.opcode in _STACK or (self.opcode == _GROUP_5 and self.reg in (_CALL, _PUSH)):
            return general[_RSP]
        return None


def decode(code: bytes) -> Instruction | None:
    """The instruction at the start of `code`; None if it ends too early or is in VEX or EVEX encoding."""
    try:
        return _decode(code)
    except IndexError:
        return None


def _decode(code: bytes) -> Instruction | None:
    at = 0
    prefixes = set()
    while code[at] in _PREFIXES:
        prefixes.add(code[at])
        at += 1
    rex = 0
    if code[at] & 0xF0 == 0x40:
        rex = code[at]
        at += 1
    opcode = code[at]
    at += 1
    if opcode in (0xC4, 0xC5, 0x62):
        return None
    if opcode == 0x0F:
        opcode = 0x0F00 | code[at]
        at += 1
        if opcode in (0x0F38, 0x0F3A):
            opcode = opcode << 8 | code[at]
            at += 1
        has_modrm = opcode > 0xFFFF or opcode & 0xFF not in _TWO_BYTE_WITHOUT_MODRM
    else:
        has_modrm = opcode in _MODRM
    modrm = base = index = register = None
    scale, size, relative = 1, 0, False
    if has_modrm:
        modrm = code[at]
        at += 1
        mod, rm = modrm >> 6, modrm & 7
        extend = (rex & 1) << 3
        size = (0, 1, 4, 0)[mod]
        if mod == 3:
            register = rm | extend
        elif rm == _RSP:
            sib = code[at]
            at += 1
            scale = 1 << (sib >> 6)
            index = sib >> 3 & 7 | (rex & 2) << 2
            if index == _RSP:
                index = None
            if sib & 7 == _RBP and mod == 0:
                size = 4
            else:
                base = sib & 7 | extend
        elif rm == _RBP and mod == 0:
            size, relative = 4, True
        else:
            base = rm | extend
    displacement = int.from_bytes(_exactly(code, at, size), "little", signed=True)
    return Instruction(
        opcode,
        at + size,
        frozenset(prefixes),
        modrm,
        base,
        index,
        scale,
        displacement,
        relative,
        register,
    )


def _exactly(code: bytes, at: int, size: int) -> bytes:
    if at + size > len(code):
        raise IndexError
    return code[at : at + size]


def branch_before(
    code: bytes,
    end: int,
    target: int,
    general: Sequence[int],
    segment: Callable[[str], int],
    word: Callable[[int], int | None],
) -> tuple[int, int] | None:
    """The (address, rsp) that an indirect branch had which has just gone to `target`.

    `code` is what stands before address `end`, where the branch ends; `word` reads 8 bytes of memory. None if
    no call, jump or return there leads to `target`.
    """
    rsp = general[_RSP]
    if code[-1:] == b"\xc3" and word(rsp - 8 & _MASK) == target:
        return end - 1, rsp - 8 & _MASK
    if code[-3:-2] == b"\xc2":
        before = rsp - 8 - int.from_bytes(code[-2:], "little") & _MASK
        if word(before) == target:
            return end - 3, before
    called = word(rsp) == end
    for length in range(min(len(code), LONGEST), 1, -1):
        found = decode(code[-length:])
        if found is None or found.opcode != _GROUP_5 or found.length != length:
            continue
        if found.reg not in (_CALL, _JUMP) or (found.reg == _CALL and not called):
            continue
        before = rsp + 8 & _MASK if found.reg == _CALL else rsp
        registers = list(general)
        registers[_RSP] = before
        if found.register is not None:
            goes_to: int | None = registers[found.register]
        else:
            goes_to = word(found.address(end, registers, segment))
        if goes_to == target:
            return end - length, before
    return None
