package main

import (
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

func init() {
	part("signals.storm", storm)
	part("signals.delivery", delivery)
	part("signals.timer", alarmClock)
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
