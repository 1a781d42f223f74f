package bench

import (
	"runtime"
	"sync/atomic"
	"syscall"
	"testing"
	"unsafe"
)

// A goroutine that ends while it is locked to its thread takes the thread with it.
func BenchmarkThreadCreate(b *testing.B) {
	done := make(chan struct{})
	for range b.N {
		go func() {
			runtime.LockOSThread()
			done <- struct{}{}
		}()
		<-done
	}
}

// Two goroutines, each on a thread of its own: every message is a switch of threads.
func BenchmarkThreadSwitch(b *testing.B) {
	ask, answer := make(chan int), make(chan int)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		for each := range ask {
			answer <- each
		}
		close(answer)
	}()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	b.ResetTimer()
	for i := range b.N {
		ask <- i
		<-answer
	}
	b.StopTimer()
	close(ask)
	<-answer
}

const (
	futexWait = 0 | 128 // FUTEX_WAIT, FUTEX_PRIVATE_FLAG
	futexWake = 1 | 128
)

func futex(word *atomic.Uint32, operation, value uintptr) syscall.Errno {
	_, _, errno := syscall.Syscall6(syscall.SYS_FUTEX, uintptr(unsafe.Pointer(word)), operation, value, 0, 0, 0)
	return errno
}

// waitFor returns nil once the word has the value.
func waitFor(word *atomic.Uint32, value uint32) error {
	for {
		seen := word.Load()
		if seen == value {
			return nil
		}
		errno := futex(word, futexWait, uintptr(seen))
		if errno != 0 && errno != syscall.EAGAIN && errno != syscall.EINTR {
			return errno
		}
	}
}

func pass(word *atomic.Uint32, value uint32) error {
	word.Store(value)
	if errno := futex(word, futexWake, 1); errno != 0 {
		return errno
	}
	return nil
}

// Two threads hand a word to and fro by the system call itself, without Go's scheduler.
func BenchmarkFutexPingPong(b *testing.B) {
	var word atomic.Uint32
	failed := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		for range b.N {
			if err := waitFor(&word, 1); err != nil {
				failed <- err
				return
			}
			if err := pass(&word, 0); err != nil {
				failed <- err
				return
			}
		}
		failed <- nil
	}()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	b.ResetTimer()
	for range b.N {
		if err := pass(&word, 1); err != nil {
			b.Fatalf("futex: %v", err)
		}
		if err := waitFor(&word, 0); err != nil {
			b.Fatalf("futex: %v", err)
		}
	}
	b.StopTimer()
	if err := <-failed; err != nil {
		b.Fatalf("futex: %v", err)
	}
}
