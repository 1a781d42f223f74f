// What the akaros port adds to the runtime: calls through the tables of package usys, time, threads and
// signals.

#include "go_asm.h"
#include "go_tls.h"
#include "textflag.h"

// SAFESTACK leaves in R11 the stack pointer to call foreign code with: m.g0's where a goroutine runs on its
// own stack, the present one on g0, on a signal stack, and where there is no g. It destroys CX.
#define SAFESTACK(done) \
	MOVQ	SP, R11; \
	get_tls(CX); \
	MOVQ	g(CX), CX; \
	TESTQ	CX, CX; \
	JZ	done; \
	MOVQ	g_m(CX), R11; \
	CMPQ	CX, m_curg(R11); \
	MOVQ	m_g0(R11), R11; \
	MOVQ	(g_sched+gobuf_sp)(R11), R11; \
	CMOVQNE	SP, R11

// The frame of oscall: an argument slot, a callFrame, registers, a callRoom.
#define FRAME	16
#define SAVED	(FRAME+callFrame__size)
#define ROOM	(SAVED+64)
#define OSCALL_SIZE	(ROOM+callRoom__size)

// oscall makes the call of Linux' number AX with arguments DI, SI, DX, R10, R8 and R9, as SYSCALL does
// there: the answer or -errno in AX, nothing else destroyed but CX and R11.
TEXT runtime·oscall(SB),NOSPLIT|NOFRAME,$0-0
	SAFESTACK(ready)
ready:
	SUBQ	$OSCALL_SIZE, R11
	ANDQ	$~15, R11
	MOVQ	SP, CX
	MOVQ	R11, SP	// before anything is put there: a signal's data goes below the stack pointer
	MOVQ	CX, SAVED(SP)
	MOVQ	BX, (SAVED+8)(SP)
	MOVQ	BP, (SAVED+16)(SP)
	MOVQ	R12, (SAVED+24)(SP)
	MOVQ	R13, (SAVED+32)(SP)
	MOVQ	R14, (SAVED+40)(SP)
	MOVQ	R15, (SAVED+48)(SP)
	MOVQ	AX, (FRAME+callFrame_num)(SP)
	MOVQ	DI, (FRAME+callFrame_arg+0)(SP)
	MOVQ	SI, (FRAME+callFrame_arg+8)(SP)
	MOVQ	DX, (FRAME+callFrame_arg+16)(SP)
	MOVQ	R10, (FRAME+callFrame_arg+24)(SP)
	MOVQ	R8, (FRAME+callFrame_arg+32)(SP)
	MOVQ	R9, (FRAME+callFrame_arg+40)(SP)
	MOVQ	$0, (FRAME+callFrame_why)(SP)
	LEAQ	ROOM(SP), AX
	MOVQ	AX, (FRAME+callFrame_room)(SP)
	LEAQ	FRAME(SP), AX
	MOVQ	AX, 0(SP)
	MOVQ	$runtime·translate(SB), AX
	CALL	AX	// not by name: the linker would count this stack as the goroutine's
	MOVQ	(FRAME+callFrame_ret)(SP), AX
	MOVQ	(FRAME+callFrame_arg+0)(SP), DI
	MOVQ	(FRAME+callFrame_arg+8)(SP), SI
	MOVQ	(FRAME+callFrame_arg+16)(SP), DX
	MOVQ	(FRAME+callFrame_arg+24)(SP), R10
	MOVQ	(FRAME+callFrame_arg+32)(SP), R8
	MOVQ	(FRAME+callFrame_arg+40)(SP), R9
	MOVQ	(SAVED+8)(SP), BX
	MOVQ	(SAVED+16)(SP), BP
	MOVQ	(SAVED+24)(SP), R12
	MOVQ	(SAVED+32)(SP), R13
	MOVQ	(SAVED+40)(SP), R14
	MOVQ	(SAVED+48)(SP), R15
	MOVQ	SAVED(SP), SP
	RET

// func oscallFrame(f *callFrame): as oscall, with a frame that says where to put the error string.
TEXT runtime·oscallFrame(SB),NOSPLIT|NOFRAME,$0-8
	MOVQ	f+0(FP), DI
	SAFESTACK(ready)
ready:
	SUBQ	$(32+callRoom__size), R11
	ANDQ	$~15, R11
	MOVQ	SP, CX
	MOVQ	R11, SP
	MOVQ	CX, 8(SP)
	MOVQ	BP, 16(SP)
	LEAQ	32(SP), AX
	MOVQ	AX, callFrame_room(DI)
	MOVQ	DI, 0(SP)
	MOVQ	$runtime·translate(SB), AX
	CALL	AX
	MOVQ	16(SP), BP
	MOVQ	8(SP), SP
	RET

// func invoke(f uintptr, args *uintptr, n int) int64: call f with the System V convention on a safe stack.
TEXT runtime·invoke(SB),NOSPLIT|NOFRAME,$0-32
	SAFESTACK(ready)
ready:
	JMP	runtime·invokeOn(SB)

// func invokeHere(f uintptr, args *uintptr, n int) int64: as invoke, on the stack that this runs on.
TEXT runtime·invokeHere(SB),NOSPLIT|NOFRAME,$0-32
	MOVQ	SP, R11
	JMP	runtime·invokeOn(SB)

// invokeOn goes on with the frame of invoke, towards a call on stack R11.
TEXT runtime·invokeOn(SB),NOSPLIT|NOFRAME,$0-32
	MOVQ	f+0(FP), AX
	MOVQ	args+8(FP), R10
	MOVQ	n+16(FP), BX
	MOVQ	BX, DX
	SUBQ	$6, DX
	JGT	many
	MOVQ	$0, DX
many:
	// Room for DX stack arguments, below an aligned place for SP and BP.
	SUBQ	$16, R11
	ANDQ	$~15, R11
	MOVQ	SP, CX
	MOVQ	R11, SP
	MOVQ	CX, 0(SP)
	MOVQ	BP, 8(SP)
	MOVQ	SP, R12
	LEAQ	1(DX), R13
	ANDQ	$~1, R13
	SHLQ	$3, R13
	SUBQ	R13, SP
	TESTQ	DX, DX
	JZ	registers
copy:
	MOVQ	40(R10)(DX*8), CX
	MOVQ	CX, -8(SP)(DX*8)
	DECQ	DX
	JNZ	copy
registers:
	CMPQ	BX, $6
	JGE	six
	CMPQ	BX, $5
	JEQ	five
	CMPQ	BX, $4
	JEQ	four
	CMPQ	BX, $3
	JEQ	three
	CMPQ	BX, $2
	JEQ	two
	CMPQ	BX, $1
	JEQ	one
	JMP	none
six:
	MOVQ	40(R10), R9
five:
	MOVQ	32(R10), R8
four:
	MOVQ	24(R10), CX
three:
	MOVQ	16(R10), DX
two:
	MOVQ	8(R10), SI
one:
	MOVQ	0(R10), DI
none:
	MOVQ	R12, BX	// kept by the callee
	CALL	AX
	MOVQ	8(BX), BP
	MOVQ	0(BX), SP
	MOVQ	AX, ret+24(FP)
	RET

// func settls(): set the FS base to DI+8, by the kernel's fast call (ros/arch/syscall64.h).
TEXT runtime·settls(SB),NOSPLIT,$0
	ADDQ	$8, DI
	MOVQ	DI, SI
	MOVQ	$0xf0f0000000000001, DI
	MOVQ	SP, DX
	SYSCALL
	RET

// func exitThread(wait *atomic.Uint32): the stack may be gone as soon as *wait is zero, so that is left to
// pthread_exit.
TEXT runtime·exitThread(SB),NOSPLIT,$0-8
	MOVQ	wait+0(FP), DI
	MOVQ	runtime·pthreadExit(SB), AX
	CALL	AX
	INT	$3

// uthreadStart is where a new uthread begins, on g0's stack with g in its TLS.
TEXT runtime·uthreadStart(SB),NOSPLIT|TOPFRAME|NOFRAME,$0
	get_tls(CX)
	MOVQ	g(CX), R14
	CALL	runtime·stackcheck(SB)
	CALL	runtime·mstart(SB)
	INT	$3

// uthreadStart0 is where a uthread without g begins; what it runs is the word above the return address that a
// new uthread's stack has room for.
TEXT runtime·uthreadStart0(SB),NOSPLIT|TOPFRAME|NOFRAME,$0
	MOVQ	8(SP), AX
	SUBQ	$8, SP
	CALL	AX
	XORL	DI, DI
	MOVQ	runtime·pthreadExit(SB), AX
	CALL	AX
	INT	$3

// NANOSECONDS leaves the time-stamp counter in nanoseconds in AX; it destroys CX and DX.
#define NANOSECONDS \
	RDTSC; \
	SHLQ	$32, DX; \
	ORQ	DX, AX; \
	MOVQ	runtime·tscFrequency(SB), CX; \
	MOVQ	$1000000000, DX; \
	MULQ	DX; \
	DIVQ	CX

// func nanotime1() int64
TEXT runtime·nanotime1(SB),NOSPLIT,$0-8
	NANOSECONDS
	MOVQ	AX, ret+0(FP)
	RET

// func walltimeNow() (wall, mono int64): nanoseconds since 1970, by the kernel's last look at the clock.
TEXT runtime·walltimeNow(SB),NOSPLIT,$0-16
	NANOSECONDS
	MOVQ	AX, mono+8(FP)
	ADDQ	runtime·wallBase(SB), AX
	MOVQ	AX, wall+0(FP)
	RET

// func now() (sec int64, nsec int32, mono int64)
TEXT time·now<ABIInternal>(SB),NOSPLIT,$0-24
	NANOSECONDS
	MOVQ	AX, DI
	ADDQ	runtime·wallBase(SB), AX
	MOVQ	$0, DX
	MOVQ	$1000000000, CX
	DIVQ	CX
	MOVQ	DX, BX
	MOVQ	DI, CX
	RET

// userMove and length access what may not be there, each by an instruction that begins a function of its
// own. After a fault there sigHand goes on at the function that follows it.

// func userMove(to, from, n uintptr) bool
TEXT runtime·userMove(SB),NOSPLIT|NOFRAME,$0-25
	MOVQ	to+0(FP), DI
	MOVQ	from+8(FP), SI
	MOVQ	n+16(FP), CX
	CLD
	JMP	runtime·userMoves(SB)

TEXT runtime·userMoves(SB),NOSPLIT|NOFRAME,$0-25
	REP; MOVSB
	MOVB	$1, ret+24(FP)
	RET

TEXT runtime·userMoveFault(SB),NOSPLIT|NOFRAME,$0-25
	MOVB	$0, ret+24(FP)
	RET

// func length(p uintptr) uintptr
TEXT runtime·length(SB),NOSPLIT|NOFRAME,$0-16
	MOVQ	p+0(FP), DI
	MOVQ	$-1, CX
	XORL	AX, AX
	CLD
	JMP	runtime·userScans(SB)

TEXT runtime·userScans(SB),NOSPLIT|NOFRAME,$0-16
	REPN; SCASB
	SUBQ	p+0(FP), DI
	DECQ	DI
	MOVQ	DI, ret+8(FP)
	RET

TEXT runtime·userScanFault(SB),NOSPLIT|NOFRAME,$0-16
	SUBQ	p+0(FP), DI
	ADDQ	$2, DI
	MOVQ	DI, ret+8(FP)
	RET

// Where a handler finds the signal's code, and the interrupted instruction.
#define SI_CODE	8
#define RIP	(ucontext_uc_mcontext+sigcontext_rip)
// Where it keeps the floating-point registers, behind the struct user_context in a struct sigdata, and the word
// for that in the context; only the frames of virtual machines are as long as to use it otherwise.
#define ANCILLARY	256
#define FPSTATE	(ucontext_uc_mcontext+sigcontext_fpstate)

// sigHand is the one signal handler that the scheduler knows: void (*)(int, siginfo_t *, void *), in C's
// convention. A fault on the way of a call is the call's error. In vcore context it records the signal and kicks the futex that processSignals waits on;
// elsewhere it calls the default handler through its registered address.
TEXT runtime·sigHand(SB),NOSPLIT|NOFRAME,$0
	CMPL	DI, $11	// SIGSEGV
	JNE	other
	CMPL	SI_CODE(SI), $0	// sent by a program
	JEQ	other
	MOVQ	RIP(DX), AX
	MOVQ	$runtime·userMoves(SB), CX
	CMPQ	AX, CX
	JEQ	move
	MOVQ	$runtime·userScans(SB), CX
	CMPQ	AX, CX
	JEQ	scan
other:
	get_tls(CX)
	CMPQ	16(CX)(TLS*1), $0	// in_vcore_context: the word at FS:8
	JNE	record
	LEAQ	ANCILLARY(DX), AX
	MOVQ	AX, FPSTATE(DX)
	MOVQ	runtime·wtf(SB), AX
	JMP	AX
record:
	JMP	runtime·recordSignal(SB)
move:
	MOVQ	$runtime·userMoveFault(SB), CX
	MOVQ	CX, RIP(DX)
	RET
scan:
	MOVQ	$runtime·userScanFault(SB), CX
	MOVQ	CX, RIP(DX)
	RET

// recordSignal keeps signal DI for processSignals and wakes it.
TEXT runtime·recordSignal(SB),NOSPLIT|NOFRAME,$0
	MOVL	DI, CX
	DECL	CX
	MOVQ	$1, AX
	SHLQ	CX, AX
	LOCK
	ORQ	AX, runtime·sigmap(SB)
	MOVL	$1, runtime·sigpending(SB)
	LEAQ	runtime·sigpending(SB), DI
	MOVL	$1, SI	// FUTEX_WAKE
	MOVL	$0x7fffffff, DX
	XORL	CX, CX
	XORL	R8, R8
	XORL	R9, R9
	SUBQ	$8, SP
	MOVQ	runtime·futexFunction(SB), AX
	CALL	AX
	ADDQ	$8, SP
	RET

// defaultSighandler is what every signal comes to, from the kernel and from pthread_kill: Go's own handler,
// or where no g is, the way of a signal in vcore context.
TEXT runtime·defaultSighandler(SB),NOSPLIT|NOFRAME,$0
	get_tls(CX)
	CMPQ	g(CX), $0
	JEQ	none
	JMP	runtime·sigtramp(SB)
none:
	JMP	runtime·recordSignal(SB)

DATA	runtime·wtf(SB)/8, $runtime·defaultSighandler(SB)
GLOBL	runtime·wtf(SB), NOPTR, $8

DATA	runtime·fairleadRecord+0(SB)/8, $"FAIRLEAD"
DATA	runtime·fairleadRecord+8(SB)/8, $"-RECORD\x00"
DATA	runtime·fairleadRecord+16(SB)/4, $1
DATA	runtime·fairleadRecord+20(SB)/4, $1
DATA	runtime·fairleadRecord+24(SB)/8, $"akaros\x00\x00"
DATA	runtime·fairleadRecord+32(SB)/8, $0
DATA	runtime·fairleadRecord+40(SB)/8, $runtime·buildVersion(SB)
DATA	runtime·fairleadRecord+48(SB)/8, $9
DATA	runtime·fairleadRecord+56(SB)/8, $"allm\x00\x00\x00\x00"
DATA	runtime·fairleadRecord+64(SB)/8, $0
DATA	runtime·fairleadRecord+72(SB)/8, $runtime·allm(SB)
DATA	runtime·fairleadRecord+80(SB)/8, $"m0\x00\x00\x00\x00\x00\x00"
DATA	runtime·fairleadRecord+88(SB)/8, $0
DATA	runtime·fairleadRecord+96(SB)/8, $runtime·m0(SB)
DATA	runtime·fairleadRecord+104(SB)/8, $"g_stack_"
DATA	runtime·fairleadRecord+112(SB)/8, $"lo\x00\x00\x00\x00\x00\x00"
DATA	runtime·fairleadRecord+120(SB)/8, $(g_stack+stack_lo)
DATA	runtime·fairleadRecord+128(SB)/8, $"g_stack_"
DATA	runtime·fairleadRecord+136(SB)/8, $"hi\x00\x00\x00\x00\x00\x00"
DATA	runtime·fairleadRecord+144(SB)/8, $(g_stack+stack_hi)
DATA	runtime·fairleadRecord+152(SB)/8, $"g_m\x00\x00\x00\x00\x00"
DATA	runtime·fairleadRecord+160(SB)/8, $0
DATA	runtime·fairleadRecord+168(SB)/8, $g_m
DATA	runtime·fairleadRecord+176(SB)/8, $"g_goid\x00\x00"
DATA	runtime·fairleadRecord+184(SB)/8, $0
DATA	runtime·fairleadRecord+192(SB)/8, $g_goid
DATA	runtime·fairleadRecord+200(SB)/8, $"m_g0\x00\x00\x00\x00"
DATA	runtime·fairleadRecord+208(SB)/8, $0
DATA	runtime·fairleadRecord+216(SB)/8, $m_g0
DATA	runtime·fairleadRecord+224(SB)/8, $"m_gsigna"
DATA	runtime·fairleadRecord+232(SB)/8, $"l\x00\x00\x00\x00\x00\x00\x00"
DATA	runtime·fairleadRecord+240(SB)/8, $m_gsignal
DATA	runtime·fairleadRecord+248(SB)/8, $"m_curg\x00\x00"
DATA	runtime·fairleadRecord+256(SB)/8, $0
DATA	runtime·fairleadRecord+264(SB)/8, $m_curg
GLOBL	runtime·fairleadRecord(SB), RODATA, $272
