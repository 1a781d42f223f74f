#include "textflag.h"

// func jump(to uintptr)
TEXT ·jump(SB),NOSPLIT,$0-8
	MOV	to+0(FP), X5
	JMP	(X5)

// func illegal()
TEXT ·illegal(SB),NOSPLIT,$0-0
	WORD	$0
	RET

// func breakpoint()
TEXT ·breakpoint(SB),NOSPLIT,$0-0
	WORD	$0x00100073
	RET

// func divide(by int64) int64: of the smallest number there is.
TEXT ·divide(SB),NOSPLIT,$0-16
	MOV	$0x8000000000000000, X5
	MOV	by+0(FP), X6
	DIV	X6, X5, X5
	MOV	X5, ret+8(FP)
	RET

// func addMisaligned(at *uint64) uint64: an atomic addition of 1, what was there before.
TEXT ·addMisaligned(SB),NOSPLIT,$0-16
	MOV	at+0(FP), X5
	MOV	$1, X6
	AMOADDD	X6, (X5), X6
	MOV	X6, ret+8(FP)
	RET

// faulty is a signal handler that faults.
TEXT ·faulty(SB),NOSPLIT|NOFRAME,$0-0
	MOV	8(X0), X5
	RET

// func faultyAddress() uintptr
TEXT ·faultyAddress(SB),NOSPLIT,$0-8
	MOV	$·faulty(SB), X5
	MOV	X5, ret+0(FP)
	RET

// func spin(until *uint32): a loop that nobody but the system can interrupt.
TEXT ·spin(SB),NOSPLIT,$0-8
	MOV	until+0(FP), X5
again:
	MOVW	(X5), X6
	BEQ	X6, X0, again
	RET
