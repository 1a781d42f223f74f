"""A very small RV64GC assembler: a function an instruction, named as in the manual, giving its bytes."""

from __future__ import annotations

_NAMES = "zero ra sp gp tp t0 t1 t2 s0 s1 a0 a1 a2 a3 a4 a5 a6 a7 s2 s3 s4 s5 s6 s7 s8 s9 s10 s11 t3 t4 t5 t6"
X = {name: number for number, name in enumerate(_NAMES.split())}
CSR = {
    "fcsr": 0x003, "cycle": 0xC00, "time": 0xC01, "instret": 0xC02, "sstatus": 0x100, "sie": 0x104,
    "stvec": 0x105, "sscratch": 0x140, "sepc": 0x141, "scause": 0x142, "stval": 0x143, "sip": 0x144,
    "satp": 0x180, "mstatus": 0x300,
}  # fmt: skip


def _word(value: int) -> bytes:
    return (value & 0xFFFF_FFFF).to_bytes(4, "little")


def _i(opcode: int, funct3: int, rd: str, rs1: str, immediate: int) -> bytes:
    assert -2048 <= immediate < 4096
    return _word((immediate & 0xFFF) << 20 | X[rs1] << 15 | funct3 << 12 | X[rd] << 7 | opcode)


def _s(opcode: int, funct3: int, rs2: int, rs1: str, immediate: int) -> bytes:
    return _word(
        (immediate >> 5 & 0x7F) << 25 | rs2 << 20 | X[rs1] << 15 | funct3 << 12
        | (immediate & 31) << 7 | opcode
    )  # fmt: skip


def addi(rd: str, rs1: str, immediate: int) -> bytes:
    return _i(0x13, 0, rd, rs1, immediate)


def nop() -> bytes:
    return addi("zero", "zero", 0)


def slli(rd: str, rs1: str, shift: int) -> bytes:
    return _i(0x13, 1, rd, rs1, shift)


def li(rd: str, value: int) -> bytes:
    """A 64-bit constant, always in 11 instructions, so that code has the same length for every value."""
    value &= (1 << 64) - 1
    code = addi(rd, "zero", value >> 55)
    for shift in (44, 33, 22, 11, 0):
        code += slli(rd, rd, 11) + _i(0x13, 6, rd, rd, value >> shift & 0x7FF)
    return code


def add(rd: str, rs1: str, rs2: str) -> bytes:
    return _word(X[rs2] << 20 | X[rs1] << 15 | X[rd] << 7 | 0x33)


def ld(rd: str, offset: int, rs1: str) -> bytes:
    return _i(0x03, 3, rd, rs1, offset)


def lw(rd: str, offset: int, rs1: str) -> bytes:
    return _i(0x03, 2, rd, rs1, offset)


def lbu(rd: str, offset: int, rs1: str) -> bytes:
    return _i(0x03, 4, rd, rs1, offset)


def lwu(rd: str, offset: int, rs1: str) -> bytes:
    return _i(0x03, 6, rd, rs1, offset)


def fld(fd: int, offset: int, rs1: str) -> bytes:
    return _word((offset & 0xFFF) << 20 | X[rs1] << 15 | 3 << 12 | fd << 7 | 0x07)


def sd(rs2: str, offset: int, rs1: str) -> bytes:
    return _s(0x23, 3, X[rs2], rs1, offset)


def sw(rs2: str, offset: int, rs1: str) -> bytes:
    return _s(0x23, 2, X[rs2], rs1, offset)


def sb(rs2: str, offset: int, rs1: str) -> bytes:
    return _s(0x23, 0, X[rs2], rs1, offset)


def fsd(fs2: int, offset: int, rs1: str) -> bytes:
    return _s(0x27, 3, fs2, rs1, offset)


def amo(funct5: int, rd: str, rs2: str, rs1: str, width: int = 3) -> bytes:
    return _word(funct5 << 27 | X[rs2] << 20 | X[rs1] << 15 | width << 12 | X[rd] << 7 | 0x2F)


def lr_d(rd: str, rs1: str) -> bytes:
    return amo(2, rd, "zero", rs1)


def sc_d(rd: str, rs2: str, rs1: str) -> bytes:
    return amo(3, rd, rs2, rs1)


def amoadd_d(rd: str, rs2: str, rs1: str) -> bytes:
    return amo(0, rd, rs2, rs1)


def jal(rd: str, offset: int) -> bytes:
    o = offset & 0x1F_FFFF
    return _word(
        (o >> 20 & 1) << 31 | (o >> 1 & 0x3FF) << 21 | (o >> 11 & 1) << 20 | (o >> 12 & 0xFF) << 12
        | X[rd] << 7 | 0x6F
    )  # fmt: skip


def j(offset: int) -> bytes:
    return jal("zero", offset)


def jalr(rd: str, offset: int, rs1: str) -> bytes:
    return _i(0x67, 0, rd, rs1, offset)


def bne(rs1: str, rs2: str, offset: int) -> bytes:
    o = offset & 0x1FFF
    return _word(
        (o >> 12 & 1) << 31 | (o >> 5 & 0x3F) << 25 | X[rs2] << 20 | X[rs1] << 15 | 1 << 12
        | (o >> 1 & 0xF) << 8 | (o >> 11 & 1) << 7 | 0x63
    )  # fmt: skip


def csrrw(rd: str, csr: str, rs1: str) -> bytes:
    return _i(0x73, 1, rd, rs1, CSR[csr])


def csrrs(rd: str, csr: str, rs1: str) -> bytes:
    return _i(0x73, 2, rd, rs1, CSR[csr])


def csrrc(rd: str, csr: str, rs1: str) -> bytes:
    return _i(0x73, 3, rd, rs1, CSR[csr])


def csrrsi(rd: str, csr: str, immediate: int) -> bytes:
    return _word(CSR[csr] << 20 | immediate << 15 | 6 << 12 | X[rd] << 7 | 0x73)


def rdtime(rd: str) -> bytes:
    return csrrs(rd, "time", "zero")


def rdcycle(rd: str) -> bytes:
    return csrrs(rd, "cycle", "zero")


def ecall() -> bytes:
    return _word(0x73)


def ebreak() -> bytes:
    return _word(0x10_0073)


def wfi() -> bytes:
    return _word(0x1050_0073)


def sret() -> bytes:
    return _word(0x1020_0073)


def sfence_vma() -> bytes:
    return _word(0x1200_0073)


def fence_i() -> bytes:
    return _word(0x100F)


def _half(value: int) -> bytes:
    return value.to_bytes(2, "little")


def c_nop() -> bytes:
    return _half(0x0001)


def c_ebreak() -> bytes:
    return _half(0x9002)


def _c_memory(funct3: int, register: int, rs1: str, offset: int, *, double: bool) -> bytes:
    base = X[rs1] - 8
    assert 0 <= base < 8 and 0 <= register < 8
    low = (offset >> 6 & 3) << 5 if double else (offset >> 2 & 1) << 6 | (offset >> 6 & 1) << 5
    return _half(funct3 << 13 | (offset >> 3 & 7) << 10 | base << 7 | low | register << 2)


def c_ld(rd: str, offset: int, rs1: str) -> bytes:
    return _c_memory(3, X[rd] - 8, rs1, offset, double=True)


def c_lw(rd: str, offset: int, rs1: str) -> bytes:
    return _c_memory(2, X[rd] - 8, rs1, offset, double=False)


def c_fld(fd: int, offset: int, rs1: str) -> bytes:
    return _c_memory(1, fd - 8, rs1, offset, double=True)


def c_sd(rs2: str, offset: int, rs1: str) -> bytes:
    return _c_memory(7, X[rs2] - 8, rs1, offset, double=True)


def c_sw(rs2: str, offset: int, rs1: str) -> bytes:
    return _c_memory(6, X[rs2] - 8, rs1, offset, double=False)


def c_fsd(fs2: int, offset: int, rs1: str) -> bytes:
    return _c_memory(5, fs2 - 8, rs1, offset, double=True)


def c_ldsp(rd: str, offset: int) -> bytes:
    return _half(
        3 << 13 | (offset >> 5 & 1) << 12 | X[rd] << 7 | (offset >> 3 & 3) << 5 | (offset >> 6) << 2 | 2
    )


def c_lwsp(rd: str, offset: int) -> bytes:
    return _half(
        2 << 13 | (offset >> 5 & 1) << 12 | X[rd] << 7 | (offset >> 2 & 7) << 4 | (offset >> 6) << 2 | 2
    )


def c_sdsp(rs2: str, offset: int) -> bytes:
    return _half(7 << 13 | (offset >> 3 & 7) << 10 | (offset >> 6) << 7 | X[rs2] << 2 | 2)


def c_swsp(rs2: str, offset: int) -> bytes:
    return _half(6 << 13 | (offset >> 2 & 15) << 9 | (offset >> 6) << 7 | X[rs2] << 2 | 2)
