// Package usys calls functions of the second-level scheduler through the tables that it fills.
//
// The first table is filled by a general protection fault: a call of 0xDEAD<<48 | its address. A second one,
// by 0xFA1D<<48, holds further functions and the constants of the interface, with a magic, a version and
// counts, so that both sides know that they speak of the same. The runtime lets both be filled before
// anything else; package usys serves it and ordinary Go code alike.
package usys

import "unsafe"

// Functions of the first table.
const (
	USYS_ABORT_SYSCALL_AT_ABS_UNIX = iota
	USYS_UNSET_ALARM
	USYS_GO_SYSCALL
	USYS_FUNC // go_usys_tester
	USYS_FUTEX
	USYS_SERIALIZE_ARGV_ENVP
	USYS_FREE

	num_functions
)

// Sentinel ends the first table; the fault handler wants to see it there.
const Sentinel = 0xDEADBEEF

const (
	magic   = 0x4C42415453595355 // "USYSTABL"
	Version = 1
)

// The runtime's entry point lets the tables be filled.
//
//go:linkname functions
//go:linkname extended

var functions = [num_functions + 1]uintptr{num_functions: Sentinel}

// The second table as the fault handler finds and leaves it.
type table struct {
	magic     uint64
	version   uint32
	functions uint32
	constants uint32
	_         uint32
	function  [num_extended]uintptr
	constant  [num_constants]uint64
}

var extended = table{magic: magic, version: Version, functions: num_extended, constants: num_constants}

// Syscall is Akaros' struct syscall.
type Syscall struct {
	Num    uint32
	Err    int32
	Retval int64
	Flags  uint64
	EvQ    uintptr
	UData  uintptr
	Arg    [6]uintptr
	Errstr [128]byte
}

// call runs f with the System V calling convention on a stack that is safe for it.
//
//go:linkname call runtime.usysCall
//go:noescape
func call(f uintptr, args *uintptr, n int) int64

// Address is where the function f is.
//
//go:nosplit
func Address(f int) uintptr {
	if f < num_functions {
		return functions[f]
	}
	return extended.function[f-first_extended]
}

// Constant is the value of one of the constants that the second table brings.
//
//go:nosplit
func Constant(c int) uint64 { return extended.constant[c] }

// Call calls function f with any number of arguments.
//
//go:nosplit
//go:uintptrescapes
func Call(f int, args ...uintptr) int64 {
	return call(Address(f), unsafe.SliceData(args), len(args))
}

// Call1 calls function f with one argument; it allocates nothing.
//
//go:nosplit
//go:uintptrescapes
func Call1(f int, arg0 uintptr) int64 {
	return call(Address(f), &arg0, 1)
}
