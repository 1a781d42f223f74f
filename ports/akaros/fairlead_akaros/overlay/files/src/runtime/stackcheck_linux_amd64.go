package runtime

import (
	"unsafe"
	"usys"
)

// checkStacks: does the scheduler want to know where stacks are (--check stacks)?
func checkStacks() bool { return usys.Constant(usys.CHECK_STACKS) != 0 }

// stackMoved tells that a goroutine's stack is elsewhere now, before its old memory can be anything else.
func stackMoved(old, new stack, goid uint64) {
	args := [5]uintptr{old.lo, old.hi, new.lo, new.hi, uintptr(goid)}
	invoke(usys.Address(usys.USYS_STACK_MOVED), &args[0], len(args))
}

// stackTaken tells that memory which may have been a stack is in use again.
func stackTaken(lo, hi uintptr) {
	args := [2]uintptr{lo, hi}
	invoke(usys.Address(usys.USYS_STACK_TAKEN), &args[0], len(args))
}

// check shows a call's arguments as they are before anything is done with them.
//
//go:nosplit
func (f *callFrame) check() {
	arg := uintptr(unsafe.Pointer(f))
	invokeHere(usys.Address(usys.USYS_STACK_ARGUMENTS), &arg, 1)
}
