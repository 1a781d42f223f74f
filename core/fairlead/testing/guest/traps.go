package main

import (
	"fmt"
	"math"
	"reflect"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

func jump(to uintptr)

func illegal()

func breakpoint()

func divide(by int64) int64

func addMisaligned(at *uint64) uint64

func faultyAddress() uintptr

func spin(until *uint32)

func init() {
	part("traps.nil", nils)
	part("traps.addresses", addresses)
	part("traps.execute", execute)
	part("traps.straddle", straddle)
	part("traps.outside", outside)
	part("traps.divide", divisions)
	part("traps.misaligned", misaligned)
	part("traps.runtime", insideRuntime)
	part("traps.call", insideCalls)
	part("traps.nested", nested)
	part("traps.many", manyFaults)
	part("traps.registers", registers)
	part("traps.preempted", preempted)
	part("traps.shares", shares)
	part("traps.sweep_signals", func([]string) string { return sweepWindow(beginSignals) })
	part("traps.sweep_switches", func([]string) string { return sweepWindow(beginAbsences) })
	part("traps.sweep_calls", sweepCalls)
	part("traps.sweep_faults", sweepFaults)
	for name, do := range map[string]func(){
		"traps.die_illegal":    illegal,
		"traps.die_breakpoint": breakpoint,
		"traps.die_nil":        func() { load64(0x28) },
		"traps.die_handler": func() {
			handle(syscall.SIGUSR2, faultyAddress())
			syscall.Kill(syscall.Getpid(), syscall.SIGUSR2)
			time.Sleep(time.Second)
		},
	} {
		part(name, func([]string) string { do(); return "the program went on" })
	}
}

const nilDereference = "runtime error: invalid memory address or nil pointer dereference"

//go:noinline
func load8(at uintptr) uint8 { return *(*uint8)(unsafe.Pointer(at)) }

//go:noinline
func load16(at uintptr) uint16 { return *(*uint16)(unsafe.Pointer(at)) }

//go:noinline
func load32(at uintptr) uint32 { return *(*uint32)(unsafe.Pointer(at)) }

//go:noinline
func load64(at uintptr) uint64 { return *(*uint64)(unsafe.Pointer(at)) }

//go:noinline
func loadFloat(at uintptr) float64 { return *(*float64)(unsafe.Pointer(at)) }

//go:noinline
func store8(at uintptr) { *(*uint8)(unsafe.Pointer(at)) = 1 }

//go:noinline
func store16(at uintptr) { *(*uint16)(unsafe.Pointer(at)) = 1 }

//go:noinline
func store32(at uintptr) { *(*uint32)(unsafe.Pointer(at)) = 1 }

//go:noinline
func store64(at uintptr) { *(*uint64)(unsafe.Pointer(at)) = 1 }

//go:noinline
func storeFloat(at uintptr) { *(*float64)(unsafe.Pointer(at)) = 1 }

//go:noinline
func swap(at uintptr) { atomic.SwapUint64((*uint64)(unsafe.Pointer(at)), 1) }

// An access is a way to touch memory; atomic ones want their address aligned.
type access struct {
	name  string
	do    func(at uintptr)
	wide  uintptr
	store bool
}

var accesses = []access{
	{"a load of a byte", func(at uintptr) { load8(at) }, 1, false},
	{"a load of 2 bytes", func(at uintptr) { load16(at) }, 2, false},
	{"a load of 4 bytes", func(at uintptr) { load32(at) }, 4, false},
	{"a load of 8 bytes", func(at uintptr) { load64(at) }, 8, false},
	{"a load of a float", func(at uintptr) { loadFloat(at) }, 8, false},
	{"a store of a byte", store8, 1, true},
	{"a store of 2 bytes", store16, 2, true},
	{"a store of 4 bytes", store32, 4, true},
	{"a store of 8 bytes", store64, 8, true},
	{"a store of a float", storeFloat, 8, true},
	{"an atomic swap", swap, 8, true},
}

// panicOf runs what is to panic; the message.
func panicOf(do func()) (said string) {
	said = "no panic"
	defer func() {
		if it := recover(); it != nil {
			said = fmt.Sprint(it)
		}
	}()
	do()
	return
}

type far struct {
	room [500]uintptr
	next *far
}

func nils([]string) string {
	var f findings
	for _, each := range accesses {
		for _, at := range []uintptr{0, 8, 4088} {
			said := panicOf(func() { each.do(at) })
			f.want(said == nilDereference, "%s at %#x: %s", each.name, at, said)
		}
	}
	var none *far
	var nothing func()
	var reader interface{ Read([]byte) (int, error) }
	for name, do := range map[string]func(){
		"a field that is far":    func() { none = none.next },
		"a copy of a large one":  func() { copied := *none; none = copied.next },
		"a call of a nil func":   func() { nothing() },
		"a call of no interface": func() { reader.Read(nil) },
	} {
		said := panicOf(do)
		f.want(said == nilDereference, "%s: %s", name, said)
	}
	return f.result()
}

// mapPages maps fresh anonymous pages with these protections, side by side; where they begin.
func mapPages(protections ...int) uintptr {
	memory, err := syscall.Mmap(-1, 0, 4096*len(protections), syscall.PROT_READ|syscall.PROT_WRITE,
		syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		panic(err)
	}
	for i, protection := range protections {
		if err := syscall.Mprotect(memory[4096*i:4096*(i+1)], protection); err != nil {
			panic(err)
		}
	}
	return uintptr(unsafe.Pointer(&memory[0]))
}

// wantFault adds a finding unless what runs faults at an address.
func (f *findings) wantFault(name string, at uintptr, do func()) {
	if got, faulted := faultOf(do); !faulted {
		f.add("%s at %#x does not fault", name, at)
	} else if got != at {
		f.add("%s at %#x faults, it is said, at %#x", name, at, got)
	}
}

func addresses([]string) string {
	var f findings
	text := reflect.ValueOf(addresses).Pointer() &^ 7
	constant := uintptr(unsafe.Pointer(unsafe.StringData("a constant that stands in read-only memory")))
	constant = (constant + 7) &^ 7
	at := mapPages(syscall.PROT_NONE, syscall.PROT_READ)
	for _, each := range accesses {
		for _, place := range []struct {
			name   string
			at     uintptr
			stores bool
		}{
			{"unmapped memory", 0x1000, false},
			{"unmapped memory", 0xdead_0000, false},
			{"a page without rights", at, false},
			{"a page without rights", at + 4096 - 8, false},
			{"a read-only page", at + 4096, true},
			{"a read-only page", at + 8192 - 8, true},
			{"a constant", constant, true},
			{"code", text, true},
		} {
			if place.stores && !each.store {
				continue
			}
			f.wantFault(each.name+", "+place.name, place.at, func() { each.do(place.at) })
			if each.wide == 1 {
				f.wantFault(each.name+", "+place.name, place.at+5, func() { each.do(place.at + 5) })
			}
		}
	}
	return f.result()
}

var data = [64]byte{}

func execute([]string) string {
	var f findings
	at := mapPages(syscall.PROT_NONE, syscall.PROT_READ|syscall.PROT_WRITE)
	stack := [2]uint64{}
	heap := new([64]byte)
	for name, to := range map[string]uintptr{
		"a jump into data":                  uintptr(unsafe.Pointer(&data)),
		"a jump into the heap":              uintptr(unsafe.Pointer(heap)),
		"a jump into a stack":               uintptr(unsafe.Pointer(&stack)),
		"a jump to a page without rights":   at,
		"a jump to a page of data":          at + 4096 + 64,
		"a jump to where nothing is mapped": 0xdead_0000,
	} {
		f.wantFault(name, to, func() { jump(to) })
	}
	said := panicOf(func() { jump(0) })
	f.want(said == nilDereference, "a jump to 0: %s", said)
	return f.result()
}

func straddle([]string) string {
	var f findings
	at := mapPages(syscall.PROT_READ|syscall.PROT_WRITE, syscall.PROT_NONE, syscall.PROT_READ|syscall.PROT_WRITE)
	for _, each := range accesses {
		if each.name == "an atomic swap" {
			continue
		}
		for back := uintptr(1); back < each.wide; back++ {
			first, last := at+4096-back, at+8192-back
			got, faulted := faultOf(func() { each.do(first) })
			f.want(faulted && got >= first && got < first+each.wide,
				"%s from %#x into a page without rights: fault %v at %#x", each.name, first, faulted, got)
			got, faulted = faultOf(func() { each.do(last) })
			f.want(faulted && got >= last && got < last+each.wide,
				"%s from %#x out of a page without rights: fault %v at %#x", each.name, last, faulted, got)
		}
	}
	return f.result()
}

func outside([]string) string {
	var f findings
	for _, each := range accesses {
		for _, at := range []uintptr{1 << 47, 1 << 56, 1 << 63, math.MaxUint64 - 7, 0xFFFF_8000_0000_0000, 0x0123_4567_89AB_CDE8} {
			_, faulted := faultOf(func() { each.do(at) })
			said := "no panic"
			if !faulted {
				said = panicOf(func() { debug.SetPanicOnFault(true); each.do(at) })
			}
			f.want(faulted || said == nilDereference, "%s at %#x: %s", each.name, at, said)
		}
	}
	return f.result()
}

// stillFaults adds a finding unless a nil dereference is what it was.
func (f *findings) stillFaults() {
	said := panicOf(func() { load64(16) })
	f.want(said == nilDereference, "a load from 16 after that: %s", said)
}

func divisions([]string) string {
	var f findings
	f.want(divide(-2) == 1<<62, "the smallest number divided by -2 is %d", divide(-2))
	for _, by := range []int64{0, -1} {
		if runtime.GOARCH == "amd64" {
			said := panicOf(func() { divide(by) })
			f.want(said == "runtime error: integer divide by zero", "an instruction that divides by %d: %s", by, said)
			continue
		}
		// "Semantics for division by zero and division overflow", in the M extension's table: no trap
		want := map[int64]int64{0: -1, -1: math.MinInt64}[by]
		f.want(divide(by) == want, "an instruction that divides by %d answers %d", by, divide(by))
	}
	f.stillFaults()
	return f.result()
}

func misaligned([]string) string {
	var f findings
	room := make([]byte, 64)
	start := (uintptr(unsafe.Pointer(&room[0])) + 15) &^ 15
	for off := uintptr(1); off < 8; off++ {
		at := start + off
		store64(at)
		f.want(load64(at) == 1, "a store of 1 at %#x reads %#x", at, load64(at))
		var before uint64
		_, faulted := faultOf(func() { before = addMisaligned((*uint64)(unsafe.Pointer(at))) })
		if runtime.GOARCH == "riscv64" {
			f.want(faulted, "a misaligned atomic addition does not trap")
			f.want(load64(at) == 1, "a misaligned atomic addition that trapped has left %#x", load64(at))
		} else {
			f.want(!faulted && before == 1 && load64(at) == 2, "a misaligned atomic addition: fault %v, %d", faulted, before)
		}
		store64(at - off)
		store64(at - off + 8)
	}
	f.stillFaults()
	return f.result()
}
