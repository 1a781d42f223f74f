#include "textflag.h"

// Handlers are entered as C functions: the number in DI, on a stack that may be the signal stack.

// func handlers() (count, clobber, nest uintptr)
TEXT ·handlers(SB),NOSPLIT,$0-24
	MOVQ	$countHandler<>(SB), AX
	MOVQ	AX, count+0(FP)
	MOVQ	$clobberHandler<>(SB), AX
	MOVQ	AX, clobber+8(FP)
	MOVQ	$nestHandler<>(SB), AX
	MOVQ	AX, nest+16(FP)
	RET

// countHandler notes that it was called, and where its stack is.
TEXT countHandler<>(SB),NOSPLIT|NOFRAME,$0
	MOVL	DI, DI
	LEAQ	·handled(SB), AX
	MOVL	$1, CX
	LOCK
	XADDL	CX, (AX)(DI*4)
	MOVQ	$1, CX
	LOCK
	XADDQ	CX, ·handlerRuns(SB)
	ANDQ	$255, CX
	LEAQ	·handlerStacks(SB), AX
	MOVQ	SP, (AX)(CX*8)
	RET

// clobberHandler leaves nothing in the registers.
TEXT clobberHandler<>(SB),NOSPLIT|NOFRAME,$0
	MOVL	DI, DI
	LEAQ	·handled(SB), AX
	MOVQ	$0x5555555555555555, BX
	MOVQ	BX, CX
	MOVQ	BX, DX
	MOVQ	BX, SI
	MOVQ	BX, BP
	MOVQ	BX, R8
	MOVQ	BX, R9
	MOVQ	BX, R10
	MOVQ	BX, R11
	MOVQ	BX, R12
	MOVQ	BX, R13
	MOVQ	BX, R14
	MOVQ	BX, R15
	MOVQ	BX, X0
	MOVQ	BX, X1
	MOVQ	BX, X2
	MOVQ	BX, X3
	MOVQ	BX, X4
	MOVQ	BX, X5
	MOVQ	BX, X6
	MOVQ	BX, X7
	MOVQ	BX, X8
	MOVQ	BX, X9
	MOVQ	BX, X10
	MOVQ	BX, X11
	MOVQ	BX, X12
	MOVQ	BX, X13
	MOVQ	BX, X14
	MOVQ	BX, X15
	LDMXCSR	·usualRounding(SB)
	LOCK
	INCL	(AX)(DI*4)
	MOVQ	BX, AX
	MOVQ	BX, DI
	TESTQ	AX, AX	// no carry
	RET

// nestHandler counts how deep it is. On the first signal it stays until it is released, and looks whether its
// stack and its registers are as it left them; on the second it writes all over its own.
TEXT nestHandler<>(SB),NOSPLIT|NOFRAME,$0
	MOVL	DI, DI
	MOVL	$1, CX
	LOCK
	XADDL	CX, ·nestDepth(SB)
	TESTL	CX, CX
	JEQ	outer
	MOVL	$1, ·nestInside(SB)
outer:
	MOVQ	SP, R12
	LEAQ	-1024(SP), R11
	MOVQ	R11, SP
	MOVQ	DI, BX
	ADDQ	$0x1000, BX
	MOVQ	$0, CX
fill:
	MOVQ	BX, (SP)(CX*8)
	INCQ	CX
	CMPQ	CX, $128
	JNE	fill
	CMPL	DI, ·nestFirst(SB)
	JNE	leave
	MOVL	$1, ·nestEntered(SB)
	MOVQ	$200000000, R13
wait:
	DECQ	R13
	JEQ	leave
	CMPL	·nestReleased(SB), $0
	JEQ	wait
	MOVQ	$0, CX
look:
	CMPQ	BX, (SP)(CX*8)
	JNE	spoiled
	INCQ	CX
	CMPQ	CX, $128
	JNE	look
leave:
	LEAQ	·handled(SB), AX
	LOCK
	INCL	(AX)(DI*4)
	LOCK
	DECL	·nestDepth(SB)
	MOVQ	R12, SP
	RET
spoiled:
	MOVL	$1, ·nestSpoiled(SB)
	JMP	leave

// func holdRegisters(): put what is in ·put into all registers, wait until told to stop, and see what is
// there then. The carry flag is set all the time.
TEXT ·holdRegisters(SB),NOSPLIT|NOFRAME,$0-0
	MOVQ	BP, ·heldBP(SB)
	MOVQ	R14, ·heldG(SB)
	STMXCSR	·usualRounding(SB)
	LDMXCSR	·otherRounding(SB)
	MOVQ	·put+0(SB), AX
	MOVQ	·put+8(SB), BX
	MOVQ	·put+16(SB), DX
	MOVQ	·put+24(SB), SI
	MOVQ	·put+32(SB), DI
	MOVQ	·put+40(SB), BP
	MOVQ	·put+48(SB), R8
	MOVQ	·put+56(SB), R9
	MOVQ	·put+64(SB), R10
	MOVQ	·put+72(SB), R11
	MOVQ	·put+80(SB), R12
	MOVQ	·put+88(SB), R13
	MOVQ	·put+96(SB), R14
	MOVQ	·put+104(SB), R15
	MOVUPS	·put+112(SB), X0
	MOVUPS	·put+128(SB), X1
	MOVUPS	·put+144(SB), X2
	MOVUPS	·put+160(SB), X3
	MOVUPS	·put+176(SB), X4
	MOVUPS	·put+192(SB), X5
	MOVUPS	·put+208(SB), X6
	MOVUPS	·put+224(SB), X7
	MOVUPS	·put+240(SB), X8
	MOVUPS	·put+256(SB), X9
	MOVUPS	·put+272(SB), X10
	MOVUPS	·put+288(SB), X11
	MOVUPS	·put+304(SB), X12
	MOVUPS	·put+320(SB), X13
	MOVUPS	·put+336(SB), X14
	MOVUPS	·put+352(SB), X15
	MOVQ	$1, CX
	MOVQ	CX, ·spinning(SB)
	STC
again:
	JCC	lost
	MOVQ	·stopSpinning(SB), CX
	JCXZQ	again
	JMP	held
lost:
	MOVL	$1, ·flagsLost(SB)
held:
	MOVQ	AX, ·got+0(SB)
	MOVQ	BX, ·got+8(SB)
	MOVQ	DX, ·got+16(SB)
	MOVQ	SI, ·got+24(SB)
	MOVQ	DI, ·got+32(SB)
	MOVQ	BP, ·got+40(SB)
	MOVQ	R8, ·got+48(SB)
	MOVQ	R9, ·got+56(SB)
	MOVQ	R10, ·got+64(SB)
	MOVQ	R11, ·got+72(SB)
	MOVQ	R12, ·got+80(SB)
	MOVQ	R13, ·got+88(SB)
	MOVQ	R14, ·got+96(SB)
	MOVQ	R15, ·got+104(SB)
	MOVUPS	X0, ·got+112(SB)
	MOVUPS	X1, ·got+128(SB)
	MOVUPS	X2, ·got+144(SB)
	MOVUPS	X3, ·got+160(SB)
	MOVUPS	X4, ·got+176(SB)
	MOVUPS	X5, ·got+192(SB)
	MOVUPS	X6, ·got+208(SB)
	MOVUPS	X7, ·got+224(SB)
	MOVUPS	X8, ·got+240(SB)
	MOVUPS	X9, ·got+256(SB)
	MOVUPS	X10, ·got+272(SB)
	MOVUPS	X11, ·got+288(SB)
	MOVUPS	X12, ·got+304(SB)
	MOVUPS	X13, ·got+320(SB)
	MOVUPS	X14, ·got+336(SB)
	MOVUPS	X15, ·got+352(SB)
	STMXCSR	·gotRounding(SB)
	LDMXCSR	·usualRounding(SB)
	MOVQ	·heldG(SB), R14
	MOVQ	·heldBP(SB), BP
	RET

// func holdStack() (low, high, sp uintptr): fill 20 KiB of stack, stand at 16 KiB of it until told to stop,
// and see between which offsets it was changed.
TEXT ·holdStack(SB),0,$20480-24
	MOVQ	$0x6b69742d6b69742d, BX
	MOVQ	$0, CX
fill:
	MOVQ	BX, (SP)(CX*8)
	INCQ	CX
	CMPQ	CX, $2560
	JNE	fill
	MOVQ	SP, R12
	MOVQ	SP, AX
	ADDQ	$16384, AX
	MOVQ	AX, SP
	MOVQ	SP, ·spinningSP(SB)
	MOVQ	$1, ·spinning(SB)
again:
	CMPQ	·stopSpinning(SB), $0
	JEQ	again
	MOVQ	R12, SP
	MOVQ	$0, CX
	MOVQ	$20480, DX	// the lowest change
	MOVQ	$0, SI	// the highest
look:
	CMPQ	BX, (SP)(CX*8)
	JEQ	same
	LEAQ	(CX*8), AX
	CMPQ	AX, DX
	JCC	notlower
	MOVQ	AX, DX
notlower:
	LEAQ	8(AX), SI
same:
	INCQ	CX
	CMPQ	CX, $2560
	JNE	look
	MOVQ	DX, low+0(FP)
	MOVQ	SI, high+8(FP)
	MOVQ	·spinningSP(SB), AX
	MOVQ	AX, sp+16(FP)
	RET

// func spinHere(): wait in one instruction until told to stop.
TEXT ·spinHere(SB),NOSPLIT|NOFRAME,$0-0
	MOVQ	$1, ·spinning(SB)
again:
	CMPQ	·stopSpinning(SB), $0
	JEQ	again
	RET

// func stackGuard() (lo, guard uintptr): of this goroutine's stack, as struct g begins.
TEXT ·stackGuard(SB),NOSPLIT,$0-16
	MOVQ	(TLS), AX
	MOVQ	0(AX), BX
	MOVQ	BX, lo+0(FP)
	MOVQ	16(AX), BX
	MOVQ	BX, guard+8(FP)
	RET
