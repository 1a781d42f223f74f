package runtime

import (
	"internal/abi"
	"internal/runtime/atomic"
	"internal/runtime/sys"
	"unsafe"
	"usys"
)

// A callFrame is a call by Linux' number on its way to package usys.
type callFrame struct {
	num  uintptr
	arg  [6]uintptr
	ret  uintptr    // or -errno
	why  *[128]byte // where the error string goes; nil if nobody asks
	room *callRoom
}

// A callRoom is what a call needs on a safe stack.
type callRoom struct {
	call      usys.Syscall
	stat      kstat
	linuxStat linuxStat
	change    statMessage
	entry     kdirent
}

// What the assembly needs of the second usys table, copied when the program starts.
var (
	tscFrequency  uint64
	wallBase      int64 // of walltime: nanoseconds since 1970 when the time-stamp counter was 0
	pthreadExit   uintptr
	futexFunction uintptr
)

// Offsets in the pages that the kernel shares with the process (ros/procinfo.h, ros/procdata.h).
const (
	procinfo_pid           = 0
	procinfo_max_vcores    = 8
	ginfo_walltime_ns_last = 48
	ginfo_tsc_cycles_last  = 56
)

// perProcess: user and group numbers, and what else Linux keeps for each thread, are the process' here.
const perProcess = true

// akarosInit runs before anything else that osinit does.
func akarosInit() {
	tscFrequency = usys.Constant(usys.TSC_FREQUENCY)
	pthreadExit = usys.Address(usys.USYS_PTHREAD_EXIT)
	futexFunction = usys.Address(usys.USYS_FUTEX)
	ginfo := uintptr(usys.Constant(usys.PROC_GLOBAL_INFO))
	last := *(*uint64)(unsafe.Pointer(ginfo + ginfo_walltime_ns_last))
	cycles := *(*uint64)(unsafe.Pointer(ginfo + ginfo_tsc_cycles_last))
	since := cycles/tscFrequency*1e9 + cycles%tscFrequency*1e9/tscFrequency
	wallBase = int64(last - since)
}

func oscall() // with arguments in registers, see akaros_linux_amd64.s

//go:linkname oscall

//go:noescape
func oscallFrame(f *callFrame)

// syscallAkaros is a call of package syscall's that wants the error string.
//
//go:linkname syscallAkaros syscall.akarosCall
//go:nosplit
func syscallAkaros(f *callFrame) { oscallFrame(f) }

//go:noescape
func invoke(f uintptr, args *uintptr, n int) int64

//go:noescape
func invokeHere(f uintptr, args *uintptr, n int) int64

// usysCall is package usys' way to call foreign code. A goroutine gives up its P meanwhile, as for any call
// that may block.
//
//go:linkname usysCall
//go:nosplit
func usysCall(f uintptr, args *uintptr, n int) int64 {
	gp := getg()
	if gp != gp.m.curg || gp.m.p == 0 || gp.m.locks != 0 || gp.syscallsp != 0 {
		return invoke(f, args, n)
	}
	entersyscall()
	r := invoke(f, args, n)
	exitsyscall()
	return r
}

func walltimeNow() (wall, mono int64)

//go:nosplit
func walltime() (sec int64, nsec int32) {
	wall, _ := walltimeNow()
	return wall / 1e9, int32(wall % 1e9)
}

func uthreadStart()
func sigHand()
func defaultSighandler()

// uthreadCreate starts mp as a uthread on g0's stack: its identifier, or -errno.
//
//go:nosplit
func uthreadCreate(stk unsafe.Pointer, mp *m) int32 {
	mp.tls[0] = uintptr(unsafe.Pointer(mp.g0))
	args := [3]uintptr{
		abi.FuncPCABI0(uthreadStart),
		uintptr(stk),
		uintptr(unsafe.Pointer(&mp.tls[1])), // g is the word below the FS base
	}
	return int32(invoke(usys.Address(usys.USYS_PTHREAD_CREATE), &args[0], len(args)))
}

// uthreadCreate0 starts fn as a uthread without m and g on a stack that is all zeros: its identifier, or -errno.
// What it runs and its TLS are at the stack's top.
//
//go:nosplit
func uthreadCreate0(top uintptr, fn unsafe.Pointer) int32 {
	room := (*[8]uintptr)(unsafe.Pointer(top - 64))
	room[0] = uintptr(fn)
	args := [3]uintptr{
		abi.FuncPCABI0(uthreadStart0),
		uintptr(unsafe.Pointer(room)),
		uintptr(unsafe.Pointer(&room[4])), // g is the word below the FS base
	}
	return int32(invoke(usys.Address(usys.USYS_PTHREAD_CREATE), &args[0], len(args)))
}

func uthreadStart0()

// Signals that came in vcore context: one bit each, and the futex that processSignals waits on.
var (
	sigmap     uint64
	sigpending uint32
	wtf        uintptr // address of defaultSighandler, set by the linker
)

// processSignals is an M without P, as sysmon is: it waits for signals that were recorded in vcore context,
// where nothing can be done about them, and turns each, which was the whole process', into one of this thread.
// Where the program has set a handler of its own it calls that.
//
//go:nowritebarrierrec
func processSignals() {
	lock(&sched.lock)
	sched.nmsys++
	checkdead()
	unlock(&sched.lock)
	kill := usys.Address(usys.USYS_PTHREAD_KILL)
	self := invoke(usys.Address(usys.USYS_PTHREAD_SELF), nil, 0)
	for {
		futexsleep(&sigpending, 0, -1)
		atomic.Store(&sigpending, 0)
		for signals := atomic.Xchg64(&sigmap, 0); signals != 0; signals &= signals - 1 {
			number := sys.TrailingZeros64(signals) + 1
			if programSignal(number) {
				continue
			}
			args := [2]uintptr{uintptr(self), uintptr(number)}
			invoke(kill, &args[0], len(args))
			osyield()
		}
	}
}

// Handlers that the program has set: which signals have one, which are due, and the note that wakes
// programSignals.
var handled struct {
	set  uint64
	due  uint64
	note note
	busy atomic.Uint32
}

// programSignal leaves signal number to the program's handler, if it has one.
//
//go:nowritebarrierrec
func programSignal(number int) bool {
	bit := uint64(1) << (number - 1)
	if atomic.Load64(&handled.set)&bit == 0 {
		return false
	}
	atomic.Or64(&handled.due, bit)
	if handled.busy.CompareAndSwap(0, 1) {
		notewakeup(&handled.note)
	}
	return true
}

// parlib_handle says whether the program has a handler for a signal.
//
//go:linkname parlib_handle runtime/parlib.handle
func parlib_handle(number int, on bool) {
	bit := uint64(1) << (number - 1)
	if on {
		atomic.Or64(&handled.set, bit)
	} else {
		atomic.And64(&handled.set, ^bit)
	}
}

// parlib_due waits for signals that the program's handlers are to see, one bit each.
//
//go:linkname parlib_due runtime/parlib.due
func parlib_due() uint64 {
	for {
		if due := atomic.Xchg64(&handled.due, 0); due != 0 {
			return due
		}
		notetsleepg(&handled.note, -1)
		noteclear(&handled.note)
		handled.busy.Store(0)
	}
}
