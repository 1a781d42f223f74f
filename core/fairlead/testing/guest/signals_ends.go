package main

import (
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

func init() {
	part("signals.preempt", preempt)
	part("signals.faults", recovered)
	part("signals.default", byDefault)
}

// preempt takes the one processor from loops that never yield.
func preempt([]string) string {
	var f findings
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	var stop atomic.Bool
	var rounds [2]atomic.Int64
	var group sync.WaitGroup
	for i := range rounds {
		group.Go(func() {
			x, y := 1.5, i
			for n := 0; !stop.Load(); n++ {
				x = x*1.000001 + float64(y&1)
				y = y*5 + 1
				rounds[i].Store(int64(n))
			}
			f.want(x > 1, "a number became %v", x)
		})
	}
	start := time.Now()
	for rounds[0].Load() == 0 || rounds[1].Load() == 0 {
		time.Sleep(time.Millisecond) // on one processor: until both were sent away
		if time.Since(start) > time.Second {
			break
		}
	}
	runtime.GC() // which stops them too
	took := time.Since(start)
	f.want(took < time.Second, "loops that never yield held up the only processor for %v", took)
	stop.Store(true)
	group.Wait()
	for i := range rounds {
		f.want(rounds[i].Load() > 0, "of 2 loops on one processor number %d never ran", i+1)
	}
	return f.result()
}

// recovered faults say where they are: the address, and the line.
func recovered([]string) string {
	var f findings
	locked := pages(1)
	hole, _ := mapping(1<<36, 4*pageSize, syscall.PROT_NONE, anon)
	unmap(hole, 4*pageSize)
	setRights(locked, pageSize, syscall.PROT_READ)
	for _, at := range []uintptr{hole, hole + 1, hole + 4*pageSize - 1, hole + 2*pageSize + 0x123, 1 << 12} {
		f.faults("a hole", at)
	}
	f.storeFaults("a page to read", locked+0x456)
	good := 1
	for range 5 {
		first, second := lineOf(func() { faultingLines(nil, &good) }), lineOf(func() { faultingLines(&good, nil) })
		f.want(first > 0 && second == first+1, "faults in two lines, one after the other, were seen in lines "+
			"%d and %d", first, second)
	}
	var group sync.WaitGroup
	var caught atomic.Int64
	for range 8 {
		group.Go(func() {
			for range 20 {
				if _, faulted := faultOf(func() { load(8) }); faulted {
					caught.Add(1)
				}
			}
		})
	}
	group.Wait()
	f.want(caught.Load() == 160, "of 160 nil pointers %d were caught", caught.Load())
	_, faulted := faultOf(func() { load(^uintptr(0) - 15) })
	f.want(faulted, "the end of the address space can be read")
	return f.result()
}

//go:noinline
func faultingLines(first, second *int) int {
	given := *first
	given += *second
	return given
}

// lineOf is where faultingLines faulted, by the traceback; 0 if it did not.
func lineOf(do func()) (line int) {
	defer func() {
		if recover() == nil {
			return
		}
		var pcs [20]uintptr
		frames := runtime.CallersFrames(pcs[:runtime.Callers(0, pcs[:])])
		for frame, more := frames.Next(); more; frame, more = frames.Next() {
			if frame.Function == "main.faultingLines" {
				line = frame.Line
			}
		}
	}()
	do()
	return 0
}

// byDefault ends the program by a signal, if that is what the signal does.
func byDefault(arguments []string) string {
	number, _ := strconv.Atoi(arguments[0])
	sig := syscall.Signal(number)
	runtime.LockOSThread()
	switch arguments[1] {
	case "process":
		syscall.Kill(syscall.Getpid(), sig)
	case "thread":
		send(syscall.Gettid(), sig)
	case "reset":
		caught := make(chan os.Signal, 1)
		signal.Notify(caught, sig)
		syscall.Kill(syscall.Getpid(), sig)
		<-caught
		signal.Reset(sig)
		syscall.Kill(syscall.Getpid(), sig)
	case "blocked":
		changeMask(maskBlock, sig)
		send(syscall.Gettid(), sig)
		time.Sleep(time.Millisecond)
		fmt.Println("blocked")
		changeMask(maskUnblock, sig)
	}
	time.Sleep(time.Second)
	return "ok"
}
