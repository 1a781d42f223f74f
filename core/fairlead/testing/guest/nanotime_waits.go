package main

import (
	"context"
	"os"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

// wantAwake adds a finding if a sleep ends early, or much too late where the program has nothing else to do.
func (f *findings) wantAwake(how string, wanted, slack time.Duration, sleep func()) {
	before, begin := nanotime(), time.Now()
	sleep()
	took, passed := time.Duration(nanotime()-before), time.Since(begin)
	f.want(passed >= wanted && took >= wanted, "%s of %v was over after %v", how, wanted, min(took, passed))
	f.want(took <= wanted+slack, "%s of %v took %v", how, wanted, took)
}

func kernelSleep(wanted time.Duration) {
	left := syscall.NsecToTimespec(int64(wanted))
	for syscall.Nanosleep(&left, &left) == syscall.EINTR {
	}
}

var lengths = []time.Duration{1, 99, 100, 101, 999, 1000, 1001, 12_345, 99_999, 1_000_000, 1_234_567, 10_000_001,

	100_000_000, 999_999_999, time.Second, 61 * time.Second}

// sleeps ends each sleep within what Go adds of its own: a poll of 10 ms where threads spin.
func sleeps([]string) string {
	var f findings
	slack := 12 * time.Millisecond
	for _, wanted := range lengths {
		f.wantAwake("a sleep", wanted, slack, func() { time.Sleep(wanted) })
		f.wantAwake("a sleep of the kernel's", wanted, slack, func() { kernelSleep(wanted) })
		f.wantAwake("a wait for time.After", wanted, slack, func() { <-time.After(wanted) })
	}
	onThreads(8, func(i int) {
		for n := range 12 {
			wanted := lengths[(i+n)%12]
			if n%2 == 0 {
				f.wantAwake("a sleep beside others", wanted, 50*time.Millisecond, func() { time.Sleep(wanted) })
			} else {
				f.wantAwake("a sleep of the kernel's beside others", wanted, 50*time.Millisecond, func() { kernelSleep(wanted) })
			}
		}
	})
	return f.result()
}

func timers([]string) string {
	var f findings
	const count = 300
	begin := time.Now()
	var fired atomic.Int64
	var group sync.WaitGroup
	group.Add(count)
	for i := range count {
		wanted := time.Duration((i*7919)%1000) * 20 * time.Microsecond
		time.AfterFunc(wanted, func() {
			defer group.Done()
			passed := time.Since(begin)
			f.want(passed >= wanted && passed <= wanted+30*time.Millisecond, "a timer of %v fired after %v", wanted, passed)
			fired.Add(1)
		})
	}
	stopped := time.AfterFunc(5*time.Millisecond, func() { f.add("a timer that was stopped fired") })
	stopped.Stop()
	group.Wait()
	f.want(fired.Load() == count, "%d timers fired %d times", count, fired.Load())
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	begin = time.Now()
	for n := range 100 {
		<-ticker.C
		passed := time.Since(begin)
		due := time.Duration(n+1) * time.Millisecond
		f.want(passed >= due && passed < due+10*time.Millisecond, "tick %d came after %v", n+1, passed)
	}
	return f.result()
}

// deadlines end waits for something that never comes.
func deadlines([]string) string {
	var f findings
	reader, writer, err := os.Pipe()
	if err != nil {
		return err.Error()
	}
	defer writer.Close()
	slack := 12 * time.Millisecond
	for _, wanted := range []time.Duration{1000, 100_000, 5_000_000, 300_000_000} {
		f.wantAwake("a read with a deadline", wanted, slack, func() {
			reader.SetReadDeadline(time.Now().Add(wanted))
			_, err := reader.Read([]byte{0})
			f.want(os.IsTimeout(err), "a read with a deadline says %v", err)
		})
		f.wantAwake("a context with a deadline", wanted, slack, func() {
			ctx, cancel := context.WithTimeout(context.Background(), wanted)
			defer cancel()
			<-ctx.Done()
			f.want(ctx.Err() == context.DeadlineExceeded, "a context with a deadline says %v", ctx.Err())
		})
		f.wantAwake("a futex with a deadline", wanted, slack, func() {
			word, wait := uint32(7), syscall.NsecToTimespec(int64(wanted))
			_, _, err := syscall.Syscall6(syscall.SYS_FUTEX, uintptr(unsafe.Pointer(&word)), 128, 7,
				uintptr(unsafe.Pointer(&wait)), 0, 0)
			f.want(err != 0, "a futex that nobody wakes says it was woken")
		})
		f.wantAwake("a futex with an absolute deadline", wanted, slack, func() {
			word, until := uint32(7), syscall.NsecToTimespec(kernelTime(clockMonotonic)+int64(wanted))
			_, _, err := syscall.Syscall6(syscall.SYS_FUTEX, uintptr(unsafe.Pointer(&word)), 128|9, 7,
				uintptr(unsafe.Pointer(&until)), 0, 0xFFFF_FFFF)
			f.want(err != 0, "a futex that nobody wakes says it was woken")
		})
	}
	poll, err := syscall.EpollCreate1(0)
	if err != nil {
		return err.Error()
	}
	for _, wanted := range []time.Duration{time.Millisecond, 20 * time.Millisecond, time.Second} {
		f.wantAwake("a poll of nothing", wanted, slack, func() {
			n, err := syscall.EpollWait(poll, make([]syscall.EpollEvent, 1), int(wanted/time.Millisecond))
			f.want(n == 0 && err == nil, "a poll of nothing says %d, %v", n, err)
		})
	}
	return f.result()
}

// late has a thread compute while others sleep: they wake although nobody idles.
func late([]string) string {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(3))
	var f findings
	var stop uint32
	var group sync.WaitGroup
	group.Go(func() { spin(&stop) })
	for range 3 {
		f.wantAwake("a sleep beside a thread that computes", 5*time.Millisecond, 100*time.Millisecond,
			func() { time.Sleep(5 * time.Millisecond) })
	}
	atomic.StoreUint32(&stop, 1)
	group.Wait()
	return f.result()
}

// preemptsByTime has one processor, and loops that never yield: sysmon takes it from them after 10 ms.
func preemptsByTime([]string) string {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	var f findings
	var stop atomic.Bool
	var turns [2]atomic.Int64
	var last atomic.Int64
	var group sync.WaitGroup
	for i := range turns {
		group.Go(func() {
			for !stop.Load() {
				if last.Swap(int64(i)) != int64(i) {
					turns[i].Add(1)
				}
			}
		})
	}
	f.wantAwake("a sleep of the third goroutine", 50*time.Millisecond, 150*time.Millisecond,
		func() { time.Sleep(50 * time.Millisecond) })
	stop.Store(true)
	group.Wait()
	for i := range turns {
		f.want(turns[i].Load() > 0 && turns[i].Load() < 100, "loop %d had %d turns", i, turns[i].Load())
	}
	return f.result()
}

// day passes with sysmon looking every minute whether it is time to collect garbage.
func day([]string) string {
	debug.SetGCPercent(-1)
	var f findings
	f.wantAwake("a sleep", 24*time.Hour, time.Second, func() { time.Sleep(24 * time.Hour) })
	f.wantAwake("a sleep of the kernel's", 24*time.Hour, time.Second, func() { kernelSleep(24 * time.Hour) })
	return f.result()
}

func years([]string) string {
	debug.SetGCPercent(-1)
	var f findings
	const year = 365 * 24 * time.Hour
	passed := time.Duration(0)
	for _, far := range []time.Duration{year, 7 * year, 90 * year, 100 * year} {
		var woken atomic.Int64
		var group sync.WaitGroup
		begin := time.Now()
		for i := range 4 {
			group.Go(func() {
				if i%2 == 0 {
					runtime.LockOSThread()
				}
				time.Sleep(far - time.Hour)
				slept := time.Since(begin)
				f.want(slept >= far-time.Hour && slept < far+time.Minute, "a sleep of %v took %v", far-time.Hour, slept)
				woken.Add(1)
			})
		}
		time.Sleep(time.Millisecond)
		f.want(woken.Load() == 0, "%d sleepers woke before their time", woken.Load())
		before, seconds := nanotime(), time.Now().Unix()
		adversity(leap, uintptr(far), 0)
		took := time.Duration(nanotime() - before)
		if !f.want(took >= far && took < far+time.Minute, "%v passed, and nanotime says %v", far, took) {
			return f.result() // whoever sleeps may never wake
		}
		moved := time.Duration(time.Now().Unix()-seconds) * time.Second
		f.want((moved-far).Abs() < time.Minute, "%v passed, and the calendar says %v", far, moved)
		group.Wait()
		passed += far
		f.wantAwake("a sleep", 10*time.Millisecond, time.Second, func() { time.Sleep(10 * time.Millisecond) })
		f.want(nanotime() > int64(passed), "after %v nanotime is %d", passed, nanotime())
	}
	return f.result()
}
