package main

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

//go:linkname nanotime runtime.nanotime
func nanotime() int64

func init() {
	part("nanotime.zero", neverZero)
	part("nanotime.forwards", forwards)
	part("nanotime.preempted", forwardsPreempted)
	part("nanotime.resolution", resolution)
	part("nanotime.clocks", clocks)
	part("nanotime.sleeps", sleeps)
	part("nanotime.timers", timers)
	part("nanotime.deadlines", deadlines)
	part("nanotime.late", late)
	part("nanotime.sysmon", preemptsByTime)
	part("nanotime.day", day)
	part("nanotime.years", years)
	part("nanotime.wall", wall)
	part("nanotime.same", same)
}

var first = nanotime() // before main, while other packages still begin

func neverZero([]string) string {
	var f findings
	f.want(first > 0, "the first time is %d", first)
	last := first
	for range 20_000 {
		now := nanotime()
		f.want(now > 0 && now >= last, "%d comes after %d", now, last)
		last = now
	}
	return f.result()
}

// watchTime reads the time on n threads, which tell each other what they saw; the latest.
func watchTime(f *findings, n, rounds int, between func(i int)) int64 {
	var latest atomic.Int64
	onThreads(n, func(i int) {
		own := int64(0)
		for round := range rounds {
			seen := latest.Load()
			now := nanotime()
			if now < seen || now < own {
				f.add("a thread read %d after %d was read on it, and %d on another", now, own, seen)
				return
			}
			own = now
			for seen < now && !latest.CompareAndSwap(seen, now) {
				seen = latest.Load()
			}
			if between != nil && round%16 == i {
				between(i)
			}
		}
	})
	return latest.Load()
}

func forwards([]string) string {
	var f findings
	begin := nanotime()
	end := watchTime(&f, 6, 1500, func(i int) {
		switch i % 3 {
		case 0:
			yield()
		case 1:
			runtime.Gosched()
		case 2:
			time.Sleep(time.Microsecond)
		}
	})
	f.want(end > begin, "time stood at %d", begin)
	return f.result()
}

// forwardsPreempted has threads lose the CPU anywhere: what comes next after that is never earlier.
func forwardsPreempted([]string) string {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(4))
	var f findings
	begin := nanotime()
	turns := [4]int{}
	previous := atomic.Int64{}
	previous.Store(-1)
	onThreads(4, func(i int) {
		last := nanotime()
		for last-begin < 60*int64(time.Millisecond) {
			now := nanotime()
			f.want(now >= last, "%d comes after %d", now, last)
			last = now
			if previous.Swap(int64(i)) != int64(i) {
				turns[i]++
			}
		}
	})
	for i, n := range turns {
		f.want(n >= 2, "thread %d ran %d times in 60 ms", i, n)
	}
	return f.result()
}

func resolution([]string) string {
	var f findings
	least, steps := int64(time.Hour), 0
	last := nanotime()
	for range 50_000 {
		if now := nanotime(); now != last {
			least = min(least, now-last)
			last = now
			steps++
		}
	}
	f.want(steps >= 1000, "in 50,000 reads the time changed %d times", steps)
	f.want(least <= 1000, "the smallest step of the time is %d ns", least)
	return f.result()
}

// kernelTime is what clock_gettime says.
func kernelTime(clock uintptr) int64 {
	var t syscall.Timespec
	if _, _, err := syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, clock, uintptr(unsafe.Pointer(&t)), 0); err != 0 {
		panic(err)
	}
	return t.Nano()
}

const (
	clockRealtime  = 0
	clockMonotonic = 1
)

func clocks([]string) string {
	var f findings
	for range 200 {
		before, begin := nanotime(), time.Now()
		monotonic, real := kernelTime(clockMonotonic), kernelTime(clockRealtime)
		end, after := time.Now(), nanotime()
		f.want(before <= monotonic && monotonic <= after,
			"clock_gettime says %d, and nanotime %d before and %d after it", monotonic, before, after)
		// The clock of a board may tick in 100 ns.
		f.want(begin.UnixNano() <= real+100 && real <= end.UnixNano()+100,
			"clock_gettime says it is %d, and time.Now %d before and %d after it", real, begin.UnixNano(), end.UnixNano())
		wall, passed := end.Round(0).Sub(begin.Round(0)), end.Sub(begin)
		f.want((wall-passed).Abs() <= 200, "%v of monotonic time were %v of real time", passed, wall)
	}
	return f.result()
}

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
		f.want(took >= far && took < far+time.Minute, "%v passed, and nanotime says %v", far, took)
		moved := time.Duration(time.Now().Unix()-seconds) * time.Second
		f.want((moved-far).Abs() < time.Minute, "%v passed, and the calendar says %v", far, moved)
		group.Wait()
		passed += far
		f.wantAwake("a sleep", 10*time.Millisecond, time.Second, func() { time.Sleep(10 * time.Millisecond) })
		f.want(nanotime() > int64(passed), "after %v nanotime is %d", passed, nanotime())
	}
	return f.result()
}

// wall prints what the clock shows, before a wait and after it.
func wall(arguments []string) string {
	wait, err := time.ParseDuration(arguments[0])
	if err != nil {
		return err.Error()
	}
	begin := time.Now()
	time.Sleep(wait)
	end := time.Now()
	if passed, shown := end.Sub(begin), end.Round(0).Sub(begin.Round(0)); (passed - shown).Abs() > time.Microsecond {
		return fmt.Sprintf("%v passed, and the clock shows %v", passed, shown)
	}
	return begin.UTC().Format(time.RFC3339) + " " + end.UTC().Format(time.RFC3339)
}

// same prints times that any difference in what a run takes would change.
func same([]string) string {
	fmt.Println(first, nanotime(), time.Now().UnixNano())
	times := make([]int64, 8)
	var group sync.WaitGroup
	for i := range times {
		group.Go(func() {
			kept := map[int][]byte{}
			for n := range 100 {
				kept[n%17] = make([]byte, 1000+n)
				if n%25 == 0 {
					time.Sleep(time.Duration(i) * time.Microsecond)
				}
			}
			times[i] = nanotime()
		})
	}
	group.Wait()
	runtime.GC()
	fmt.Println(times, kernelTime(clockMonotonic), kernelTime(clockRealtime))
	fmt.Println(panicOf(func() { load64(8) }), nanotime())
	last, steps := nanotime(), int64(0)
	for range 1000 {
		now := nanotime()
		steps = steps*31 + now - last
		last = now
	}
	return fmt.Sprint(steps, last)
}
