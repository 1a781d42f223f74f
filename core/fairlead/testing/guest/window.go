package main

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"unsafe"
)

// A state is every register, and beside them a word in memory; words names what each word of it is.
type state [stateWords]uint64

func window(in, out *state)
func trappedWindow(in, out *state)
func trapAddress() uintptr
func windowEnd()
func windowBounds() (start, end uintptr)
func litterHere()
func litterAddress() uintptr

// littered counts what litter was called for, backwards how often with the direction flag set.
var littered, backwards uint64

// handle has the kernel's own handler for a signal replaced by another, all else as the runtime asked for.
func handle(number syscall.Signal, handler uintptr) {
	var action [8]uintptr // the handler comes first on every system
	at := uintptr(unsafe.Pointer(&action))
	if _, _, err := syscall.RawSyscall6(syscall.SYS_RT_SIGACTION, uintptr(number), 0, at, 8, 0, 0); err != 0 {
		panic(err)
	}
	action[0] = handler
	if _, _, err := syscall.RawSyscall6(syscall.SYS_RT_SIGACTION, uintptr(number), at, 0, 8, 0, 0); err != 0 {
		panic(err)
	}
}

// sweepWindow runs the window again and again while something comes at each of its steps in turn, and a second
// thread litters its own registers whenever it gets the CPU.
func sweepWindow(begin_ uintptr) string {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(3))
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var stop atomic.Bool
	var turns atomic.Int64
	var group sync.WaitGroup
	defer group.Wait()
	defer stop.Store(true)
	group.Go(func() {
		runtime.LockOSThread()
		for !stop.Load() {
			litterHere()
			turns.Add(1)
			syscall.RawSyscall(syscall.SYS_SCHED_YIELD, 0, 0, 0)
		}
	})
	for turns.Load() == 0 {
		syscall.RawSyscall(syscall.SYS_SCHED_YIELD, 0, 0, 0)
	}
	handle(syscall.SIGUSR2, litterAddress())
	start, end := windowBounds()
	in := begin()
	var want, got state
	window(in, &want)
	before, lone := atomic.LoadUint64(&littered), turns.Load()
	rounds, places, said := sweep(begin_, 1, start, end, func() string {
		got = state{}
		window(in, &got)
		for i := range got {
			if got[i] != want[i] {
				return fmt.Sprintf("%s is %#x and not %#x", words[i], got[i], want[i])
			}
		}
		return ""
	})
	if said != "" {
		return said
	}
	if places < 60 {
		return fmt.Sprintf("the sweep of %d rounds interrupted only %d places of the window", rounds, places)
	}
	if n := atomic.LoadUint64(&backwards); n != 0 {
		return fmt.Sprintf("a handler was entered %d times with the direction flag set", n)
	}
	if n := int64(atomic.LoadUint64(&littered) - before); begin_ == beginSignals && n-(turns.Load()-lone) < int64(places) {
		return fmt.Sprintf("of %d signals %d reached their handler", places, n)
	}
	if n := turns.Load() - lone; begin_ == beginAbsences && n < int64(places)/10 {
		return fmt.Sprintf("after %d absences another thread ran %d times", places, n)
	}
	return "ok"
}
