package main

import (
	"fmt"
	"math/rand"
	"runtime"
	"syscall"
	"unsafe"
)

func init() {
	part("memory.zeroes", zeroes)
	part("memory.dontneed", dontneed)
	part("memory.reserve", reserve)
	part("memory.hints", hints)
	part("memory.fixed", fixed)
	part("memory.reuse", reuse)
	part("memory.guards", guards)
	part("memory.protect", protect)
	part("memory.model", model)
}

// zeroes are what new memory holds, whoever had it before.
func zeroes([]string) string {
	var f findings
	for round := range 5 {
		for _, count := range []uintptr{1, 2, 16, 100} {
			size := count * pageSize
			at := pages(count)
			f.zero(fmt.Sprintf("new memory of %d pages in round %d", count, round), at, size)
			dirty(at, size, 0xd1d1_0000)
			f.want(unmap(at, size) == 0, "memory cannot be given back")
		}
	}
	return f.result()
}

// dontneed gives back what stood in pages, and no others.
func dontneed([]string) string {
	var f findings
	const count = 64
	at := pages(count)
	for round := range uint64(4) {
		mark := 0xabcd_0000 + round
		first, last := uintptr(3+5*round), uintptr(20+10*round)
		dirty(at, count*pageSize, mark)
		f.want(discard(at+first*pageSize, (last-first)*pageSize) == 0, "MADV_DONTNEED was refused")
		f.zero("what was discarded", at+first*pageSize, (last-first)*pageSize)
		f.marked("the page before it", at, first*pageSize, mark)
		rest := mark + uint64(last*pageSize/8)
		f.marked("the page after it", at+last*pageSize, (count-last)*pageSize, rest)
		dirty(at+first*pageSize, (last-first)*pageSize, mark+7)
		f.marked("discarded memory in use again", at+first*pageSize, (last-first)*pageSize, mark+7)
	}
	f.want(discard(at+pageSize, 1) == 0, "MADV_DONTNEED of one byte was refused")
	f.zero("a page of which one byte was discarded", at+pageSize, pageSize)
	return f.result()
}

// reserve goes through the states of runtime/mem.go: reserved, prepared, ready, and back.
func reserve([]string) string {
	var f findings
	const size, from, part = 64 << 20, 8 << 20, 1 << 20
	at, err := mapping(0, size, syscall.PROT_NONE, anon)
	if !f.want(err == 0, "reserving %d bytes was refused: %v", size, err) {
		return f.result()
	}
	f.faults("reserved memory", at)
	f.faults("reserved memory", at+size-1)
	for round := range uint64(3) {
		got, err := mapping(at+from, part, rights, anon|syscall.MAP_FIXED) // sysMapOS
		f.want(err == 0 && got == at+from, "committing at %#x gave %#x, %v", at+from, got, err)
		f.zero("committed memory", at+from, part)
		dirty(at+from, part, round)
		f.faults("what is reserved before committed memory", at+from-1)
		f.faults("what is reserved after committed memory", at+from+part)
		got, err = mapping(at+from, part, syscall.PROT_NONE, anon|syscall.MAP_FIXED) // sysFaultOS
		f.want(err == 0 && got == at+from, "taking memory back at %#x gave %#x, %v", at+from, got, err)
		f.faults("memory that was taken back", at+from+part/2)
	}
	f.want(setRights(at, pageSize, rights) == 0, "mprotect of reserved memory was refused")
	f.zero("reserved memory made accessible", at, pageSize)
	f.usable("reserved memory made accessible", at)
	f.faults("the reserved page after one made accessible", at+pageSize)
	f.want(unmap(at, size) == 0, "reserved memory cannot be given back")
	return f.result()
}

// hints are where the runtime would like memory to be: there or elsewhere, never on top of something.
func hints([]string) string {
	var f findings
	const size = 16 * pageSize
	var kept []uintptr
	wish := pages(16)
	dirty(wish, size, 99)
	kept = append(kept, wish)
	for step := range uintptr(16) {
		got, err := mapping(wish+step*pageSize, size, rights, anon)
		if !f.want(err == 0, "a hint inside other memory was refused: %v", err) {
			break
		}
		for _, other := range kept {
			f.want(got >= other+size || other >= got+size, "memory at %#x was given twice, for a hint", got)
		}
		f.zero("memory for a hint", got, size)
		dirty(got, size, 98)
		kept = append(kept, got)
	}
	f.marked("memory that others hinted at", wish, size, 99)
	// runtime/malloc.go mallocinit: all of these are tried in turn, and the first that is obeyed is kept.
	obeyed := 0
	for i := range uintptr(64) {
		hint := (i+16)<<32 | 0x1000_0000
		got, err := mapping(hint, 1<<20, syscall.PROT_NONE, anon)
		if err == 0 && got == hint {
			obeyed++
		}
		if err == 0 {
			unmap(got, 1<<20)
		}
	}
	f.want(obeyed >= 32, "of 64 hints at free addresses %d were obeyed", obeyed)
	for _, hint := range []uintptr{1, pageSize + 1, 1 << 46, 1 << 62, ^uintptr(0) &^ (pageSize - 1)} {
		if got, err := mapping(hint, pageSize, rights, anon); err == 0 {
			f.want(got != 0 && got%pageSize == 0, "a hint of %#x gave memory at %#x", hint, got)
			f.usable("memory for a hint", got)
		}
	}
	return f.result()
}

// fixed memory replaces what was there, and nothing beside it.
func fixed([]string) string {
	var f findings
	at := pages(12)
	dirty(at, 12*pageSize, 5)
	got, err := mapping(at+4*pageSize, 3*pageSize, rights, anon|syscall.MAP_FIXED)
	f.want(err == 0 && got == at+4*pageSize, "MAP_FIXED at %#x gave %#x, %v", at+4*pageSize, got, err)
	f.zero("memory mapped over other memory", at+4*pageSize, 3*pageSize)
	f.marked("memory before what was mapped over", at, 4*pageSize, 5)
	f.marked("memory after what was mapped over", at+7*pageSize, 5*pageSize, 5+7*pageSize/8)
	got, err = mapping(at+5*pageSize, pageSize, syscall.PROT_READ, anon|syscall.MAP_FIXED)
	f.want(err == 0 && got == at+5*pageSize, "MAP_FIXED of a page to read gave %#x, %v", got, err)
	f.storeFaults("a page mapped to be read", at+5*pageSize+8)
	f.usable("the page before one mapped to be read", at+5*pageSize-1)
	f.usable("the page after one mapped to be read", at+6*pageSize)
	_, err = mapping(at+1, pageSize, rights, anon|syscall.MAP_FIXED)
	f.want(err == syscall.EINVAL, "MAP_FIXED at an address that is no page's: %v, not EINVAL", err)
	f.marked("memory after a refusal", at, 4*pageSize, 5)
	return f.result()
}

// reuse: addresses that were given back are given out again, or they would run out.
func reuse([]string) string {
	var f findings
	const size = 128 << 20
	least, most := ^uintptr(0), uintptr(0)
	for range 3000 { // 375 GiB: more than Sv39 has
		at, err := mapping(0, size, syscall.PROT_NONE, anon)
		if !f.want(err == 0, "address space ran out though all was given back: %v", err) {
			return f.result()
		}
		least, most = min(least, at), max(most, at)
		if !f.want(unmap(at, size) == 0, "memory cannot be given back") {
			return f.result()
		}
	}
	f.want(most-least < 64*size, "3000 reservations after one another are spread over %d bytes", most-least)
	for range 300 { // 300 MiB in all
		at := pages(256)
		for offset := uintptr(0); offset < 256*pageSize; offset += 16 * pageSize {
			store(at+offset, 1)
		}
		unmap(at, 256*pageSize)
	}
	return f.result()
}

// guards are pages on both sides of memory, as round the signal stacks of C and the runtime's own tests.
func guards([]string) string {
	var f findings
	at := pages(3)
	f.want(setRights(at, pageSize, 0) == 0 && setRights(at+2*pageSize, pageSize, 0) == 0,
		"mprotect of a page was refused")
	low, high := at+pageSize, at+2*pageSize
	f.usable("the byte after a guard page", low)
	f.usable("the byte before a guard page", high-1)
	f.faults("the last byte of a guard page", low-1)
	f.faults("the first byte of a guard page", high)
	f.faults("the last byte of a guard page", high+pageSize-1)
	*(*uint64)(unsafe.Pointer(high - 8)) = 0x1122334455667788
	for offset := uintptr(1); offset < 8; offset++ {
		across := (*uint64)(unsafe.Pointer(high - offset))
		address, faulted := faultOf(func() { *across = ^uint64(0) })
		f.want(faulted && address-(high-offset) <= offset, "a store of 8 bytes at %#x, across the edge of a "+
			"guard page at %#x: fault %v at %#x", high-offset, high, faulted, address)
		got := *(*uint64)(unsafe.Pointer(high - 8))
		f.want(got == 0x1122334455667788, "a store that faulted left %#x before the guard page", got)
	}
	f.want(unmap(at+pageSize, pageSize) == 0, "a page cannot be given back")
	f.faults("a page that was given back", low+100)
	return f.result()
}

// protect takes rights and gives them, for the thread that asks and for others that have just used them.
func protect([]string) string {
	var f findings
	const count = 5
	at := pages(count)
	dirty(at, count*pageSize, 1)
	middle := at + 2*pageSize
	steps := make(chan uintptr)
	done := make(chan bool)
	go func() {
		runtime.LockOSThread()
		for prot := range steps {
			f.want(setRights(middle, pageSize, prot) == 0, "mprotect to %d was refused", prot)
			done <- true
		}
	}()
	change := func(prot uintptr, elsewhere bool) {
		if elsewhere {
			steps <- prot
			<-done
		} else {
			f.want(setRights(middle, pageSize, prot) == 0, "mprotect to %d was refused", prot)
		}
	}
	mark := uint64(1 + 2*pageSize/8)
	for round := range 6 {
		elsewhere := round%2 == 1
		f.usable("memory with all rights", middle)
		change(syscall.PROT_READ, elsewhere)
		f.marked("memory to read", middle, pageSize, mark)
		f.storeFaults("memory to read", middle+8)
		change(syscall.PROT_NONE, elsewhere)
		f.faults("memory without rights", middle+16)
		f.usable("the page before one without rights", middle-1)
		f.usable("the page after one without rights", middle+pageSize)
		change(syscall.PROT_READ, elsewhere)
		f.marked("memory to read again", middle, pageSize, mark)
		f.storeFaults("memory to read again", middle+24)
		change(rights, elsewhere)
		f.marked("memory with all rights again", middle, pageSize, mark)
	}
	close(steps)
	f.want(setRights(at+1, pageSize, rights) == syscall.EINVAL, "mprotect of half a page was not EINVAL")
	return f.result()
}

// model does what comes by chance to an arena, and keeps a model of it beside.
func model([]string) string {
	var f findings
	const count = 24
	type page struct {
		rights uintptr
		mark   byte
	}
	random := rand.New(rand.NewSource(1))
	at, err := mapping(0, count*pageSize, syscall.PROT_NONE, anon)
	f.want(err == 0, "reserving was refused: %v", err)
	var all [count]page
	for step := range 250 {
		first := random.Intn(count)
		last := first + 1 + random.Intn(count-first)
		from, size := at+uintptr(first)*pageSize, uintptr(last-first)*pageSize
		what := ""
		switch kind := random.Intn(5); kind {
		case 0, 1:
			prot := []uintptr{rights, syscall.PROT_NONE}[kind]
			_, err = mapping(from, size, prot, anon|syscall.MAP_FIXED)
			for i := first; i < last; i++ {
				all[i] = page{rights: prot}
			}
			what = "mmap"
		case 2, 3:
			prot := []uintptr{rights, syscall.PROT_READ, syscall.PROT_NONE}[random.Intn(3)]
			err = setRights(from, size, prot)
			for i := first; i < last; i++ {
				all[i].rights = prot
			}
			what = "mprotect"
		case 4:
			err = discard(from, size)
			for i := first; i < last; i++ {
				all[i].mark = 0
			}
			what = "MADV_DONTNEED"
		}
		f.want(err == 0, "%s of pages %d to %d in step %d was refused: %v", what, first, last, step, err)
		for i := range all {
			here := at + uintptr(i)*pageSize + uintptr(random.Intn(pageSize)&^1)
			if all[i].rights == rights {
				got := load(at + uintptr(i)*pageSize)
				if got != all[i].mark {
					f.add("page %d holds %d after %s in step %d, and not %d", i, got, what, step, all[i].mark)
				}
				all[i].mark = byte(step)
				store(at+uintptr(i)*pageSize, byte(step))
			} else if random.Intn(8) == 0 {
				when := fmt.Sprintf("page %d after %s in step %d", i, what, step)
				if all[i].rights == syscall.PROT_NONE {
					f.loadFaults(when, here)
				} else {
					f.want(load(at+uintptr(i)*pageSize) == all[i].mark, "%s has not its mark", when)
					f.storeFaults(when, here)
				}
			}
		}
	}
	return f.result()
}
