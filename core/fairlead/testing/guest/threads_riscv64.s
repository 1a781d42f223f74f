#include "textflag.h"

// func currentG() uintptr
TEXT ·currentG(SB),NOSPLIT,$0-8
	MOV	g, ret+0(FP)
	RET

// func floatControl() uint64: without the flags of what has happened.
TEXT ·floatControl(SB),NOSPLIT,$0-8
	WORD	$0x002022f3 // csrrs x5, frm, x0
	MOV	X5, ret+0(FP)
	RET

// func setLocal(value uintptr): Go leaves tp alone in a program without C.
TEXT ·setLocal(SB),NOSPLIT,$0-8
	MOV	value+0(FP), TP
	RET

// func local() uintptr
TEXT ·local(SB),NOSPLIT,$0-8
	MOV	TP, ret+0(FP)
	RET
