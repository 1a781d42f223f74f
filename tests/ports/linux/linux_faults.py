"""A program that brings about one exception, chosen by its arguments, for each architecture."""

from __future__ import annotations

import re

__all__ = ["AMD64", "RISCV64", "told"]

_COMMON = """
import (
	"fmt"
	"os"
	"strconv"
	"unsafe"
)

func jump(to uintptr)

func address(text string) uintptr {
	n, err := strconv.ParseUint(text, 0, 64)
	if err != nil {
		panic(err)
	}
	return uintptr(n)
}

func main() {
	switch os.Args[1] {
	case "load":
		fmt.Println(*(*byte)(unsafe.Pointer(address(os.Args[2]))))
	case "store":
		*(*byte)(unsafe.Pointer(address(os.Args[2]))) = 1
	case "text":
		f := main
		*(*byte)(unsafe.Pointer(**(**uintptr)(unsafe.Pointer(&f)))) = 1
	case "data":
		jump(uintptr(unsafe.Pointer(&data)))
	case "jump":
		jump(address(os.Args[2]))
	default:
		faults[os.Args[1]]()
	}
}
"""

_FAULTS_AMD64 = ("undefined", "int3", "int1", "int20", "int80", "halt", "input", "zero", "overflow", "step")

AMD64 = {
    "main.go": "package main\n"
    + _COMMON
    + "var data = [8]byte{0xc3}\n"
    + "".join(f"func {name}()\n" for name in (*_FAULTS_AMD64, "stack", "push"))
    + "var faults = map[string]func(){"
    + ", ".join(f'"{name}": {name}' for name in (*_FAULTS_AMD64, "stack", "push"))
    + "}\n",
    "faults_amd64.s": """\
#include "textflag.h"

TEXT ·jump(SB),NOSPLIT,$0-8
	MOVQ to+0(FP), AX
	JMP AX

TEXT ·undefined(SB),NOSPLIT,$0
	UNDEF
	RET

TEXT ·int3(SB),NOSPLIT,$0
	BYTE $0xcc
	RET

TEXT ·int1(SB),NOSPLIT,$0
	BYTE $0xf1
	RET

TEXT ·int20(SB),NOSPLIT,$0
	INT $0x20
	RET

TEXT ·int80(SB),NOSPLIT,$0
	MOVQ $1, AX
	INT $0x80
	RET

TEXT ·halt(SB),NOSPLIT,$0
	HLT
	RET

TEXT ·input(SB),NOSPLIT,$0
	BYTE $0xec
	RET

TEXT ·zero(SB),NOSPLIT,$0
	XORL CX, CX
	XORL DX, DX
	DIVQ CX
	RET

TEXT ·overflow(SB),NOSPLIT,$0
	MOVQ $-0x8000000000000000, AX
	MOVQ $-1, CX
	CQO
	IDIVQ CX
	RET

TEXT ·step(SB),NOSPLIT,$0
	PUSHFQ
	ORQ $0x100, (SP)
	POPFQ
	BYTE $0x90
	BYTE $0x90
	RET

TEXT ·stack(SB),NOSPLIT,$0
	MOVQ $0x8000000000000000, AX
	MOVQ BP, CX
	MOVQ AX, BP
	MOVQ (BP), DX
	MOVQ CX, BP
	RET

TEXT ·push(SB),NOSPLIT,$0
	MOVQ $0x8000000000000000, AX
	MOVQ SP, CX
	MOVQ AX, SP
	BYTE $0x50 // push rax
	MOVQ CX, SP
	RET
""",
}

_FAULTS_RISCV64 = ("illegal", "breakpoint", "wait", "status", "misaligned")

RISCV64 = {
    "main.go": "package main\n"
    + _COMMON
    + "var data = [8]byte{0x67, 0x80}\n"
    + "".join(f"func {name}()\n" for name in _FAULTS_RISCV64)
    + "var faults = map[string]func(){"
    + ", ".join(f'"{name}": {name}' for name in _FAULTS_RISCV64)
    + "}\n",
    "faults_riscv64.s": """\
#include "textflag.h"

TEXT ·jump(SB),NOSPLIT,$0-8
	MOV to+0(FP), X5
	JMP (X5)

TEXT ·illegal(SB),NOSPLIT,$0
	WORD $0
	RET

TEXT ·breakpoint(SB),NOSPLIT,$0
	EBREAK
	RET

TEXT ·wait(SB),NOSPLIT,$0
	WORD $0x10500073 // wfi
	RET

TEXT ·status(SB),NOSPLIT,$0
	WORD $0x100022f3 // csrr x5, sstatus
	RET

TEXT ·misaligned(SB),NOSPLIT,$0
	MOV $·data+1(SB), X5
	AMOADDD X6, (X5), X6
	RET
""",
}

_SIGNAL = re.compile(r"\[signal (\w+): [^\]]* code=(\w+) addr=(\w+) pc=(\w+)\]")
_NUMBER = re.compile(r"^(SIG\w+): .*\nPC=(\w+) m=\d+ sigcode=(\d+)", re.MULTILINE)


def told(messages: str) -> tuple[str, int, int | None, int]:
    """What Go's runtime says of the signal that it got: name, si_code, si_addr (if it says it) and pc."""
    found = _SIGNAL.search(messages)
    if found is not None:
        return found[1], int(found[2], 16), int(found[3], 16), int(found[4], 16)
    found = _NUMBER.search(messages)
    assert found is not None, messages
    return found[1], int(found[3]), None, int(found[2], 16)
