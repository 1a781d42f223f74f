#include "textflag.h"

#define GENERAL(DO) \
	DO(8, BX); DO(16, CX); DO(24, DX); DO(32, SI); DO(40, DI); DO(48, BP); DO(56, R8); DO(64, R9); \
	DO(72, R10); DO(80, R11); DO(88, R12); DO(96, R13); DO(104, R14); DO(112, R15)

#define VECTORS(DO) \
	DO(136, X0); DO(152, X1); DO(168, X2); DO(184, X3); DO(200, X4); DO(216, X5); DO(232, X6); \
	DO(248, X7); DO(264, X8); DO(280, X9); DO(296, X10); DO(312, X11); DO(328, X12); DO(344, X13); \
	DO(360, X14); DO(376, X15)

#define LOAD(at, register) MOVQ at(AX), register
#define STORE(at, register) MOVQ register, at(AX)
#define LOADX(at, register) MOVOU at(AX), register
#define STOREX(at, register) MOVOU register, at(AX)
#define JUNK(at, register) MOVQ AX, register
#define JUNKX(at, register) PCMPEQL register, register
#define CHAIN(DO) \
	DO(BX, AX); DO(CX, BX); DO(DX, CX); DO(SI, DX); DO(DI, SI); DO(BP, DI); DO(R8, BP); DO(R9, R8); \
	DO(R10, R9); DO(R11, R10); DO(R12, R11); DO(R13, R12); DO(R14, R13); DO(R15, R14); DO(AX, R15)
#define ADDUP(from, to) ADCQ from, to
#define TAKEAWAY(from, to) SBBQ from, to

DATA	·defaultControl(SB)/4, $0x1F80
GLOBL	·defaultControl(SB), RODATA, $4
DATA	·junkControl(SB)/4, $0x7F80
GLOBL	·junkControl(SB), RODATA, $4

// The window computes with every register, each step's result in the next one's.
#define BEFORE \
	MOVQ	in+0(FP), AX; \
	MOVQ	out+8(FP), BX; \
	MOVQ	BX, 8(SP); \
	LDMXCSR	392(AX); \
	VECTORS(LOADX); \
	MOVQ	120(AX), BX; \
	PUSHQ	BX; \
	POPFQ; \
	GENERAL(LOAD); \
	MOVQ	0(AX), AX; \
	CHAIN(ADDUP)

#define AFTER \
	RCLQ	$1, BX; \
	RCLQ	$3, R15; \
	RCRQ	$7, R8; \
	MOVQ	R9, 16(SP); \
	PADDQ	X1, X0; \
	PADDQ	X2, X1; \
	PADDQ	X3, X2; \
	PADDQ	X4, X3; \
	PADDQ	X5, X4; \
	PADDQ	X6, X5; \
	PADDQ	X7, X6; \
	PADDQ	X0, X7; \
	MULPD	X9, X8; \
	ADDPD	X10, X9; \
	DIVPD	X11, X10; \
	MULPD	X12, X11; \
	SUBPD	X13, X12; \
	MULPD	X14, X13; \
	SQRTPD	X15, X14; \
	DIVPD	X8, X15; \
	CHAIN(TAKEAWAY); \
	ADCQ	16(SP), BP; \
	MOVQ	AX, 16(SP); \
	MOVQ	8(SP), AX; \
	GENERAL(STORE); \
	VECTORS(STOREX); \
	STMXCSR	392(AX); \
	MOVQ	16(SP), BX; \
	MOVQ	BX, 0(AX); \
	PUSHFQ; \
	POPQ	BX; \
	MOVQ	BX, 120(AX); \
	MOVQ	(TLS), BX; \
	MOVQ	BX, 128(AX); \
	MOVQ	$1, BX; \
	LOCK; \
	XADDQ	BX, 400(AX); \
	CLD; \
	LDMXCSR	·defaultControl(SB); \
	RET

// func window(in, out *state)
TEXT ·window(SB),NOSPLIT,$24-16
	BEFORE
	AFTER

// func windowEnd()
TEXT ·windowEnd(SB),NOSPLIT,$0-0
	RET

// func windowBounds() (start, end uintptr)
TEXT ·windowBounds(SB),NOSPLIT,$0-16
	MOVQ	$·window(SB), AX
	MOVQ	AX, start+0(FP)
	MOVQ	$·windowEnd(SB), AX
	MOVQ	AX, end+8(FP)
	RET

// litter is a signal handler, in C's convention: it leaves no register as it was.
TEXT ·litter(SB),NOSPLIT|NOFRAME,$0-0
	LOCK
	INCQ	·littered(SB)
	PUSHFQ
	POPQ	AX
	TESTQ	$0x400, AX
	JEQ	forwards
	INCQ	·backwards(SB)
forwards:
	MOVQ	$0x5A5A5A5A5A5A5A5A, AX
	GENERAL(JUNK)
	VECTORS(JUNKX)
	LDMXCSR	·junkControl(SB)
	STC
	RET

// func litterHere(): what litter does, for the thread that calls it.
TEXT ·litterHere(SB),NOSPLIT,$8-0
	CALL	·litter(SB)
	LDMXCSR	·defaultControl(SB)
	RET

// func litterAddress() uintptr
TEXT ·litterAddress(SB),NOSPLIT,$0-8
	MOVQ	$·litter(SB), AX
	MOVQ	AX, ret+0(FP)
	RET

// func trappedWindow(in, out *state): the window with a breakpoint in its middle, and its handler.
TEXT ·trappedWindow(SB),NOSPLIT,$24-16
	BEFORE
	BYTE	$0xCC
	AFTER

// func trapAddress() uintptr: a handler of breakpoints, which stand before where a thread goes on.
TEXT ·trapAddress(SB),NOSPLIT,$0-8
	MOVQ	$·litter(SB), AX
	MOVQ	AX, ret+0(FP)
	RET
