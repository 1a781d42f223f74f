package main

import (
	"runtime"
	"sync/atomic"
	"syscall"
	"time"
)

func init() {
	part("signals.stack", signalStack)
	part("signals.registers", signalRegisters)
	part("signals.nested", nestedSignals)
}

// signalStack is where handlers run; the interrupted stack is not touched, but for what the port has Go keep
// free below it (runtime/stack.go stackSystem).
func signalStack([]string) string {
	var f findings
	count, _, _ := handlers()
	setHandler(usr1, count, everySignal, true)
	setHandler(usr2, count, everySignal, true)
	const size, at, least = 20480, 16384, 928 // stackNosplit and stackSmall
	room := uintptr(0)
	for range 100 {
		if lo, guard := stackGuard(); guard-lo < size { // else it is stackPreempt
			room = guard - lo - least
		}
		runtime.Gosched()
	}
	f.want(room <= 8192, "%d bytes below the stack pointer are the system's", room)
	var low, high, sp uintptr
	l := inLoop(func() { low, high, sp = holdStack() })
	for n := range uint32(40) {
		send(l.tid, []syscall.Signal{usr1, usr2, syscall.SIGURG}[n%3])
		if !within(func() bool { return runsOf(usr1) == n/3+1 && runsOf(usr2) == (n+1)/3 }) {
			f.add("a signal for a running thread was not delivered")
			break
		}
	}
	l.stop()
	if high != 0 {
		f.want(high <= at, "the interrupted stack was written to %d bytes above the stack pointer", high-at)
		f.want(low >= at-room, "the stack was written to %d bytes below the stack pointer, where %d are free",
			at-low, room)
	}
	runs := atomic.LoadUint64(&handlerRuns)
	f.want(runs >= 20, "a handler ran %d times", runs)
	for _, stack := range handlerStacks[:min(runs, 20)] {
		f.want(stack == handlerStacks[0], "a handler's stack is at %#x, and was at %#x", stack, handlerStacks[0])
		f.want(stack+32<<10 < sp || stack > sp+32<<10, "a handler ran at %#x, on the stack interrupted at %#x",
			stack, sp)
	}
	return f.result()
}

// signalRegisters are the interrupted code's, all of them, whatever the handler leaves in them.
func signalRegisters([]string) string {
	var f findings
	_, clobber, _ := handlers()
	setHandler(usr1, clobber, everySignal, true)
	for round := range uint32(12) {
		for i := range put {
			put[i] = 0x0101010101010101*uint64(i+1) ^ uint64(round)<<56
		}
		l := inLoop(holdRegisters)
		for n := range uint32(4) {
			send(l.tid, usr1)
			f.want(within(func() bool { return runsOf(usr1) == 4*round+n+1 }),
				"a signal for a running thread was not delivered")
		}
		l.stop()
		for i, value := range got {
			f.want(value == put[i], "after a handler %s holds %#x, and was %#x", registerNames[i], value, put[i])
		}
		f.want((gotRounding^otherRounding)&roundingBits == 0, "after a handler %s is %#x, and was %#x",
			roundingName, gotRounding, otherRounding)
		f.want(flagsLost == 0, "a handler changed the interrupted code's flags")
	}
	return f.result()
}

// nestedSignals come inside the handler of another, or after it; either way both are whole.
func nestedSignals([]string) string {
	var f findings
	_, _, nest := handlers()
	both := func(mask uint64) {
		setHandler(usr1, nest, mask, true)
		setHandler(usr2, nest, mask, true)
		for round := range 10 {
			first, second := usr1, usr2
			if round%2 == 1 {
				first, second = usr2, usr1
			}
			ones, twos := runsOf(first), runsOf(second)
			atomic.StoreUint32(&nestFirst, uint32(first))
			atomic.StoreUint32(&nestEntered, 0)
			atomic.StoreUint32(&nestReleased, 0)
			l := inLoop(spinHere)
			send(l.tid, first)
			f.want(within(func() bool { return atomic.LoadUint32(&nestEntered) == 1 }), "a handler did not run")
			send(l.tid, second)
			time.Sleep(30 * time.Microsecond)
			atomic.StoreUint32(&nestReleased, 1)
			f.want(within(func() bool { return runsOf(first) == ones+1 && runsOf(second) == twos+1 }),
				"of two handlers, one sent while the other ran, %d and %d runs are due, and %d and %d were",
				ones+1, twos+1, runsOf(first), runsOf(second))
			l.stop()
		}
	}
	both(everySignal)
	f.want(atomic.LoadUint32(&nestInside) == 0, "a handler that blocks all signals was interrupted by one")
	both(0)
	f.want(atomic.LoadUint32(&nestSpoiled) == 0, "a handler found its stack spoiled by another handler")
	f.want(atomic.LoadUint32(&nestDepth) == 0, "a handler did not return")
	return f.result()
}
