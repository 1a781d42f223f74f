package bench

import (
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"testing"
	"time"
)

var nothing *int

func dereference() (recovered bool) {
	defer func() { recovered = recover() != nil }()
	return *nothing == 0
}

// A load through nil: a fault, a signal, a panic, and its recovery.
func BenchmarkPageFault(b *testing.B) {
	for range b.N {
		if !dereference() {
			b.Fatal("a load through nil went well")
		}
	}
}

// The first store to a page that was mapped and not used yet.
func BenchmarkPageTouch(b *testing.B) {
	const pages, size = 1024, 4096
	var memory []byte
	for i := range b.N {
		if i%pages == 0 {
			b.StopTimer()
			if memory != nil {
				if err := syscall.Munmap(memory); err != nil {
					b.Fatal(err)
				}
			}
			var err error
			memory, err = syscall.Mmap(-1, 0, pages*size, syscall.PROT_READ|syscall.PROT_WRITE,
				syscall.MAP_ANON|syscall.MAP_PRIVATE)
			if err != nil {
				b.Fatal(err)
			}
			b.StartTimer()
		}
		memory[i%pages*size] = 1
	}
	b.StopTimer()
	if err := syscall.Munmap(memory); err != nil {
		b.Fatal(err)
	}
}

// The process tells itself, and the goroutine that wants to know is told.
func BenchmarkSignalSelf(b *testing.B) {
	told := make(chan os.Signal, 1)
	signal.Notify(told, syscall.SIGUSR1)
	defer signal.Stop(told)
	self := os.Getpid()
	b.ResetTimer()
	for range b.N {
		if err := syscall.Kill(self, syscall.SIGUSR1); err != nil {
			b.Fatal(err)
		}
		<-told
	}
}

// A signal to another thread, which takes it when it is next woken, if not before, and tells a goroutine.
func BenchmarkSignalThread(b *testing.B) {
	told := make(chan os.Signal, 1)
	signal.Notify(told, syscall.SIGUSR1)
	defer signal.Stop(told)
	self, ids, wake := os.Getpid(), make(chan int), make(chan struct{})
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		ids <- syscall.Gettid()
		for range wake {
		}
	}()
	thread := <-ids
	b.ResetTimer()
	for range b.N {
		if err := syscall.Tgkill(self, thread, syscall.SIGUSR1); err != nil {
			b.Fatal(err)
		}
		wake <- struct{}{}
		<-told
	}
	b.StopTimer()
	close(wake)
}

// How late a sleep of a tenth of a millisecond ends; that, and not the sleep, is the time per operation.
func BenchmarkTimerLatency(b *testing.B) {
	const sleep = 100 * time.Microsecond
	var late time.Duration
	for range b.N {
		due := time.Now().Add(sleep)
		time.Sleep(sleep)
		late += time.Since(due)
	}
	b.ReportMetric(float64(late)/float64(b.N), "ns/op")
}
