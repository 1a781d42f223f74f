// What the skiff port adds to the runtime: its clock, and the record that images are known by.

#include "textflag.h"

// func nanotime1() int64
TEXT runtime·nanotime1(SB),NOSPLIT,$0-8
	RDTIME	X5
	MOV	$100, X6	// nanoseconds a tick: the time base of the board virt is 10 MHz
	MUL	X6, X5
	MOV	X5, ret+0(FP)
	RET

DATA	runtime·fairleadRecord+0(SB)/8, $"FAIRLEAD"
DATA	runtime·fairleadRecord+8(SB)/8, $"-RECORD\x00"
DATA	runtime·fairleadRecord+16(SB)/4, $1	// version of the record
DATA	runtime·fairleadRecord+20(SB)/4, $1	// Port.abi
DATA	runtime·fairleadRecord+24(SB)/8, $"skiff\x00\x00\x00"
DATA	runtime·fairleadRecord+32(SB)/8, $0
DATA	runtime·fairleadRecord+40(SB)/8, $runtime·buildVersion(SB)
DATA	runtime·fairleadRecord+48(SB)/8, $0	// no fields: the OS half looks at nothing of the runtime's
GLOBL	runtime·fairleadRecord(SB), RODATA, $56
