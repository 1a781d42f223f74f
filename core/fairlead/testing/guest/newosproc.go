package main

import (
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

func currentG() uintptr

func floatControl() uint64

func setLocal(value uintptr)

func local() uintptr

func init() {
	part("newosproc.ids", ids)
	part("newosproc.entry", entry)
	part("newosproc.bursts", bursts)
	part("newosproc.together", together)
	part("newosproc.locked", locked)
	part("newosproc.exits", exits)
	part("newosproc.blocked", blocked)
	part("newosproc.yields", yields)
	part("newosproc.local", locals)
	part("newosproc.mask", inheritedMask)
	part("newosproc.greeted", greeted)
	part("newosproc.refused", refused)
	part("newosproc.refused_call", refusedCall)
	part("newosproc.die_refused", refusedForGood)
}

// onThreads runs something on n threads at the same time; all have been started before it begins, and none
// ends before all are through.
func onThreads(n int, do func(i int)) {
	var started, done, ended sync.WaitGroup
	started.Add(n)
	done.Add(n)
	for i := range n {
		ended.Go(func() {
			runtime.LockOSThread() // never unlocked: the thread ends with it
			started.Done()
			started.Wait()
			do(i)
			done.Done()
			done.Wait()
		})
	}
	ended.Wait()
}

// yield gives the CPU to another thread, if one is ready.
func yield() { syscall.RawSyscall(syscall.SYS_SCHED_YIELD, 0, 0, 0) }

// ids are those of 20 threads that live at the same time, each asked for often.
func ids([]string) string {
	var f findings
	var all sync.Map
	onThreads(20, func(i int) {
		id := syscall.Gettid()
		_, taken := all.LoadOrStore(id, true)
		f.want(!taken && id > 0, "thread id %d, which another living thread has, or none may have", id)
		for range 100 {
			runtime.Gosched()
			again := syscall.Gettid()
			f.want(again == id, "a thread with id %d had id %d later", id, again)
		}
	})
	return f.result()
}

// Offsets that the assembler knows too (runtime/runtime2.go, type g: "known to cmd/internal/obj").
const (
	gStackLo = 0
	gStackHi = 8
	gM       = 48
	gSchedSp = 56
	mG0      = 0
)

func word(at uintptr) uintptr { return *(*uintptr)(unsafe.Pointer(at)) }

func entry([]string) string {
	var f findings
	var lock sync.Mutex
	tops := map[uintptr]uintptr{}
	wanted := floatControl()
	onThreads(20, func(i int) {
		g := currentG()
		m := word(g + gM)
		g0 := word(m + mG0)
		lo, hi, sp := word(g0+gStackLo), word(g0+gStackHi), word(g0+gSchedSp)
		f.want(word(g0+gM) == m, "g0 of the M at %#x belongs to the M at %#x", m, word(g0+gM))
		f.want(lo < sp && sp <= hi && hi-sp < 1024, "a thread began at %#x of its stack from %#x to %#x", sp, lo, hi)
		f.want(hi-lo >= 8192, "a thread's stack from %#x to %#x is too small", lo, hi)
		f.want(sp%8 == 0, "a thread began with its stack pointer %#x not aligned", sp)
		known := false
		for at := range uintptr(40) { // procid is one of M's first fields
			known = known || word(m+8*at) == uintptr(syscall.Gettid())
		}
		f.want(known, "the M of thread %d does not know its id", syscall.Gettid())
		third := 1 / float64(i+3)
		f.want(third*float64(i+3) > 0.99 && floatControl() == wanted,
			"a new thread computes floats with control register %#x, the first with %#x", floatControl(), wanted)
		lock.Lock()
		defer lock.Unlock()
		for top, bottom := range tops {
			f.want(hi <= bottom || top <= lo, "two threads have stacks %#x-%#x and %#x-%#x", lo, hi, bottom, top)
		}
		tops[hi] = lo
	})
	return f.result()
}

func bursts([]string) string {
	var f findings
	var ran atomic.Int64
	var before, after runtime.MemStats
	for round := range 10 {
		if round == 3 {
			runtime.ReadMemStats(&before)
		}
		onThreads(100, func(i int) {
			want := i * (i + 1) / 2
			got := deepSum(i)
			f.want(got == want, "thread %d of burst %d computed %d, not %d", i, round, got, want)
			ran.Add(1)
			if i%3 == 0 {
				yield()
			}
		})
	}
	f.want(ran.Load() == 1000, "of 1,000 threads %d ran", ran.Load())
	runtime.ReadMemStats(&after)
	grown := int64(after.StackInuse) - int64(before.StackInuse)
	f.want(grown < 100*48<<10, "700 threads that have ended leave %d KiB of stacks behind", grown>>10)
	return f.result()
}

//go:noinline
func deepSum(n int) int {
	var room [8]int
	room[n%8] = n
	if n == 0 {
		return 0
	}
	return deepSum(n-1) + room[n%8]
}

func together([]string) string {
	var f findings
	const threads = 1000
	var all sync.Map
	var sum atomic.Int64
	onThreads(threads, func(i int) {
		_, taken := all.LoadOrStore(syscall.Gettid(), i)
		f.want(!taken, "two of 1,000 living threads have id %d", syscall.Gettid())
		sum.Add(int64(i))
	})
	f.want(sum.Load() == threads*(threads-1)/2, "1,000 threads added up to %d", sum.Load())
	return f.result()
}

func locked([]string) string {
	var f findings
	var taken sync.Map // ids that belong to one goroutine
	stop := make(chan bool)
	var free sync.WaitGroup
	var group sync.WaitGroup
	var ready sync.WaitGroup
	ready.Add(8)
	for i := range 8 {
		group.Go(func() {
			runtime.LockOSThread()
			if i%2 == 0 {
				runtime.LockOSThread() // counted
				runtime.UnlockOSThread()
			}
			id := syscall.Gettid()
			taken.Store(id, i)
			ready.Done()
			ready.Wait()
			unbuffered := make(chan int)
			for n := range 20 {
				switch n % 5 {
				case 0:
					runtime.Gosched()
				case 1:
					time.Sleep(time.Microsecond)
				case 2:
					go func() { unbuffered <- n }()
					<-unbuffered
				case 3:
					if n == 3 {
						runtime.GC()
					}
				case 4:
					syscall.Getppid()
				}
				now := syscall.Gettid()
				f.want(now == id, "a locked goroutine was on thread %d and is on %d", id, now)
			}
			taken.Delete(id)
			runtime.UnlockOSThread()
		})
	}
	ready.Wait()
	for range 4 {
		free.Go(func() {
			for {
				id := syscall.Gettid()
				if owner, is := taken.Load(id); is && id == syscall.Gettid() {
					f.add("a goroutine runs on thread %d, which is locked to goroutine %v", id, owner)
				}
				select {
				case <-stop:
					return
				default:
					runtime.Gosched()
				}
			}
		})
	}
	group.Wait()
	close(stop)
	free.Wait()
	return f.result()
}

// yields hands a token round: who has it not yields, and that takes no share of the CPU.
func yields([]string) string {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(4))
	var f findings
	var token atomic.Int64
	begin := time.Now()
	onThreads(3, func(i int) {
		for token.Load() < 300 {
			if token.Load()%3 == int64(i) {
				token.Add(1)
			} else {
				yield()
			}
		}
	})
	f.want(time.Since(begin) < 100*time.Millisecond, "300 hand-overs by yielding took %v", time.Since(begin))
	return f.result()
}

func locals([]string) string {
	var f findings
	var all sync.Map
	onThreads(20, func(i int) {
		setLocal(uintptr(i+1) << 20)
		mine := local()
		if runtime.GOARCH == "riscv64" {
			f.want(mine == uintptr(i+1)<<20, "tp of thread %d was set and is %#x", i, mine)
		}
		_, taken := all.LoadOrStore(mine, i)
		f.want(!taken, "two threads have %#x in their thread-local register", mine)
		m := word(currentG() + gM)
		_, taken = all.LoadOrStore(m, i)
		f.want(!taken, "two threads are the M at %#x", m)
		for n := range 30 {
			if n%10 == 9 {
				wait := syscall.Timespec{Nsec: 1000}
				syscall.Nanosleep(&wait, nil)
			} else {
				yield()
			}
			f.want(local() == mine, "the thread-local register of thread %d was %#x and is %#x", i, mine, local())
			f.want(word(currentG()+gM) == m, "thread %d was the M at %#x and is that at %#x", i, m, word(currentG()+gM))
		}
	})
	return f.result()
}
