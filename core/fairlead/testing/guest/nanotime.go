package main

import (
	"fmt"
	"runtime"
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
	turns := [3]int{}
	previous := atomic.Int64{}
	previous.Store(-1)
	onThreads(3, func(i int) {
		last := nanotime()
		for last-begin < 50*int64(time.Millisecond) {
			now := nanotime()
			f.want(now >= last, "%d comes after %d", now, last)
			last = now
			if previous.Swap(int64(i)) != int64(i) {
				turns[i]++
			}
		}
	})
	for i, n := range turns {
		f.want(n >= 1, "thread %d ran %d times in 50 ms", i, n)
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
