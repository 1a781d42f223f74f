package main

import (
	"fmt"
	"syscall"
	"unsafe"
)

const (
	pageSize = 4096
	rights   = syscall.PROT_READ | syscall.PROT_WRITE
	anon     = syscall.MAP_ANON | syscall.MAP_PRIVATE
)

// mapping asks for anonymous memory as the runtime's mmap does.
func mapping(hint, size, prot, flags uintptr) (uintptr, syscall.Errno) {
	at, _, err := syscall.RawSyscall6(syscall.SYS_MMAP, hint, size, prot, flags, ^uintptr(0), 0)
	return at, err
}

// pages maps some that can be used; what the kit needs for itself it cannot do without.
func pages(count uintptr) uintptr {
	at, err := mapping(0, count*pageSize, rights, anon)
	if err != 0 {
		panic(fmt.Sprintf("no memory for %d pages: %v", count, err))
	}
	return at
}

func unmap(at, size uintptr) syscall.Errno {
	_, _, err := syscall.RawSyscall(syscall.SYS_MUNMAP, at, size, 0)
	return err
}

func setRights(at, size, prot uintptr) syscall.Errno {
	_, _, err := syscall.RawSyscall(syscall.SYS_MPROTECT, at, size, prot)
	return err
}

func discard(at, size uintptr) syscall.Errno {
	_, _, err := syscall.RawSyscall(syscall.SYS_MADVISE, at, size, syscall.MADV_DONTNEED)
	return err
}

func bytesAt(at, size uintptr) []byte { return unsafe.Slice((*byte)(unsafe.Pointer(at)), size) }

func wordsAt(at, size uintptr) []uint64 { return unsafe.Slice((*uint64)(unsafe.Pointer(at)), size/8) }

//go:noinline
func load(at uintptr) byte { return *(*byte)(unsafe.Pointer(at)) }

//go:noinline
func store(at uintptr, value byte) { *(*byte)(unsafe.Pointer(at)) = value }

// dirty writes a mark into every word of a range.
func dirty(at, size uintptr, mark uint64) {
	words := wordsAt(at, size)
	for i := range words {
		words[i] = mark + uint64(i)
	}
}

// marked reports the first word of a range that has not kept its mark.
func (f *findings) marked(what string, at, size uintptr, mark uint64) {
	for i, word := range wordsAt(at, size) {
		if word != mark+uint64(i) {
			f.add("%s has %#x at offset %#x, where %#x was written", what, word, i*8, mark+uint64(i))
			return
		}
	}
}

// zero reports the first word of a range that is not zero.
func (f *findings) zero(what string, at, size uintptr) {
	for i, word := range wordsAt(at, size) {
		if word != 0 {
			f.add("%s has %#x at offset %#x, and not 0", what, word, i*8)
			return
		}
	}
}

// faults reports a load and a store that do not fault at their address.
func (f *findings) faults(what string, at uintptr) {
	f.loadFaults(what, at)
	f.storeFaults(what, at)
}

func (f *findings) loadFaults(what string, at uintptr) {
	address, faulted := faultOf(func() { load(at) })
	if f.want(faulted, "a load from %s did not fault", what) {
		f.want(address == at, "a load from %s at %#x faulted at %#x", what, at, address)
	}
}

func (f *findings) storeFaults(what string, at uintptr) {
	address, faulted := faultOf(func() { store(at, 1) })
	if f.want(faulted, "a store to %s did not fault", what) {
		f.want(address == at, "a store to %s at %#x faulted at %#x", what, at, address)
	}
}

// usable reports a load or a store that faults.
func (f *findings) usable(what string, at uintptr) {
	_, faulted := faultOf(func() { store(at, load(at)) })
	f.want(!faulted, "%s at %#x cannot be used", what, at)
}
