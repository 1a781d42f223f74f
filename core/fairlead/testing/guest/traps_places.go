package main

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

func insideRuntime([]string) string {
	var f findings
	at := mapPages(syscall.PROT_READ|syscall.PROT_WRITE, syscall.PROT_NONE)
	limit := at + 4096
	whole := func(from uintptr, n int) []byte { return unsafe.Slice((*byte)(unsafe.Pointer(from)), n) }
	other := bytes.Repeat([]byte{7}, 8192)
	for name, do := range map[string]func(){
		"copy from it":       func() { copy(other, whole(limit, 4000)) },
		"copy to it":         func() { copy(whole(limit, 4000), other) },
		"clear":              func() { clear(whole(limit, 4000)) },
		"compare":            func() { bytes.Equal(whole(limit, 4000), other[:4000]) },
		"look for a byte":    func() { bytes.IndexByte(whole(limit, 4000), 9) },
		"convert to string":  func() { other[0] = string(whole(limit, 100))[0] },
		"append":             func() { other = append(other[:1], whole(limit, 64)...) },
		"use as a map's key": func() { delete(map[string]int{"a": 1}, unsafe.String((*byte)(unsafe.Pointer(limit)), 64)) },
		"set by reflection":  func() { reflect.NewAt(reflect.TypeOf(0), unsafe.Pointer(limit)).Elem().SetInt(1) },
		"read by reflection": func() { reflect.NewAt(reflect.TypeOf(0), unsafe.Pointer(limit)).Elem().Interface() },
	} {
		got, faulted := faultOf(do)
		f.want(faulted && got >= limit && got < limit+4096, "%s: fault %v at %#x, the page is at %#x", name, faulted, got, limit)
	}
	// On the way through a page that may be touched into one that may not.
	got, faulted := faultOf(func() { copy(whole(at, 8000), other[:8000]) })
	f.want(faulted && got >= limit && got < limit+4096, "copy into it: fault %v at %#x, the page is at %#x", faulted, got, limit)
	runtime.GC()
	return f.result()
}

func insideCalls([]string) string {
	var f findings
	var pipe [2]int
	if err := syscall.Pipe(pipe[:]); err != nil {
		return err.Error()
	}
	at := mapPages(syscall.PROT_READ, syscall.PROT_NONE)
	file, err := os.CreateTemp("", "")
	if err != nil {
		return err.Error()
	}
	file.WriteString("contents")
	// Akaros knows where a program's memory ends, and says EINVAL for what lies outside.
	refused := func(err syscall.Errno, at uintptr) bool {
		return err == syscall.EFAULT || err == syscall.EINVAL && at >= 1<<46
	}
	for _, bad := range []uintptr{0, 8, at + 4096, 1 << 40, 1 << 47, 1 << 63, math.MaxUint64} {
		_, _, err := syscall.RawSyscall(syscall.SYS_WRITE, uintptr(pipe[1]), bad, 8)
		f.want(refused(err, bad), "write from %#x: %v", bad, err)
		_, _, err = syscall.RawSyscall6(syscall.SYS_PREAD64, file.Fd(), bad, 8, 0, 0, 0)
		f.want(refused(err, bad), "pread to %#x: %v", bad, err)
		f.stillFaults()
	}
	_, _, errno := syscall.RawSyscall6(syscall.SYS_PREAD64, file.Fd(), at, 8, 0, 0, 0)
	f.want(errno == syscall.EFAULT, "pread to a read-only page: %v", errno)
	return f.result()
}

// nestedFaults faults in a deferred function while a fault panics, n deep; what is recovered in the end.
func nestedFaults(n int) {
	if n > 0 {
		defer nestedFaults(n - 1)
	}
	load64(uintptr(0x10 * n))
}

func nested([]string) string {
	var f findings
	for n := range 50 {
		said := panicOf(func() { nestedFaults(n) })
		f.want(said == nilDereference, "%d faults, each while the one before panics: %s", n+1, said)
	}
	for range 50 { // recovered inside, and the outer one goes on
		order := ""
		said := panicOf(func() {
			defer func() { order += panicOf(func() { store64(32) })[:7] }()
			divided := []int{}
			_ = divided[len(os.Args)+5]
		})
		f.want(order == "runtime" && strings.Contains(said, "index out of range"), "a fault inside a panic: %q, %s", order, said)
	}
	done := make(chan string)
	go func() { // a fault while the goroutine exits
		defer func() { done <- fmt.Sprint(recover()) }()
		defer func() { load64(24) }()
		runtime.Goexit()
	}()
	said := <-done
	f.want(said == nilDereference, "a fault while a goroutine exits: %s", said)
	return f.result()
}

//go:noinline
func deep(n int, do func()) int {
	var room [24]int
	room[n%24] = n
	if n == 0 {
		do()
		return 0
	}
	return deep(n-1, do) + room[n%24] - n
}

func manyFaults([]string) string {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(4))
	var f findings
	var group sync.WaitGroup
	var caught atomic.Int64
	for i := range 20 {
		group.Go(func() {
			if i%4 == 0 {
				runtime.LockOSThread()
			}
			for j := range 20 {
				said := panicOf(func() { deep(i*j%100, func() { load64(uintptr(8 * i)) }) })
				if f.want(said == nilDereference, "goroutine %d: %s", i, said) {
					caught.Add(1)
				}
				if j%5 == 0 {
					runtime.Gosched()
				}
			}
		})
	}
	group.Wait()
	f.want(caught.Load() == 400, "of 400 faults %d were recovered", caught.Load())
	return f.result()
}

func registers([]string) string {
	var f findings
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	handle(syscall.SIGTRAP, trapAddress())
	in := begin()
	var want, got state
	window(in, &want)
	for round := range 10 {
		got = state{}
		trappedWindow(in, &got)
		for i := range got {
			f.want(got[i] == want[i], "after a breakpoint's handler %s is %#x and not %#x", words[i], got[i], want[i])
		}
		f.want(littered == uint64(round+1), "%d breakpoints, and their handler ran %d times", round+1, littered)
	}
	f.want(backwards == 0, "a handler was entered with the direction flag set")
	return f.result()
}

// mixed computes with many integers and floats at once, all alive through a loop that calls nobody.
func mixed(n int) (uint64, float64) {
	a, b, c, d, e, g, h := uint64(1), uint64(2), uint64(3), uint64(4), uint64(5), uint64(6), uint64(7)
	u, v, w, x, y, z := 1.0, 1.1, 1.2, 1.3, 1.4, 1.5
	for i := range n {
		k := uint64(i)
		a, b, c, d = a+b^k, b*3+c, c^d>>3+k, d+e<<1
		e, g, h = e*5+g, g^h+a, h+b>>7
		u, v, w = u*0.5+v, v*0.25+w, w*0.125+x
		x, y, z = x*0.5+y, y*0.75+z*0.25, z*0.5+float64(k&15)
	}
	return a ^ b ^ c ^ d ^ e ^ g ^ h, u + v + w + x + y + z
}

func preempted([]string) string {
	const rounds = 20_000
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(3))
	var f findings
	wantA, wantB := mixed(rounds)
	var group sync.WaitGroup
	var stop atomic.Bool
	var loops atomic.Int64
	for i := range 2 {
		group.Go(func() {
			for !stop.Load() {
				a, b := mixed(rounds)
				f.want(a == wantA && b == wantB, "loop %d was interrupted and came to %#x %v, not %#x %v", i, a, b, wantA, wantB)
				loops.Add(1)
			}
		})
	}
	var stats runtime.MemStats
	for range 3 {
		runtime.ReadMemStats(&stats) // stops the loops where they are
		for start := loops.Load(); loops.Load() < start+2; {
			runtime.Gosched()
		}
	}
	stop.Store(true)
	group.Wait()
	f.want(loops.Load() >= 6, "the loops went round %d times", loops.Load())
	return f.result()
}

func shares([]string) string {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(4))
	var f findings
	var flags [3][8]uint32
	var group sync.WaitGroup
	begin := time.Now()
	for i := range flags {
		group.Go(func() { // each waits for its flag of the round, in a loop that Go cannot interrupt
			for round := range flags[i] {
				spin(&flags[i][round])
				if i+1 < len(flags) {
					atomic.StoreUint32(&flags[i+1][round], 1)
				} else if round+1 < len(flags[i]) {
					atomic.StoreUint32(&flags[0][round+1], 1)
				}
			}
		})
	}
	atomic.StoreUint32(&flags[0][0], 1)
	group.Wait()
	took := time.Since(begin)
	f.want(took < 2*time.Second, "three threads that spin and hand over 24 times took %v", took)
	return f.result()
}

func sweepCalls([]string) string {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	handle(syscall.SIGUSR2, litterAddress())
	var pipe [2]int
	if err := syscall.Pipe(pipe[:]); err != nil {
		return err.Error()
	}
	in, out := [4]byte{1, 2, 3, 4}, [4]byte{}
	count := uint32(0)
	for _, kind := range []uintptr{beginSignals, beginAbsences} {
		rounds, _, said := sweep(kind, 1, 0, 0, func() string {
			count++
			*(*uint32)(unsafe.Pointer(&in)) = count
			n, _, err := syscall.RawSyscall(syscall.SYS_WRITE, uintptr(pipe[1]), uintptr(unsafe.Pointer(&in)), 4)
			m, _, again := syscall.RawSyscall(syscall.SYS_READ, uintptr(pipe[0]), uintptr(unsafe.Pointer(&out)), 4)
			if n != 4 || m != 4 || err != 0 || again != 0 || in != out {
				return fmt.Sprintf("writing %v came to %d and %v, reading it to %d, %v and %v", in, int(n), err, int(m), again, out)
			}
			return ""
		})
		if said != "" {
			return said
		}
		if rounds < 20 {
			return fmt.Sprintf("the sweep was over after %d rounds", rounds)
		}
	}
	return "ok"
}

func sweepFaults([]string) string {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	handle(syscall.SIGUSR2, litterAddress())
	for _, kind := range []uintptr{beginSignals, beginAbsences} {
		rounds, _, said := sweep(kind, 13, 0, 0, func() string {
			if said := panicOf(func() { load64(40) }); said != nilDereference {
				return said
			}
			return ""
		})
		if said != "" {
			return said
		}
		if rounds < 20 {
			return fmt.Sprintf("the sweep was over after %d rounds", rounds)
		}
	}
	return "ok"
}
