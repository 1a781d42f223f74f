package main

import (
	"os"
	"os/signal"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

func init() {
	part("signals.masks", masks)
	part("signals.pending", pending)
	part("signals.newborn", newborn)
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
