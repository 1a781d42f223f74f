#include "textflag.h"

// X2 is the stack pointer and X27 g, which the window leaves alone; X31 is the assembler's own.
#define GENERAL(DO) \
	DO(8, X1); DO(24, X3); DO(32, TP); DO(48, X6); DO(56, X7); DO(64, X8); DO(72, X9); DO(80, X10); \
	DO(88, X11); DO(96, X12); DO(104, X13); DO(112, X14); DO(120, X15); DO(128, X16); DO(136, X17); \
	DO(144, X18); DO(152, X19); DO(160, X20); DO(168, X21); DO(176, X22); DO(184, X23); DO(192, X24); \
	DO(200, X25); DO(208, X26); DO(224, X28); DO(232, X29); DO(240, X30); DO(248, X31)

#define FLOATS(DO) \
	DO(264, F0); DO(272, F1); DO(280, F2); DO(288, F3); DO(296, F4); DO(304, F5); DO(312, F6); \
	DO(320, F7); DO(328, F8); DO(336, F9); DO(344, F10); DO(352, F11); DO(360, F12); DO(368, F13); \
	DO(376, F14); DO(384, F15); DO(392, F16); DO(400, F17); DO(408, F18); DO(416, F19); DO(424, F20); \
	DO(432, F21); DO(440, F22); DO(448, F23); DO(456, F24); DO(464, F25); DO(472, F26); DO(480, F27); \
	DO(488, F28); DO(496, F29); DO(504, F30); DO(512, F31)

#define LOAD(at, register) MOV at(X5), register
#define STORE(at, register) MOV register, at(X5)
#define LOADF(at, register) MOVD at(X5), register
#define STOREF(at, register) MOVD register, at(X5)
#define JUNKF(at, register) FMVDX X5, register
#define CHAIN(DO) \
	DO(X3, X1); DO(TP, X3); DO(X5, TP); DO(X6, X5); DO(X7, X6); DO(X8, X7); DO(X9, X8); DO(X10, X9); \
	DO(X11, X10); DO(X12, X11); DO(X13, X12); DO(X14, X13); DO(X15, X14); DO(X16, X15); DO(X17, X16); \
	DO(X18, X17); DO(X19, X18); DO(X20, X19); DO(X21, X20); DO(X22, X21); DO(X23, X22); DO(X24, X23); \
	DO(X25, X24); DO(X26, X25); DO(X28, X26); DO(X29, X28); DO(X30, X29); DO(X31, X30); DO(X1, X31)
#define FCHAIN(DO) \
	DO(F1, F0); DO(F2, F1); DO(F3, F2); DO(F4, F3); DO(F5, F4); DO(F6, F5); DO(F7, F6); DO(F8, F7); \
	DO(F9, F8); DO(F10, F9); DO(F11, F10); DO(F12, F11); DO(F13, F12); DO(F14, F13); DO(F15, F14); \
	DO(F16, F15); DO(F17, F16); DO(F18, F17); DO(F19, F18); DO(F20, F19); DO(F21, F20); DO(F22, F21); \
	DO(F23, F22); DO(F24, F23); DO(F25, F24); DO(F26, F25); DO(F27, F26); DO(F28, F27); DO(F29, F28); \
	DO(F30, F29); DO(F31, F30); DO(F0, F31)
#define ADDUP(from, to) ADD from, to
#define MULTIPLY(from, to) FMULD from, to, to

#define READ_FCSR_X6 WORD $0x00302373 // csrrs x6, fcsr, x0
#define WRITE_FCSR_X6 WORD $0x00331073 // csrrw x0, fcsr, x6

// The window computes with every register, each step's result in the next one's.
#define BEFORE \
	MOV	X1, 24(X2); \
	MOV	in+0(FP), X5; \
	MOV	out+8(FP), X6; \
	MOV	X6, 8(X2); \
	MOV	256(X5), X6; \
	WRITE_FCSR_X6; \
	FLOATS(LOADF); \
	GENERAL(LOAD); \
	MOV	40(X5), X5; \
	CHAIN(ADDUP); \
	FCHAIN(MULTIPLY)

#define AFTER \
	MUL	X7, X8, X9; \
	XOR	X10, X11, X12; \
	MOV	X5, 16(X2); \
	MOV	8(X2), X5; \
	GENERAL(STORE); \
	FLOATS(STOREF); \
	MOV	16(X2), X6; \
	MOV	X6, 40(X5); \
	READ_FCSR_X6; \
	MOV	X6, 256(X5); \
	MOV	X0, 16(X5); \
	MOV	g, 216(X5); \
	MOV	$520(X5), X8; \
	MOV	$1, X7; \
	AMOADDD	X7, (X8), X6

// func window(in, out *state)
TEXT ·window(SB),NOSPLIT,$32-16
	BEFORE
	AFTER
again:
	LRD	(X8), X6
	ADD	$2, X6
	SCD	X6, (X8), X7
	BNE	X7, X0, again
	MOV	X0, X6
	WRITE_FCSR_X6
	MOV	24(X2), X1
	RET

// func windowEnd()
TEXT ·windowEnd(SB),NOSPLIT,$0-0
	RET

// func windowBounds() (start, end uintptr)
TEXT ·windowBounds(SB),NOSPLIT,$0-16
	MOV	$·window(SB), X5
	MOV	X5, start+0(FP)
	MOV	$·windowEnd(SB), X5
	MOV	X5, end+8(FP)
	RET

// litterAll is what litter does, but to g and the way back.
TEXT ·litterAll(SB),NOSPLIT|NOFRAME,$0-0
	MOV	$·littered(SB), X5
	MOV	$1, X6
	AMOADDD	X6, (X5), X6
	MOV	$0x7F, X6
	WRITE_FCSR_X6
	MOV	$0x5A5A5A5A5A5A5A5A, X5
	FLOATS(JUNKF)
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
	MOV	X5, X31
	RET

// litter is a signal handler, in C's convention: it leaves no register as it was.
TEXT ·litter(SB),NOSPLIT|NOFRAME,$0-0
	MOV	$0x5A5A5A5A5A5A5A5A, X5
	MOV	X5, g
	JMP	·litterAll(SB)

// func litterHere(): what litter does, for the thread that calls it.
TEXT ·litterHere(SB),NOSPLIT,$8-0
	CALL	·litterAll(SB)
	MOV	X0, X6
	WRITE_FCSR_X6
	RET

// func litterAddress() uintptr
TEXT ·litterAddress(SB),NOSPLIT,$0-8
	MOV	$·litter(SB), X5
	MOV	X5, ret+0(FP)
	RET

// func trappedWindow(in, out *state): the window with a breakpoint in its middle, and its handler.
TEXT ·trappedWindow(SB),NOSPLIT,$32-16
	BEFORE
	WORD	$0x00100073 // ebreak, never the short form
	AFTER
again:
	LRD	(X8), X6
	ADD	$2, X6
	SCD	X6, (X8), X7
	BNE	X7, X0, again
	MOV	X0, X6
	WRITE_FCSR_X6
	MOV	24(X2), X1
	RET

// trapped is a handler of breakpoints, which stand where the thread trapped: the context's pc goes past.
TEXT ·trapped(SB),NOSPLIT|NOFRAME,$0-0
	MOV	176(X12), X5
	ADD	$4, X5
	MOV	X5, 176(X12)
	JMP	·litter(SB)

// func trapAddress() uintptr
TEXT ·trapAddress(SB),NOSPLIT,$0-8
	MOV	$·trapped(SB), X5
	MOV	X5, ret+0(FP)
	RET
