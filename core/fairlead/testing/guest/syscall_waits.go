package main

import (
	"errors"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

func init() {
	part("syscall.deadline", pipeDeadlines)
	part("syscall.futex", futexes)
}

// pipeDeadlines end waits on pipes, not early and not late, as often as they are set.
func pipeDeadlines([]string) string {
	var f findings
	reader, writer, err := os.Pipe()
	if err != nil {
		return err.Error()
	}
	buffer := make([]byte, 100)
	ends := func(what string, after time.Duration, do func() (int, error)) {
		start := time.Now()
		n, err := do()
		took := time.Since(start)
		f.want(errors.Is(err, os.ErrDeadlineExceeded), "%s after its deadline: %d, %v", what, n, err)
		f.want(took >= after && took < after+20*time.Millisecond, "%s with %v to go took %v", what, after, took)
	}
	read := func() (int, error) { return reader.Read(buffer) }
	for _, after := range []time.Duration{time.Millisecond, 30 * time.Millisecond, 2 * time.Second} {
		f.want(reader.SetReadDeadline(time.Now().Add(after)) == nil, "a pipe takes no deadline")
		ends("a read", after, read)
	}
	ends("a read", 0, read)
	reader.SetReadDeadline(time.Now().Add(5 * time.Millisecond))
	go func() {
		time.Sleep(2 * time.Millisecond)
		reader.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
	}()
	ends("a read whose deadline was put off", 12*time.Millisecond, read)
	reader.SetReadDeadline(time.Time{})
	go func() {
		time.Sleep(50 * time.Millisecond)
		writer.Write([]byte("here"))
	}()
	n, err := reader.Read(buffer)
	f.want(n == 4 && err == nil, "a read without deadline any more: %d, %v", n, err)
	writer.SetWriteDeadline(time.Now().Add(10 * time.Millisecond))
	ends("a write to a pipe that is full", 10*time.Millisecond, func() (int, error) {
		return writer.Write(make([]byte, 1<<20))
	})
	closed := make(chan error)
	go func() {
		for {
			if _, err := reader.Read(buffer); err != nil {
				closed <- err
				return
			}
		}
	}()
	time.Sleep(5 * time.Millisecond)
	reader.Close()
	select {
	case err := <-closed:
		f.want(errors.Is(err, os.ErrClosed), "a read of what is closed meanwhile: %v", err)
	case <-time.After(time.Second):
		f.add("closing a pipe does not end a read of it")
	}
	return f.result()
}

func futex(word *uint32, operation, value uintptr, timeout *syscall.Timespec) (uintptr, syscall.Errno) {
	n, _, err := syscall.Syscall6(syscall.SYS_FUTEX, uintptr(unsafe.Pointer(word)), operation, value,
		uintptr(unsafe.Pointer(timeout)), 0, 0)
	return n, err
}

// futexes wait for as long as a word is what it was, wake as many as they are told to, and none twice.
func futexes([]string) string {
	var f findings
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(4))
	const wait, wake, private = 0, 1, 128
	var word uint32
	for _, after := range []time.Duration{0, time.Millisecond, time.Second} {
		timeout := syscall.NsecToTimespec(int64(after))
		start := time.Now()
		_, err := futex(&word, wait|private, 0, &timeout)
		took := time.Since(start)
		f.want(err != 0, "a futex with %v to go was woken by nobody", after)
		f.want(took >= after && took < after+20*time.Millisecond, "a futex with %v to go waited %v", after, took)
	}
	hour := syscall.Timespec{Sec: 3600}
	start := time.Now()
	futex(&word, wait|private, 1, &hour)
	f.want(time.Since(start) < time.Second, "a futex waited for a word that was another already")
	n, err := futex(&word, wake|private, 100, nil)
	f.want(n == 0 && err == 0, "a futex that nobody waits on woke %d, %v", n, err)
	for _, wakes := range [][]uintptr{{1, 1, 1, 1, 1}, {2, 3}, {5}, {1, 100}} {
		var woken atomic.Int32
		var group sync.WaitGroup
		var ready atomic.Int32
		for range 5 {
			group.Go(func() {
				runtime.LockOSThread()
				ready.Add(1)
				futex(&word, wait|private, 0, &hour)
				woken.Add(1)
			})
		}
		f.want(within(func() bool { return ready.Load() == 5 }), "5 threads do not run")
		time.Sleep(time.Millisecond)
		sum := 0
		for _, count := range wakes {
			n, _ := futex(&word, wake|private, count, nil)
			want := min(int(count), 5-sum)
			f.want(int(n) == want, "waking %d of %d that wait woke %d", count, 5-sum, n)
			sum += want
			f.want(within(func() bool { return int(woken.Load()) == sum }), "%d of %d that were woken ran", woken.Load(),
				sum)
			time.Sleep(100 * time.Microsecond)
			f.want(int(woken.Load()) == sum, "%d ran of %d that were woken", woken.Load(), sum)
		}
		// Whoever still waits may not keep the rest from being tried.
		futex(&word, wake|private, 100, nil)
		group.Wait()
	}
	return f.result()
}
