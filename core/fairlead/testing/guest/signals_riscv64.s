#include "textflag.h"

// Handlers are entered as C functions: the number in X10, on a stack that may be the signal stack, to return
// to X1.

// func handlers() (count, clobber, nest uintptr)
TEXT ·handlers(SB),NOSPLIT,$0-24
	MOV	$countHandler<>(SB), X5
	MOV	X5, count+0(FP)
	MOV	$clobberHandler<>(SB), X5
	MOV	X5, clobber+8(FP)
	MOV	$nestHandler<>(SB), X5
	MOV	X5, nest+16(FP)
	RET

// countHandler notes that it was called, and where its stack is.
TEXT countHandler<>(SB),NOSPLIT|NOFRAME,$0
	MOV	$·handled(SB), X5
	SLLI	$2, X10, X6
	ADD	X6, X5
	MOV	$1, X7
	AMOADDW	X7, (X5), X6
	MOV	$·handlerRuns(SB), X5
	AMOADDD	X7, (X5), X6
	ANDI	$255, X6
	SLLI	$3, X6
	MOV	$·handlerStacks(SB), X5
	ADD	X6, X5
	MOV	X2, (X5)
	RET

// clobberHandler leaves nothing in the registers.
TEXT clobberHandler<>(SB),NOSPLIT|NOFRAME,$0
	MOV	$·handled(SB), X5
	SLLI	$2, X10, X6
	ADD	X6, X5
	MOV	$1, X7
	AMOADDW	X7, (X5), X6
	MOV	$0x5555555555555555, X5
	CSRRW	X0, FCSR, X0
	MOV	X5, X3
	MOV	X5, TP
	MOV	X5, X6
	MOV	X5, X7
	MOV	X5, X8
	MOV	X5, X9
	MOV	X5, X10
	MOV	X5, X11
	MOV	X5, X12
	MOV	X5, X13
	MOV	X5, X14
	MOV	X5, X15
	MOV	X5, X16
	MOV	X5, X17
	MOV	X5, X18
	MOV	X5, X19
	MOV	X5, X20
	MOV	X5, X21
	MOV	X5, X22
	MOV	X5, X23
	MOV	X5, X24
	MOV	X5, X25
	MOV	X5, X26
	MOV	X5, X28
	MOV	X5, X29
	MOV	X5, X30
	MOV	X5, g
	FMVDX	X5, F0
	FMVDX	X5, F1
	FMVDX	X5, F2
	FMVDX	X5, F3
	FMVDX	X5, F4
	FMVDX	X5, F5
	FMVDX	X5, F6
	FMVDX	X5, F7
	FMVDX	X5, F8
	FMVDX	X5, F9
	FMVDX	X5, F10
	FMVDX	X5, F11
	FMVDX	X5, F12
	FMVDX	X5, F13
	FMVDX	X5, F14
	FMVDX	X5, F15
	FMVDX	X5, F16
	FMVDX	X5, F17
	FMVDX	X5, F18
	FMVDX	X5, F19
	FMVDX	X5, F20
	FMVDX	X5, F21
	FMVDX	X5, F22
	FMVDX	X5, F23
	FMVDX	X5, F24
	FMVDX	X5, F25
	FMVDX	X5, F26
	FMVDX	X5, F27
	FMVDX	X5, F28
	FMVDX	X5, F29
	FMVDX	X5, F30
	FMVDX	X5, F31
	RET

// nestHandler counts how deep it is. On the first signal it stays until it is released, and looks whether its
// stack and its registers are as it left them; on the second it writes all over its own.
TEXT nestHandler<>(SB),NOSPLIT|NOFRAME,$0
	MOV	$·nestDepth(SB), X5
	MOV	$1, X7
	AMOADDW	X7, (X5), X6
	BEQ	X6, X0, outer
	MOVW	X7, ·nestInside(SB)
outer:
	MOV	X2, X18
	ADDI	$-1024, X2, X5
	MOV	X5, X2
	MOV	$0x1000, X9
	ADD	X10, X9
	MOV	X2, X5
fill:
	MOV	X9, (X5)
	ADDI	$8, X5
	BNE	X5, X18, fill
	MOVW	·nestFirst(SB), X6
	BNE	X6, X10, leave
	MOVW	X7, ·nestEntered(SB)
	MOV	$200000000, X19
wait:
	ADDI	$-1, X19
	BEQ	X19, X0, leave
	MOVW	·nestReleased(SB), X6
	BEQ	X6, X0, wait
	MOV	X2, X5
look:
	MOV	(X5), X6
	BNE	X6, X9, spoiled
	ADDI	$8, X5
	BNE	X5, X18, look
leave:
	MOV	$·handled(SB), X5
	SLLI	$2, X10, X6
	ADD	X6, X5
	MOV	$1, X7
	AMOADDW	X7, (X5), X6
	MOV	$·nestDepth(SB), X5
	MOV	$-1, X7
	AMOADDW	X7, (X5), X6
	MOV	X18, X2
	RET
spoiled:
	MOV	$1, X7
	MOVW	X7, ·nestSpoiled(SB)
	JMP	leave

// func holdRegisters(): put what is in ·put into all registers, wait until told to stop, and see what is
// there then. X5 and X31 are what it needs for itself.
TEXT ·holdRegisters(SB),NOSPLIT|NOFRAME,$0-0
	MOV	g, ·heldG(SB)
	MOV	X1, ·heldBP(SB)
	MOVWU	·otherRounding(SB), X5
	CSRRW	X5, FCSR, X5
	MOVW	X5, ·usualRounding(SB)
	MOV	$·put(SB), X5
	MOV	0(X5), X1
	MOV	8(X5), X3
	MOV	16(X5), TP
	MOV	24(X5), X6
	MOV	32(X5), X7
	MOV	40(X5), X8
	MOV	48(X5), X9
	MOV	56(X5), X10
	MOV	64(X5), X11
	MOV	72(X5), X12
	MOV	80(X5), X13
	MOV	88(X5), X14
	MOV	96(X5), X15
	MOV	104(X5), X16
	MOV	112(X5), X17
	MOV	120(X5), X18
	MOV	128(X5), X19
	MOV	136(X5), X20
	MOV	144(X5), X21
	MOV	152(X5), X22
	MOV	160(X5), X23
	MOV	168(X5), X24
	MOV	176(X5), X25
	MOV	184(X5), X26
	MOV	g, 192(X5)	// handlers of Go's need it
	MOV	200(X5), X28
	MOV	208(X5), X29
	MOV	216(X5), X30
	MOVD	224(X5), F0
	MOVD	232(X5), F1
	MOVD	240(X5), F2
	MOVD	248(X5), F3
	MOVD	256(X5), F4
	MOVD	264(X5), F5
	MOVD	272(X5), F6
	MOVD	280(X5), F7
	MOVD	288(X5), F8
	MOVD	296(X5), F9
	MOVD	304(X5), F10
	MOVD	312(X5), F11
	MOVD	320(X5), F12
	MOVD	328(X5), F13
	MOVD	336(X5), F14
	MOVD	344(X5), F15
	MOVD	352(X5), F16
	MOVD	360(X5), F17
	MOVD	368(X5), F18
	MOVD	376(X5), F19
	MOVD	384(X5), F20
	MOVD	392(X5), F21
	MOVD	400(X5), F22
	MOVD	408(X5), F23
	MOVD	416(X5), F24
	MOVD	424(X5), F25
	MOVD	432(X5), F26
	MOVD	440(X5), F27
	MOVD	448(X5), F28
	MOVD	456(X5), F29
	MOVD	464(X5), F30
	MOVD	472(X5), F31
	MOV	$1, X5
	MOV	X5, ·spinning(SB)
again:
	MOV	·stopSpinning(SB), X5
	BEQ	X5, X0, again
	MOV	$·got(SB), X5
	MOV	X1, 0(X5)
	MOV	X3, 8(X5)
	MOV	TP, 16(X5)
	MOV	X6, 24(X5)
	MOV	X7, 32(X5)
	MOV	X8, 40(X5)
	MOV	X9, 48(X5)
	MOV	X10, 56(X5)
	MOV	X11, 64(X5)
	MOV	X12, 72(X5)
	MOV	X13, 80(X5)
	MOV	X14, 88(X5)
	MOV	X15, 96(X5)
	MOV	X16, 104(X5)
	MOV	X17, 112(X5)
	MOV	X18, 120(X5)
	MOV	X19, 128(X5)
	MOV	X20, 136(X5)
	MOV	X21, 144(X5)
	MOV	X22, 152(X5)
	MOV	X23, 160(X5)
	MOV	X24, 168(X5)
	MOV	X25, 176(X5)
	MOV	X26, 184(X5)
	MOV	g, 192(X5)
	MOV	X28, 200(X5)
	MOV	X29, 208(X5)
	MOV	X30, 216(X5)
	MOVD	F0, 224(X5)
	MOVD	F1, 232(X5)
	MOVD	F2, 240(X5)
	MOVD	F3, 248(X5)
	MOVD	F4, 256(X5)
	MOVD	F5, 264(X5)
	MOVD	F6, 272(X5)
	MOVD	F7, 280(X5)
	MOVD	F8, 288(X5)
	MOVD	F9, 296(X5)
	MOVD	F10, 304(X5)
	MOVD	F11, 312(X5)
	MOVD	F12, 320(X5)
	MOVD	F13, 328(X5)
	MOVD	F14, 336(X5)
	MOVD	F15, 344(X5)
	MOVD	F16, 352(X5)
	MOVD	F17, 360(X5)
	MOVD	F18, 368(X5)
	MOVD	F19, 376(X5)
	MOVD	F20, 384(X5)
	MOVD	F21, 392(X5)
	MOVD	F22, 400(X5)
	MOVD	F23, 408(X5)
	MOVD	F24, 416(X5)
	MOVD	F25, 424(X5)
	MOVD	F26, 432(X5)
	MOVD	F27, 440(X5)
	MOVD	F28, 448(X5)
	MOVD	F29, 456(X5)
	MOVD	F30, 464(X5)
	MOVD	F31, 472(X5)
	MOVWU	·usualRounding(SB), X5
	CSRRW	X5, FCSR, X5
	MOVW	X5, ·gotRounding(SB)
	MOV	·heldBP(SB), X1
	MOV	·heldG(SB), g
	RET

// func holdStack() (low, high, sp uintptr): fill 20 KiB of stack, stand at 16 KiB of it until told to stop,
// and see between which offsets it was changed.
TEXT ·holdStack(SB),0,$20480-24
	MOV	$0x6b69742d6b69742d, X6
	ADDI	$8, X2, X9	// the return address is at X2
	MOV	$20472, X7
	ADD	X9, X7
	MOV	X9, X5
fill:
	MOV	X6, (X5)
	ADDI	$8, X5
	BNE	X5, X7, fill
	MOV	X2, X18
	MOV	$16384, X5
	ADD	X2, X5
	MOV	X5, X2
	MOV	X2, ·spinningSP(SB)
	MOV	$1, X5
	MOV	X5, ·spinning(SB)
again:
	MOV	·stopSpinning(SB), X5
	BEQ	X5, X0, again
	MOV	X18, X2
	MOV	$20480, X10	// the lowest change
	MOV	$0, X11	// the highest
	MOV	X9, X5
look:
	MOV	(X5), X12
	BEQ	X12, X6, same
	SUB	X2, X5, X12
	BGEU	X12, X10, notlower
	MOV	X12, X10
notlower:
	ADDI	$8, X12, X11
same:
	ADDI	$8, X5
	BNE	X5, X7, look
	MOV	X10, low+0(FP)
	MOV	X11, high+8(FP)
	MOV	·spinningSP(SB), X5
	MOV	X5, sp+16(FP)
	RET

// func spinHere(): wait in a few instructions until told to stop.
TEXT ·spinHere(SB),NOSPLIT|NOFRAME,$0-0
	MOV	$1, X5
	MOV	X5, ·spinning(SB)
again:
	MOV	·stopSpinning(SB), X5
	BEQ	X5, X0, again
	RET

// func stackGuard() (lo, guard uintptr): of this goroutine's stack, as struct g begins.
TEXT ·stackGuard(SB),NOSPLIT,$0-16
	MOV	0(g), X5
	MOV	X5, lo+0(FP)
	MOV	16(g), X5
	MOV	X5, guard+8(FP)
	RET
