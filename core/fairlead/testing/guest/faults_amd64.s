#include "textflag.h"

// func jump(to uintptr)
TEXT ·jump(SB),NOSPLIT,$0-8
	MOVQ	to+0(FP), AX
	JMP	AX

// func illegal()
TEXT ·illegal(SB),NOSPLIT,$0-0
	UNDEF
	RET

// func breakpoint()
TEXT ·breakpoint(SB),NOSPLIT,$0-0
	BYTE	$0xCC
	RET

// func divide(by int64) int64: of the smallest number there is.
TEXT ·divide(SB),NOSPLIT,$0-16
	MOVQ	$0x8000000000000000, AX
	CQO
	IDIVQ	by+0(FP)
	MOVQ	AX, ret+8(FP)
	RET

// func addMisaligned(at *uint64) uint64: an atomic addition of 1, what was there before.
TEXT ·addMisaligned(SB),NOSPLIT,$0-16
	MOVQ	at+0(FP), BX
	MOVQ	$1, AX
	LOCK
	XADDQ	AX, 0(BX)
	MOVQ	AX, ret+8(FP)
	RET

// faulty is a signal handler that faults.
TEXT ·faulty(SB),NOSPLIT|NOFRAME,$0-0
	XORL	AX, AX
	MOVQ	8(AX), AX
	RET

// func faultyAddress() uintptr
TEXT ·faultyAddress(SB),NOSPLIT,$0-8
	MOVQ	$·faulty(SB), AX
	MOVQ	AX, ret+0(FP)
	RET

// func spin(until *uint32): a loop that nobody but the system can interrupt.
TEXT ·spin(SB),NOSPLIT,$0-8
	MOVQ	until+0(FP), AX
again:
	CMPL	(AX), $0
	JEQ	again
	RET
