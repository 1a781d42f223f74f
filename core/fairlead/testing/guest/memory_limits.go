package main

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"syscall"
	"unsafe"
)

func init() {
	part("memory.huge", huge)
	part("memory.limit", limit)
	part("memory.collector", collector)
	part("memory.scavenged", scavenged)
	part("memory.stacks", stacks)
	part("memory.files", mappedFiles)
	part("memory.constants", constants)
}

// huge reservations are bookkeeping only: the runtime makes them for its heap's index.
func huge([]string) string {
	var f findings
	const count, size = 48, 1 << 30
	var kept []uintptr
	for range count {
		at, err := mapping(0, size, syscall.PROT_NONE, anon)
		if !f.want(err == 0, "with %d GiB reserved one more was refused: %v", len(kept), err) {
			return f.result()
		}
		kept = append(kept, at)
	}
	for i, at := range kept {
		here := at + uintptr(i)*(size/count)&^(pageSize-1)
		got, err := mapping(here, pageSize, rights, anon|syscall.MAP_FIXED)
		if f.want(err == 0 && got == here, "a page inside a reservation was refused: %v", err) {
			store(here+17, byte(i+1))
		}
	}
	for i, at := range kept {
		here := at + uintptr(i)*(size/count)&^(pageSize-1)
		f.want(load(here+17) == byte(i+1), "reservation %d has lost what was stored in it", i)
		f.want(unmap(at, size) == 0, "a reservation cannot be given back")
		f.faults("a reservation that was given back", here)
	}
	return f.result()
}

var kept [][]byte

// limit is reached: memory is refused, what was given back can be had again; the heap ends the program.
func limit(arguments []string) string {
	if len(arguments) > 0 {
		for {
			kept = append(kept, make([]byte, 4<<20))
			for at := 0; at < 4<<20; at += pageSize {
				kept[len(kept)-1][at] = 1
			}
		}
	}
	var f findings
	counts := make([]int, 3)
	const size = 4 << 20
	for round := range counts {
		var taken []uintptr
		for len(taken) < 4096 {
			at, err := mapping(0, size, rights, anon)
			if err != 0 {
				f.want(err == syscall.ENOMEM, "without memory the error is %v, not ENOMEM", err)
				break
			}
			f.want(load(at) == 0, "new memory is not zero near the limit")
			for offset := uintptr(0); offset < size; offset += 64 * pageSize {
				store(at+offset, byte(len(taken)+1))
			}
			taken = append(taken, at)
		}
		counts[round] = len(taken)
		for i, at := range taken {
			f.want(load(at) == byte(i+1), "mapping %d of %d lost its contents near the limit", i, len(taken))
			f.want(unmap(at, size) == 0, "memory cannot be given back")
		}
	}
	f.want(counts[0] > 4 && counts[0] < 64, "%d mappings of 4 MiB fitted into 128 MiB", counts[0])
	f.want(counts[0] == counts[1] && counts[1] == counts[2], "of 4 MiB at a time there were %v", counts)
	return f.result()
}

type tree struct {
	left, right *tree
	key         uint64
	text        string
	data        []byte
}

func grown(depth int, key uint64) *tree {
	t := &tree{key: key, text: fmt.Sprint(key), data: []byte{byte(key), byte(key >> 8)}}
	if depth > 0 {
		t.left, t.right = grown(depth-1, 2*key), grown(depth-1, 2*key+1)
	}
	return t
}

func (t *tree) whole(key uint64) bool {
	if t == nil {
		return true
	}
	return t.key == key && t.text == fmt.Sprint(key) && len(t.data) == 2 && t.data[0] == byte(key) &&
		(t.left == nil || t.left.whole(2*key) && t.right.whole(2*key+1))
}

// collector runs often, on many threads, while what it must keep and what it must not changes.
func collector([]string) string {
	var f findings
	defer debug.SetGCPercent(debug.SetGCPercent(5))
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(4))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	var cleaned atomic.Int64
	var group sync.WaitGroup
	for worker := range uint64(4) {
		group.Go(func() {
			table := map[uint64]*tree{}
			for round := range uint64(24) {
				key := worker<<32 | round + 1
				table[round%5] = grown(5, key)
				gone := new([64]byte)
				runtime.AddCleanup(gone, func(n int64) { cleaned.Add(n) }, 1)
				for slot, kept := range table {
					back := (round%5 + 5 - slot) % 5
					if !kept.whole(key - back) {
						f.add("what worker %d keeps in slot %d was spoiled by round %d", worker, slot, round)
						return
					}
				}
			}
		})
	}
	group.Wait()
	runtime.GC()
	runtime.ReadMemStats(&after)
	f.want(after.NumGC-before.NumGC >= 3, "the collector ran %d times", after.NumGC-before.NumGC)
	return f.result()
}

// scavenged memory goes back to the system, and the runtime takes it for zeroes when it comes again.
func scavenged([]string) string {
	var f findings
	const size = 3 << 20
	for round := range 4 {
		data := make([]byte, size+round*pageSize)
		for i := 0; i < len(data); i += 8 {
			if *(*uint64)(unsafe.Pointer(&data[i])) != 0 {
				return fmt.Sprintf("a new slice has %#x at offset %#x in round %d", data[i], i, round)
			}
			data[i] = 0xee
		}
		runtime.KeepAlive(data)
		data = nil
		debug.FreeOSMemory()
	}
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	f.want(stats.HeapReleased >= size, "%d bytes were released to the system", stats.HeapReleased)
	return f.result()
}

//go:noinline
func descend(depth, tag int) int {
	var room [24]int
	for i := range room {
		room[i] = tag + depth + i
	}
	below := 0
	if depth > 0 {
		below = descend(depth-1, tag)
	}
	for i := range room {
		if room[i] != tag+depth+i {
			return -1 << 40
		}
	}
	return below + 1
}

// stacks grow by being copied and shrink while the collector runs.
func stacks([]string) string {
	var f findings
	var group sync.WaitGroup
	for worker := range 8 {
		group.Go(func() {
			for round := range 6 {
				depth := 20 << (worker + round) % 7
				if got := descend(depth, worker<<20); got != depth+1 {
					f.add("a stack %d frames deep came back as %d frames", depth+1, got)
				}
				if round%3 == worker%3 {
					runtime.GC()
				}
			}
		})
	}
	group.Wait()
	return f.result()
}

// mappedFiles can be read as memory.
func mappedFiles([]string) string {
	var f findings
	const size = 5000
	data := make([]byte, size)
	for i := range data {
		data[i] = byte(i*7 + i>>8)
	}
	if err := os.WriteFile("/tmp/kit-mapped", data, 0o600); err != nil {
		return err.Error()
	}
	file, err := os.Open("/tmp/kit-mapped")
	if err != nil {
		return err.Error()
	}
	defer file.Close()
	seen, err := syscall.Mmap(int(file.Fd()), 0, size, syscall.PROT_READ, syscall.MAP_PRIVATE)
	if err != nil {
		return fmt.Sprintf("a file cannot be mapped: %v", err)
	}
	f.want(string(seen) == string(data), "a mapped file is not what was written")
	at := uintptr(unsafe.Pointer(&seen[0]))
	f.zero("the rest of a mapped file's last page", at+5008, 2*pageSize-5008)
	f.storeFaults("a file mapped to be read", at+1)
	second, err := syscall.Mmap(int(file.Fd()), pageSize, 100, rights, syscall.MAP_PRIVATE)
	f.want(err == nil && second[0] == data[pageSize], "a file mapped from its second page on: %v", err)
	second[0]++
	f.want(seen[pageSize] == data[pageSize], "a private mapping's change is seen by another")
	f.want(syscall.Munmap(seen) == nil, "a mapped file cannot be unmapped")
	f.faults("a file that was unmapped", at)
	_, err = syscall.Mmap(99, 0, size, syscall.PROT_READ, syscall.MAP_PRIVATE)
	f.want(err != nil, "descriptor 99 could be mapped")
	return f.result()
}

// constants and code cannot be written to, and the lowest page is never there.
func constants([]string) string {
	var f findings
	text := "constants"
	f.storeFaults("a constant string", uintptr(unsafe.Pointer(unsafe.StringData(text))))
	do := constants
	f.storeFaults("the program's code", **(**uintptr)(unsafe.Pointer(&do)))
	for _, at := range []uintptr{0, 1, 2047, pageSize - 1} {
		f.lowest(at)
	}
	if at, err := mapping(0, pageSize, rights, anon|syscall.MAP_FIXED); err == 0 {
		f.add("memory could be mapped at address %#x, where nil points", at)
	}
	f.lowest(8)
	return f.result()
}

// lowest reports an access of the lowest page that is no nil pointer's dereference.
func (f *findings) lowest(at uintptr) {
	for what, do := range map[string]func(){
		"load from": func() { load(at) },
		"store to":  func() { store(at, 1) },
	} {
		address, faulted := faultOf(do)
		f.want(faulted, "a %s address %d did not fault", what, at)
		f.want(address == 0, "a %s address %d is a fault at %#x, not a nil pointer's", what, at, address)
	}
}
