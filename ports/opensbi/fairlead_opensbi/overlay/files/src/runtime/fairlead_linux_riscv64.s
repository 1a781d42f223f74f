// What the opensbi port adds to the runtime: the record, time from the TIME CSR, and registration of Ms.

#include "textflag.h"
#include "go_asm.h"

// OSCALL makes an operating-system call: the number moves to a6 and a7 names our extension in the
// firmware-specific space of the SBI (SBI specification, "Firmware Specific Extension Space").
#define OSCALL	MOV A7, A6; MOV $0x0A464000, A7; ECALL

#define REGISTER_M	0x1000

// Ticks of the TIME CSR a second, and wall time at TIME = 0 in nanoseconds since 1970. The OS half writes
// both before the first instruction, from the device tree and the real-time clock.
DATA	runtime·fairleadTimebase(SB)/8, $10000000
GLOBL	runtime·fairleadTimebase(SB), NOPTR, $8
DATA	runtime·fairleadWallBase(SB)/8, $0
GLOBL	runtime·fairleadWallBase(SB), NOPTR, $8

// NANOSECONDS leaves TIME in nanoseconds in X5, exact for every timebase; it destroys X6, X7 and X28.
#define NANOSECONDS \
	RDTIME	X5; \
	MOV	runtime·fairleadTimebase(SB), X6; \
	MOV	$1000000000, X28; \
	DIVU	X6, X5, X7; \
	MUL	X28, X7; \
	REMU	X6, X5; \
	MUL	X28, X5; \
	DIVU	X6, X5; \
	ADD	X7, X5

// func nanotime1() int64
TEXT runtime·nanotime1(SB),NOSPLIT,$0-8
	NANOSECONDS
	MOV	X5, ret+0(FP)
	RET

// func walltime() (sec int64, nsec int32)
TEXT runtime·walltime(SB),NOSPLIT,$0-12
	NANOSECONDS
	MOV	runtime·fairleadWallBase(SB), X6
	ADD	X6, X5
	MOV	$1000000000, X28
	DIV	X28, X5, X7
	REM	X28, X5
	MOV	X7, sec+0(FP)
	MOVW	X5, nsec+8(FP)
	RET

// func registerM(mp *m) int32
TEXT runtime·registerM(SB),NOSPLIT,$0-12
	MOV	mp+0(FP), A0
	MOV	$REGISTER_M, A7
	OSCALL
	MOVW	A0, ret+8(FP)
	RET

DATA	runtime·fairleadRecord+0(SB)/8, $"FAIRLEAD"
DATA	runtime·fairleadRecord+8(SB)/8, $"-RECORD\x00"
DATA	runtime·fairleadRecord+16(SB)/4, $1
DATA	runtime·fairleadRecord+20(SB)/4, $1
DATA	runtime·fairleadRecord+24(SB)/8, $"opensbi\x00"
DATA	runtime·fairleadRecord+32(SB)/8, $0
DATA	runtime·fairleadRecord+40(SB)/8, $runtime·buildVersion(SB)
DATA	runtime·fairleadRecord+48(SB)/8, $9
DATA	runtime·fairleadRecord+56(SB)/8, $"allm\x00\x00\x00\x00"
DATA	runtime·fairleadRecord+64(SB)/8, $0
DATA	runtime·fairleadRecord+72(SB)/8, $runtime·allm(SB)
DATA	runtime·fairleadRecord+80(SB)/8, $"m0\x00\x00\x00\x00\x00\x00"
DATA	runtime·fairleadRecord+88(SB)/8, $0
DATA	runtime·fairleadRecord+96(SB)/8, $runtime·m0(SB)
DATA	runtime·fairleadRecord+104(SB)/8, $"mstart\x00\x00"
DATA	runtime·fairleadRecord+112(SB)/8, $0
DATA	runtime·fairleadRecord+120(SB)/8, $runtime·mstart(SB)
DATA	runtime·fairleadRecord+128(SB)/8, $"timebase"
DATA	runtime·fairleadRecord+136(SB)/8, $0
DATA	runtime·fairleadRecord+144(SB)/8, $runtime·fairleadTimebase(SB)
DATA	runtime·fairleadRecord+152(SB)/8, $"wallbase"
DATA	runtime·fairleadRecord+160(SB)/8, $0
DATA	runtime·fairleadRecord+168(SB)/8, $runtime·fairleadWallBase(SB)
DATA	runtime·fairleadRecord+176(SB)/8, $"m_g0\x00\x00\x00\x00"
DATA	runtime·fairleadRecord+184(SB)/8, $0
DATA	runtime·fairleadRecord+192(SB)/8, $m_g0
DATA	runtime·fairleadRecord+200(SB)/8, $"m_alllin"
DATA	runtime·fairleadRecord+208(SB)/8, $"k\x00\x00\x00\x00\x00\x00\x00"
DATA	runtime·fairleadRecord+216(SB)/8, $m_alllink
DATA	runtime·fairleadRecord+224(SB)/8, $"m_procid"
DATA	runtime·fairleadRecord+232(SB)/8, $0
DATA	runtime·fairleadRecord+240(SB)/8, $m_procid
DATA	runtime·fairleadRecord+248(SB)/8, $"g_stack_"
DATA	runtime·fairleadRecord+256(SB)/8, $"hi\x00\x00\x00\x00\x00\x00"
DATA	runtime·fairleadRecord+264(SB)/8, $(g_stack+stack_hi)
GLOBL	runtime·fairleadRecord(SB), RODATA, $272
