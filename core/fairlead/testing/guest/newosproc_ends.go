package main

import (
	"fmt"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

// gone waits until there is no thread of this id.
func gone(id int) bool {
	for range 1000 {
		if _, _, err := syscall.RawSyscall(syscall.SYS_TGKILL, uintptr(syscall.Getpid()), uintptr(id), 0); err != 0 {
			return true
		}
		time.Sleep(time.Millisecond)
	}
	return false
}

// blockedReaders are threads in a read of a pipe, which the runtime's poller knows nothing of.
type blockedReaders struct {
	f      *findings
	group  sync.WaitGroup
	pipes  [][2]int
	served atomic.Int64
}

func (b *blockedReaders) start(n int) {
	var ready sync.WaitGroup
	for range n {
		i := len(b.pipes)
		var pipe [2]int
		if err := syscall.Pipe(pipe[:]); err != nil {
			panic(err)
		}
		b.pipes = append(b.pipes, pipe)
		ready.Add(1)
		b.group.Go(func() {
			runtime.LockOSThread()
			id := syscall.Gettid()
			ready.Done()
			buffer := []byte{0}
			count, err := syscall.Read(pipe[0], buffer)
			b.f.want(count == 1 && err == nil && buffer[0] == byte(i), "reader %d got %d, %v, %v", i, count, err, buffer)
			b.f.want(syscall.Gettid() == id, "reader %d changed its thread while it waited", i)
			b.served.Add(1)
		})
	}
	ready.Wait()
	time.Sleep(time.Millisecond)
}

// end serves the readers, last to first.
func (b *blockedReaders) end() {
	b.f.want(b.served.Load() == 0, "%d readers of empty pipes came back", b.served.Load())
	for i := len(b.pipes) - 1; i >= 0; i-- {
		syscall.Write(b.pipes[i][1], []byte{byte(i)})
	}
	b.group.Wait()
}

func exits([]string) string {
	var f findings
	readers := blockedReaders{f: &f}
	readers.start(10)
	var sleepers sync.WaitGroup
	begin := time.Now()
	for range 5 {
		sleepers.Go(func() {
			runtime.LockOSThread()
			wait := syscall.Timespec{Nsec: 30_000_000}
			syscall.Nanosleep(&wait, nil)
			f.want(time.Since(begin) >= 30*time.Millisecond, "a sleeper woke after %v", time.Since(begin))
		})
	}
	var lock sync.Mutex
	lock.Lock() // waited for by threads of their own
	var waiters sync.WaitGroup
	for range 5 {
		waiters.Go(func() {
			runtime.LockOSThread()
			lock.Lock()
			lock.Unlock()
		})
	}
	ended := make(chan int, 100)
	for round := range 3 {
		onThreads(10, func(i int) {
			ended <- syscall.Gettid()
			if i%2 == round%2 {
				runtime.Gosched()
			}
		})
		go func() {
			runtime.LockOSThread()
			ended <- syscall.Gettid()
			runtime.Goexit()
		}()
	}
	for range 33 {
		id := <-ended
		f.want(gone(id), "thread %d is there although its goroutine has ended", id)
	}
	lock.Unlock()
	waiters.Wait()
	sleepers.Wait()
	readers.end()
	return f.result()
}

func blocked([]string) string {
	var f findings
	readers := blockedReaders{f: &f}
	for range 3 {
		readers.start(10)
		sum := make(chan int)
		for i := range 50 { // the rest of the program goes on
			go func() { sum <- i }()
		}
		total := 0
		for range 50 {
			total += <-sum
		}
		f.want(total == 50*49/2, "goroutines beside blocked threads added up to %d", total)
	}
	readers.end()
	return f.result()
}

// signalMask changes the thread's mask as rt_sigprocmask does; the mask before.
func signalMask(how int, mask uint64) uint64 {
	var before uint64
	_, _, err := syscall.RawSyscall6(syscall.SYS_RT_SIGPROCMASK, uintptr(how), uintptr(unsafe.Pointer(&mask)),
		uintptr(unsafe.Pointer(&before)), 8, 0, 0)
	if err != 0 {
		panic(err)
	}
	return before
}

const sigBlock = 0 // SIG_BLOCK

func inheritedMask([]string) string {
	var f findings
	first := signalMask(sigBlock, 0)
	onThreads(10, func(i int) {
		now := signalMask(sigBlock, 0)
		f.want(now == first, "a new thread's mask is %#x, the first one's %#x", now, first)
		signalMask(sigBlock, 1<<(syscall.SIGUSR1-1))
		// What a thread with a mask of its own starts is started by another, with the program's.
		done := make(chan bool)
		go func() {
			runtime.LockOSThread()
			now := signalMask(sigBlock, 0)
			f.want(now == first, "a thread's mask is %#x, the program's %#x", now, first)
			done <- true
		}()
		<-done
		now = signalMask(sigBlock, 0)
		f.want(now == first|1<<(syscall.SIGUSR1-1), "a thread blocked SIGUSR1, and its mask is %#x", now)
	})
	return f.result()
}

// greeted threads have a signal waiting that they may take once minit has given them their signal stack.
func greeted([]string) string {
	var f findings
	adversity(greet, 1, 0)
	var ran atomic.Int64
	for range 3 {
		onThreads(10, func(i int) {
			got := deepSum(50)
			f.want(got == 50*51/2, "a thread that a signal waited for computed %d", got)
			ran.Add(1)
		})
	}
	unready := adversity(greet, 0, 0)
	f.want(unready == 0, "%d threads began with signals that nobody had unblocked yet", unready)
	f.want(ran.Load() == 30, "of 30 threads %d ran", ran.Load())
	return f.result()
}

func refused([]string) string {
	var f findings
	adversity(refuse, 4, 0)
	var ran atomic.Int64
	begin := time.Now()
	onThreads(5, func(int) { ran.Add(1) })
	f.want(ran.Load() == 5, "of 5 threads, the first refused for a while, %d ran", ran.Load())
	f.want(time.Since(begin) >= time.Millisecond, "nobody waited between two tries (%v)", time.Since(begin))
	return f.result()
}

// refusedCall asks for a thread as the runtime does, but sees the answer itself.
func refusedCall([]string) string {
	adversity(refuse, 1, 0)
	const flags = syscall.CLONE_VM | syscall.CLONE_FS | syscall.CLONE_FILES | syscall.CLONE_SIGHAND |
		syscall.CLONE_SYSVSEM | syscall.CLONE_THREAD
	stack := make([]byte, 4096)
	_, _, err := syscall.RawSyscall6(syscall.SYS_CLONE, flags, uintptr(unsafe.Pointer(&stack[2048])), 0, 0, 0, 0)
	if err != syscall.EAGAIN {
		return fmt.Sprintf("clone, with no thread to be had, says %v", err)
	}
	return "ok"
}

func refusedForGood([]string) string {
	adversity(refuse, 1<<40, 0)
	onThreads(3, func(int) {})
	return fmt.Sprintf("%d threads were made that were refused", len(os.Args))
}
