package main

import (
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

// What signals_GOARCH.s and the parts share.
var (
	handled       [65]uint32
	handlerRuns   uint64
	handlerStacks [256]uintptr

	nestFirst, nestEntered, nestReleased, nestDepth, nestInside, nestSpoiled uint32

	put, got                              [len(registerNames)]uint64
	heldBP, heldG                         uintptr
	usualRounding, gotRounding, flagsLost uint32

	spinning, stopSpinning uint64
	spinningSP             uintptr
)

func handlers() (count, clobber, nest uintptr)
func holdRegisters()
func holdStack() (low, high, sp uintptr)
func spinHere()
func stackGuard() (lo, guard uintptr)

// anAction is struct sigaction as the port has it; the first word is the handler.
type anAction [4]uint64

const (
	saRestart = 0x1000_0000
	saOnStack = 0x0800_0000
)

func sigaction(sig syscall.Signal, new, old *anAction) syscall.Errno {
	_, _, err := syscall.RawSyscall6(syscall.SYS_RT_SIGACTION, uintptr(sig), uintptr(unsafe.Pointer(new)),
		uintptr(unsafe.Pointer(old)), 8, 0, 0)
	return err
}

// setHandler has a handler run for a signal. The rest of the action is what the runtime asked for on the
// preemption signal, but for the mask and for SA_RESTART; where those stand, it shows too.
func setHandler(sig syscall.Signal, handler uintptr, mask uint64, restart bool) {
	var action anAction
	if err := sigaction(syscall.SIGURG, nil, &action); err != 0 {
		panic("what the runtime does on SIGURG cannot be asked for: " + err.Error())
	}
	action[0] = uint64(handler)
	for i, word := range action[1:] {
		switch {
		case word>>40 == 1<<24-1:
			action[1+i] = mask
		case word&(saRestart|saOnStack) == saRestart|saOnStack && !restart:
			action[1+i] &^= saRestart
		}
	}
	if err := sigaction(sig, &action, nil); err != 0 {
		panic("a handler cannot be set: " + err.Error())
	}
}

const everySignal = ^uint64(0)

func bitOf(sig syscall.Signal) uint64 { return 1 << (sig - 1) }

const (
	maskBlock = iota
	maskUnblock
	maskSet
)

// changeMask is sigprocmask; the mask before.
func changeMask(how uintptr, signals ...syscall.Signal) uint64 {
	var new, old uint64
	for _, each := range signals {
		new |= bitOf(each)
	}
	_, _, err := syscall.RawSyscall6(syscall.SYS_RT_SIGPROCMASK, how, uintptr(unsafe.Pointer(&new)),
		uintptr(unsafe.Pointer(&old)), 8, 0, 0)
	if err != 0 {
		panic("a signal mask cannot be changed: " + err.Error())
	}
	return old
}

// send sends a signal to a thread.
func send(tid int, sig syscall.Signal) syscall.Errno {
	_, _, err := syscall.RawSyscall(syscall.SYS_TGKILL, uintptr(syscall.Getpid()), uintptr(tid), uintptr(sig))
	return err
}

func runsOf(sig syscall.Signal) uint32 { return atomic.LoadUint32(&handled[sig]) }

// within waits until something is so; for a second of the guest's at the longest.
func within(so func() bool) bool {
	for end := time.Now().Add(time.Second); !so(); {
		if time.Now().After(end) {
			return false
		}
		time.Sleep(20 * time.Microsecond)
	}
	return true
}

// A loop is a thread that spins in assembly, where the collector cannot stop it.
type loop struct {
	tid     int
	done    chan bool
	collect int
	procs   int
}

// inLoop starts one; do ends when stopSpinning is set.
func inLoop(do func()) *loop {
	l := &loop{done: make(chan bool), procs: runtime.GOMAXPROCS(4), collect: debug.SetGCPercent(-1)}
	atomic.StoreUint64(&stopSpinning, 0)
	atomic.StoreUint64(&spinning, 0)
	started := make(chan int)
	go func() {
		runtime.LockOSThread()
		started <- syscall.Gettid()
		do()
		close(l.done)
	}()
	l.tid = <-started
	for atomic.LoadUint64(&spinning) == 0 {
		runtime.Gosched()
	}
	return l
}

func (l *loop) stop() {
	atomic.StoreUint64(&stopSpinning, 1)
	<-l.done
	debug.SetGCPercent(l.collect)
	runtime.GOMAXPROCS(l.procs)
}
