package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"
)

// findings are what a part found that is not as it should be; the first is told.
type findings struct {
	lock  sync.Mutex
	first string
}

func (f *findings) add(format string, values ...any) {
	f.lock.Lock()
	defer f.lock.Unlock()
	if f.first == "" {
		f.first = fmt.Sprintf(format, values...)
	}
}

// want adds a finding unless a condition holds; it answers whether it does.
func (f *findings) want(holds bool, format string, values ...any) bool {
	if !holds {
		f.add(format, values...)
	}
	return holds
}

// result is what the part returns.
func (f *findings) result() string {
	f.lock.Lock()
	defer f.lock.Unlock()
	if f.first == "" {
		return "ok"
	}
	return f.first
}

// faultOf runs what may fault; the address of the fault, and whether there was one. Of an address in the lowest
// page the runtime does not tell more than that it is one: 0.
func faultOf(do func()) (address uintptr, faulted bool) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		switch fault := recover().(type) {
		case nil:
		case interface{ Addr() uintptr }:
			address, faulted = fault.Addr(), true
		case runtime.Error:
			faulted = fault.Error() == "runtime error: invalid memory address or nil pointer dereference"
		default:
			panic(fault)
		}
	}()
	do()
	return
}
