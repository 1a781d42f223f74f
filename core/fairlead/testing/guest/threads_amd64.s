#include "textflag.h"

// func currentG() uintptr
TEXT ·currentG(SB),NOSPLIT,$0-8
	MOVQ	(TLS), AX
	MOVQ	AX, ret+0(FP)
	RET

// func floatControl() uint64
TEXT ·floatControl(SB),NOSPLIT,$8-8
	STMXCSR	0(SP)
	MOVLQZX	0(SP), AX
	MOVQ	AX, ret+0(FP)
	RET

// func setLocal(value uintptr): the thread-local register is the runtime's, and stays as it is.
TEXT ·setLocal(SB),NOSPLIT,$0-8
	RET

// func local() uintptr: the g that the thread-local register leads to.
TEXT ·local(SB),NOSPLIT,$0-8
	MOVQ	(TLS), AX
	MOVQ	AX, ret+0(FP)
	RET
