package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"runtime/pprof"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

func init() {
	part("signals.masks", masks)
	part("signals.pending", pending)
	part("signals.newborn", newborn)
	part("signals.stack", signalStack)
	part("signals.registers", signalRegisters)
	part("signals.nested", nestedSignals)
	part("signals.storm", storm)
	part("signals.delivery", delivery)
	part("signals.timer", alarmClock)
	part("signals.notify", notify)
	part("signals.profile", profile)
	part("signals.preempt", preempt)
	part("signals.faults", recovered)
	part("signals.default", byDefault)
}

const (
	usr1 = syscall.SIGUSR1
	usr2 = syscall.SIGUSR2
)

// masks belong to threads: handlers run with more blocked, and leave the mask as it was.
func masks([]string) string {
	var f findings
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	count, _, nest := handlers()
	self := syscall.Gettid()
	first := changeMask(maskBlock)
	f.want(first&(bitOf(usr1)|bitOf(usr2)|bitOf(syscall.SIGURG)) == 0, "a thread begins with mask %#x", first)
	f.want(changeMask(maskBlock, usr1, syscall.SIGWINCH) == first, "adding to a mask does not tell the old one")
	want := first | bitOf(usr1) | bitOf(syscall.SIGWINCH)
	setHandler(usr2, count, everySignal, true)
	for range 3 {
		send(self, usr2)
		if mask := changeMask(maskBlock); mask != want {
			f.add("after a handler the mask is %#x, and was %#x before it", mask, want)
		}
	}
	f.want(runsOf(usr2) == 3, "a handler ran %d times for 3 signals", runsOf(usr2))
	f.want(changeMask(maskUnblock, syscall.SIGWINCH) == want, "taking from a mask does not tell the old one")
	f.want(changeMask(maskSet, usr2) == first|bitOf(usr1), "SIG_UNBLOCK took away the wrong signals")
	f.want(changeMask(maskSet, syscall.SIGKILL, syscall.SIGSTOP) == bitOf(usr2),
		"SIG_SETMASK set another mask")
	f.want(changeMask(maskSet) == 0, "SIGKILL or SIGSTOP could be blocked")
	// A signal is blocked while its own handler runs, though the mask of its action is empty.
	setHandler(usr1, nest, 0, true)
	atomic.StoreUint32(&nestFirst, uint32(usr1))
	l := inLoop(spinHere)
	send(l.tid, usr1)
	f.want(within(func() bool { return atomic.LoadUint32(&nestEntered) == 1 }), "a handler did not run")
	send(l.tid, usr1)
	time.Sleep(30 * time.Microsecond)
	atomic.StoreUint32(&nestReleased, 1)
	f.want(within(func() bool { return runsOf(usr1) == 2 }), "a signal sent while its handler ran was lost")
	l.stop()
	f.want(atomic.LoadUint32(&nestInside) == 0, "a handler was interrupted by its own signal")
	// Another thread's mask is its own.
	changeMask(maskBlock, usr1)
	var group sync.WaitGroup
	for range 6 {
		group.Go(func() {
			runtime.LockOSThread()
			mask := changeMask(maskBlock)
			f.want(mask&(bitOf(usr1)|bitOf(usr2)|bitOf(syscall.SIGURG)|bitOf(syscall.SIGTERM)) == 0,
				"another thread has mask %#x", mask)
		})
	}
	group.Wait()
	changeMask(maskSet)
	return f.result()
}

// pending is a signal that is blocked, once, until it is let through.
func pending([]string) string {
	var f findings
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	count, _, _ := handlers()
	self := syscall.Gettid()
	setHandler(usr1, count, everySignal, true)
	setHandler(usr2, count, everySignal, true)
	for round := range uint32(20) {
		changeMask(maskBlock, usr1, usr2)
		for range 3 {
			f.want(send(self, usr1) == 0, "a blocked signal cannot be sent")
		}
		if round%2 == 0 {
			send(self, usr2)
		}
		syscall.Getpid()
		time.Sleep(50 * time.Microsecond)
		f.want(runsOf(usr1) == round, "a blocked signal was delivered")
		changeMask(maskUnblock, usr2)
		f.want(runsOf(usr2) == round/2+1, "SIGUSR2 was delivered %d times in round %d", runsOf(usr2), round)
		f.want(runsOf(usr1) == round, "a signal was delivered when another one was unblocked")
		changeMask(maskUnblock, usr1)
		f.want(runsOf(usr1) == round+1, "a signal that was blocked when it came, three times, was delivered "+
			"%d times by the return from sigprocmask", runsOf(usr1)-round)
	}
	// Blocked by one thread, the process' signal goes to another.
	caught := make(chan os.Signal, 1)
	signal.Notify(caught, syscall.SIGHUP)
	changeMask(maskBlock, syscall.SIGHUP)
	syscall.Kill(syscall.Getpid(), syscall.SIGHUP)
	select {
	case <-caught:
	case <-time.After(time.Second):
		f.add("a signal of the process waits for the one thread that blocks it")
	}
	changeMask(maskSet)
	return f.result()
}

// newborn threads have no signal stack yet: they start with all signals blocked.
func newborn([]string) string {
	var f findings
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(4))
	caught := make(chan os.Signal, 10000)
	signal.Notify(caught, usr1)
	var stop atomic.Bool
	var sender, threads sync.WaitGroup
	sent, next := 0, syscall.Gettid()+1
	count, _, _ := handlers()
	setHandler(usr2, count, everySignal, true)
	sender.Go(func() {
		runtime.LockOSThread()
		// A thread that is made meanwhile is ready behind this one, and so is hit before it runs.
		for n := 0; !stop.Load(); n++ {
			if n%8 == 0 {
				syscall.Kill(syscall.Getpid(), usr1)
				sent++
			}
			for ahead := range 3 { // where threads are numbered one after the other it is known who comes next
				if send(next+ahead, usr2) == 0 {
					next += ahead + 1
				}
			}
			syscall.RawSyscall(syscall.SYS_SCHED_YIELD, 0, 0, 0)
		}
	})
	for range 10 {
		for range 10 {
			threads.Go(func() {
				runtime.LockOSThread() // and ends with it
				time.Sleep(10 * time.Microsecond)
			})
		}
		threads.Wait()
	}
	stop.Store(true)
	sender.Wait()
	time.Sleep(time.Millisecond)
	f.want(len(caught) > 0 && len(caught) <= sent, "of %d signals came %d", sent, len(caught))
	// Signal stacks end where pages do, and a handler begins as far below that as any other.
	for _, stack := range handlerStacks[:min(atomic.LoadUint64(&handlerRuns), 256)] {
		f.want(stack%pageSize == handlerStacks[0]%pageSize, "a new thread's handler has its stack at %#x, and "+
			"another's at %#x", stack, handlerStacks[0])
	}
	return f.result()
}

// signalStack is where handlers run; the interrupted stack is not touched, but for what the port has Go keep
// free below it (runtime/stack.go stackSystem).
func signalStack([]string) string {
	var f findings
	count, _, _ := handlers()
	setHandler(usr1, count, everySignal, true)
	setHandler(usr2, count, everySignal, true)
	const size, at, least = 20480, 16384, 928 // stackNosplit and stackSmall
	room := uintptr(0)
	for range 100 {
		if lo, guard := stackGuard(); guard-lo < size { // else it is stackPreempt
			room = guard - lo - least
		}
		runtime.Gosched()
	}
	f.want(room <= 8192, "%d bytes below the stack pointer are the system's", room)
	var low, high, sp uintptr
	l := inLoop(func() { low, high, sp = holdStack() })
	for n := range uint32(40) {
		send(l.tid, []syscall.Signal{usr1, usr2, syscall.SIGURG}[n%3])
		if !within(func() bool { return runsOf(usr1) == n/3+1 && runsOf(usr2) == (n+1)/3 }) {
			f.add("a signal for a running thread was not delivered")
			break
		}
	}
	l.stop()
	if high != 0 {
		f.want(high <= at, "the interrupted stack was written to %d bytes above the stack pointer", high-at)
		f.want(low >= at-room, "the stack was written to %d bytes below the stack pointer, where %d are free",
			at-low, room)
	}
	runs := atomic.LoadUint64(&handlerRuns)
	f.want(runs >= 20, "a handler ran %d times", runs)
	for _, stack := range handlerStacks[:min(runs, 20)] {
		f.want(stack == handlerStacks[0], "a handler's stack is at %#x, and was at %#x", stack, handlerStacks[0])
		f.want(stack+32<<10 < sp || stack > sp+32<<10, "a handler ran at %#x, on the stack interrupted at %#x",
			stack, sp)
	}
	return f.result()
}

// signalRegisters are the interrupted code's, all of them, whatever the handler leaves in them.
func signalRegisters([]string) string {
	var f findings
	_, clobber, _ := handlers()
	setHandler(usr1, clobber, everySignal, true)
	for round := range uint32(12) {
		for i := range put {
			put[i] = 0x0101010101010101*uint64(i+1) ^ uint64(round)<<56
		}
		l := inLoop(holdRegisters)
		for n := range uint32(4) {
			send(l.tid, usr1)
			f.want(within(func() bool { return runsOf(usr1) == 4*round+n+1 }),
				"a signal for a running thread was not delivered")
		}
		l.stop()
		for i, value := range got {
			f.want(value == put[i], "after a handler %s holds %#x, and was %#x", registerNames[i], value, put[i])
		}
		f.want((gotRounding^otherRounding)&roundingBits == 0, "after a handler %s is %#x, and was %#x",
			roundingName, gotRounding, otherRounding)
		f.want(flagsLost == 0, "a handler changed the interrupted code's flags")
	}
	return f.result()
}

// nestedSignals come inside the handler of another, or after it; either way both are whole.
func nestedSignals([]string) string {
	var f findings
	_, _, nest := handlers()
	both := func(mask uint64) {
		setHandler(usr1, nest, mask, true)
		setHandler(usr2, nest, mask, true)
		for round := range 10 {
			first, second := usr1, usr2
			if round%2 == 1 {
				first, second = usr2, usr1
			}
			ones, twos := runsOf(first), runsOf(second)
			atomic.StoreUint32(&nestFirst, uint32(first))
			atomic.StoreUint32(&nestEntered, 0)
			atomic.StoreUint32(&nestReleased, 0)
			l := inLoop(spinHere)
			send(l.tid, first)
			f.want(within(func() bool { return atomic.LoadUint32(&nestEntered) == 1 }), "a handler did not run")
			send(l.tid, second)
			time.Sleep(30 * time.Microsecond)
			atomic.StoreUint32(&nestReleased, 1)
			f.want(within(func() bool { return runsOf(first) == ones+1 && runsOf(second) == twos+1 }),
				"of two handlers, one sent while the other ran, %d and %d runs are due, and %d and %d were",
				ones+1, twos+1, runsOf(first), runsOf(second))
			l.stop()
		}
	}
	both(everySignal)
	f.want(atomic.LoadUint32(&nestInside) == 0, "a handler that blocks all signals was interrupted by one")
	both(0)
	f.want(atomic.LoadUint32(&nestSpoiled) == 0, "a handler found its stack spoiled by another handler")
	f.want(atomic.LoadUint32(&nestDepth) == 0, "a handler did not return")
	return f.result()
}

// storm: 10,000 signals, to the thread itself, to a thread that computes, to the process.
func storm([]string) string {
	var f findings
	count, _, _ := handlers()
	setHandler(usr1, count, everySignal, true)
	runtime.LockOSThread()
	self := syscall.Gettid()
	for n := range uint32(4000) {
		send(self, usr1)
		if runsOf(usr1) != n+1 {
			return fmt.Sprintf("of %d signals that a thread sent itself %d were delivered", n+1, runsOf(usr1))
		}
	}
	runtime.UnlockOSThread()
	setHandler(usr2, count, everySignal, true)
	var stop atomic.Bool
	started := make(chan int)
	done := make(chan bool)
	go func() {
		runtime.LockOSThread()
		started <- syscall.Gettid()
		for round := 0; !stop.Load(); round++ {
			if got := descend(30, round); got != 31 {
				f.add("under signals a stack 31 frames deep came back as %d frames", got)
			}
			if t := grown(2, uint64(round)+1); !t.whole(uint64(round) + 1) {
				f.add("under signals a tree was spoiled")
			}
		}
		close(done)
	}()
	tid := <-started
	const bursts, each = 20, 250
	for burst := range bursts {
		before := runsOf(usr2)
		for range each {
			send(tid, usr2)
		}
		if !within(func() bool { return runsOf(usr2) > before }) {
			return fmt.Sprintf("of burst %d of %d signals none was delivered", burst, each)
		}
		if after := runsOf(usr2); after > before+each {
			return fmt.Sprintf("of %d signals %d were delivered", each, after-before)
		}
	}
	stop.Store(true)
	<-done
	caught := make(chan os.Signal, 2000)
	signal.Notify(caught, syscall.SIGWINCH)
	for range 1000 {
		syscall.Kill(syscall.Getpid(), syscall.SIGWINCH)
	}
	time.Sleep(time.Millisecond)
	f.want(len(caught) > 0 && len(caught) <= 1000, "of 1000 signals of the process %d came", len(caught))
	return f.result()
}

// delivery goes to the thread that is named, whether it runs, is parked or waits in a system call.
func delivery(arguments []string) string {
	var f findings
	late := len(arguments) > 0 // is a signal for a thread that waits one for later?
	count, _, _ := handlers()
	setHandler(usr1, count, everySignal, true)
	// stackOf is where a thread's handlers run; every thread has its own signal stack.
	stackOf := func(send func()) uintptr {
		before := atomic.LoadUint64(&handlerRuns)
		send()
		if !within(func() bool { return atomic.LoadUint64(&handlerRuns) == before+1 }) {
			return 0
		}
		return handlerStacks[before&255]
	}
	known := map[uintptr]string{}
	own := func(what string) uintptr {
		runtime.LockOSThread()
		stack := stackOf(func() { send(syscall.Gettid(), usr1) })
		f.want(stack != 0, "a %s thread did not get the signal that it sent itself", what)
		f.want(known[stack] == "", "the %s thread and the %s one have the same signal stack", what, known[stack])
		known[stack] = what
		return stack
	}
	same := func(what string, tid int, want uintptr, before func()) {
		got := stackOf(func() {
			if err := send(tid, usr1); err != 0 {
				f.add("a signal for a %s thread was refused: %v", what, err)
			}
			before()
		})
		f.want(got != 0, "a %s thread did not get its signal", what)
		f.want(got == 0 || got == want, "a %s thread's signal came to the %s one", what, known[got])
	}
	nothing := func() {}

	var running uintptr
	l := inLoop(func() { running = own("running"); spinHere() })
	for range 5 {
		same("running", l.tid, running, nothing)
	}
	l.stop()

	// A parked thread waits in a futex for its goroutine to run again.
	tids, wake := make(chan int), make(chan bool)
	var parked, blocked uintptr
	go func() {
		parked = own("parked")
		tids <- syscall.Gettid()
		for range wake {
		}
	}()
	tid := <-tids
	for range 5 {
		time.Sleep(100 * time.Microsecond)
		runs := atomic.LoadUint64(&handlerRuns)
		same("parked", tid, parked, func() {
			time.Sleep(50 * time.Microsecond)
			if atomic.LoadUint64(&handlerRuns) == runs {
				f.want(late, "a parked thread gets its signal later")
				wake <- true
			}
		})
	}

	// One in a system call reads from a pipe that stays empty until the signal has been sent.
	var pipe [2]int
	if err := syscall.Pipe2(pipe[:], 0); err != nil {
		return err.Error()
	}
	read := make(chan string)
	go func() {
		blocked = own("blocked")
		tids <- syscall.Gettid()
		buffer := make([]byte, 10)
		for range 5 {
			n, err := syscall.Read(pipe[0], buffer)
			read <- fmt.Sprint(n, err)
		}
	}()
	tid = <-tids
	for range 5 {
		time.Sleep(100 * time.Microsecond)
		runs := atomic.LoadUint64(&handlerRuns)
		same("blocked", tid, blocked, func() {
			time.Sleep(100 * time.Microsecond)
			f.want(late || atomic.LoadUint64(&handlerRuns) == runs+1, "a blocked thread gets its signal later")
			syscall.Write(pipe[1], []byte("four"))
		})
		got := <-read
		f.want(got == "4<nil>" || got == "4 <nil>", "a read that a signal came into gave %s", got)
	}
	f.want(send(1<<22, usr1) == syscall.ESRCH, "a signal for a thread that is not there was taken")
	return f.result()
}

// alarmClock rings in a program of which every thread waits.
func alarmClock([]string) string {
	var f findings
	caught := make(chan os.Signal, 10)
	signal.Notify(caught, syscall.SIGALRM)
	for _, wait := range []time.Duration{time.Millisecond, 5 * time.Millisecond, 2 * time.Second} {
		timer := [4]int64{0, 0, int64(wait / time.Second), int64(wait % time.Second / time.Microsecond)}
		start := time.Now()
		_, _, err := syscall.RawSyscall(syscall.SYS_SETITIMER, 0, uintptr(unsafe.Pointer(&timer)), 0)
		f.want(err == 0, "setitimer was refused: %v", err)
		<-caught
		took := time.Since(start)
		f.want(took >= wait && took < wait+20*time.Millisecond, "an alarm of %v rang after %v", wait, took)
	}
	time.Sleep(20 * time.Millisecond)
	f.want(len(caught) == 0, "%d alarms rang that nobody set", len(caught))
	return f.result()
}

// notify tells channels of signals; Ignore, Stop and Reset end that.
func notify([]string) string {
	var f findings
	one, all := make(chan os.Signal, 10), make(chan os.Signal, 10)
	next := func(from chan os.Signal) os.Signal {
		select {
		case got := <-from:
			return got
		case <-time.After(100 * time.Millisecond):
			return nil
		}
	}
	raise := func(sig syscall.Signal) { syscall.Kill(syscall.Getpid(), sig) }
	signal.Notify(one, usr1)
	signal.Notify(all, usr1, usr2, syscall.SIGHUP, syscall.SIGTERM, syscall.Signal(40))
	for _, sig := range []syscall.Signal{usr1, usr2, syscall.SIGHUP, syscall.SIGTERM, 40, usr1} {
		raise(sig)
		got := next(all)
		f.want(got == sig, "for %v came %v", sig, got)
	}
	f.want(next(one) == usr1 && next(one) == usr1 && len(one) == 0, "SIGUSR1 did not come twice")
	signal.Stop(one)
	raise(usr1)
	f.want(next(all) == usr1 && len(one) == 0, "a channel that was stopped was told of a signal")
	signal.Ignore(syscall.SIGHUP)
	raise(syscall.SIGHUP)
	raise(usr2)
	f.want(next(all) == usr2 && len(all) == 0, "an ignored signal came")
	f.want(signal.Ignored(syscall.SIGHUP), "an ignored signal is not known as ignored")
	signal.Notify(one, syscall.SIGHUP)
	raise(syscall.SIGHUP)
	f.want(next(one) == syscall.SIGHUP, "a signal that was ignored before did not come")
	signal.Reset(usr1)
	raise(usr1) // which Go catches anyway (runtime/sigtab_linux_generic.go: no _SigKill)
	raise(usr2)
	f.want(next(all) == usr2 && len(all) == 0, "a signal that was reset came")
	return f.result()
}

// profile samples at 100 Hz what runs, and nothing else.
func profile([]string) string {
	var out bytes.Buffer
	runtime.LockOSThread() // which waits
	if err := pprof.StartCPUProfile(&out); err != nil {
		return err.Error()
	}
	start := time.Now()
	var group sync.WaitGroup
	var busy atomic.Int64
	for range 2 {
		group.Go(func() {
			pprof.Do(context.Background(), pprof.Labels("kit", "busy"), func(context.Context) {
				for time.Since(start) < 200*time.Millisecond {
					for n := range 3000 {
						busy.Add(int64(n))
					}
				}
			})
		})
	}
	group.Wait()
	took := time.Since(start)
	pprof.StopCPUProfile()
	reader, err := gzip.NewReader(&out)
	if err != nil {
		return err.Error()
	}
	raw, err := io.ReadAll(reader)
	if err != nil {
		return err.Error()
	}
	var f findings
	samples, labelled := samplesOf(raw)
	due := int(took / (10 * time.Millisecond))
	f.want(samples >= due/2 && samples <= 2*due+2, "%v of one busy CPU gave %d samples, at 100 a second", took,
		samples)
	f.want(labelled >= samples*3/4, "of %d samples %d were taken where the work is", samples, labelled)
	return f.result()
}

// samplesOf counts the samples of a profile.proto, and those with a label. Message Profile has in field 2
// messages Sample, with values in field 2, of which the first is a count, and labels in field 3.
func samplesOf(raw []byte) (samples, labelled int) {
	fields(raw, func(number, _ uint64, sample []byte) {
		if number != 2 {
			return
		}
		count, label := -1, false
		fields(sample, func(number, value uint64, packed []byte) {
			switch {
			case number == 2 && count < 0:
				if packed != nil {
					value, _ = binary.Uvarint(packed)
				}
				count = int(value)
			case number == 3:
				label = true
			}
		})
		samples += max(count, 0)
		if label {
			labelled += max(count, 0)
		}
	})
	return
}

// fields goes through a message of protocol buffers.
func fields(raw []byte, each func(number, value uint64, data []byte)) {
	for len(raw) > 0 {
		tag, n := binary.Uvarint(raw)
		value, m := binary.Uvarint(raw[n:])
		raw = raw[n+m:]
		if tag&7 == 2 {
			each(tag>>3, 0, raw[:value])
			raw = raw[value:]
		} else {
			each(tag>>3, value, nil)
		}
	}
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
