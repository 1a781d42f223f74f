package main

import (
	"hash/crc32"
	"io"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

func init() {
	part("syscall.restarted", restarted)
	part("syscall.interrupted", interrupted)
}

// rain sends a thread signals while do runs on it; how many were delivered.
func rain(sig syscall.Signal, do func()) uint32 {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(4))
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	before := runsOf(sig)
	target := syscall.Gettid()
	var stop atomic.Bool
	var sender sync.WaitGroup
	sender.Go(func() {
		for !stop.Load() {
			send(target, sig)
			time.Sleep(50 * time.Microsecond)
		}
	})
	do()
	stop.Store(true)
	sender.Wait()
	return runsOf(sig) - before
}

// restarted calls go on after a handler, as the runtime asks for with SA_RESTART.
func restarted([]string) string {
	var f findings
	count, _, _ := handlers()
	setHandler(usr1, count, everySignal, true)
	var pipe [2]int
	if err := syscall.Pipe2(pipe[:], 0); err != nil {
		return err.Error()
	}
	text := strings.Repeat("0123456789abcdef", 64)
	go func() {
		for at := 0; at < len(text); at += 256 {
			time.Sleep(time.Millisecond)
			syscall.Write(pipe[1], []byte(text[at:at+256]))
		}
	}()
	runs := rain(usr1, func() {
		buffer := make([]byte, 2000)
		got := ""
		for len(got) < len(text) {
			n, err := syscall.Read(pipe[0], buffer)
			if !f.want(err == nil, "a read that signals came into failed: %v", err) {
				return
			}
			got += string(buffer[:n])
		}
		f.want(got == text, "a read that signals came into gave other bytes")
	})
	f.want(runs > 0, "no signal came into a read")
	// A write waits, for the pipe is full.
	full := make([]byte, 1<<17)
	for i := range full {
		full[i] = byte(i >> 8)
	}
	sum := crc32.ChecksumIEEE(full)
	result := make(chan string)
	go func() {
		time.Sleep(time.Millisecond)
		got := make([]byte, 0, len(full))
		buffer := make([]byte, 10000)
		for len(got) < len(full) {
			n, err := syscall.Read(pipe[0], buffer)
			if err != nil && err != syscall.EINTR {
				result <- err.Error()
				return
			}
			got = append(got, buffer[:max(n, 0)]...)
			time.Sleep(100 * time.Microsecond)
		}
		if crc32.ChecksumIEEE(got) != sum {
			result <- "a write that signals came into wrote other bytes"
			return
		}
		result <- ""
	}()
	rain(usr1, func() {
		for at := 0; at < len(full); {
			n, err := syscall.Write(pipe[1], full[at:])
			if !f.want(err == nil && n > 0, "a write that signals came into: %d, %v", n, err) {
				return
			}
			at += n
		}
	})
	said := <-result
	f.want(said == "", "%s", said)
	// And the library's own, which the runtime's handler interrupts.
	caught := make(chan os.Signal, 1000)
	signal.Notify(caught, usr2)
	reader, writer, err := os.Pipe()
	if err != nil {
		return err.Error()
	}
	go func() {
		for range 20 {
			syscall.Kill(syscall.Getpid(), usr2)
			time.Sleep(20 * time.Microsecond)
		}
		writer.Write([]byte("late"))
		writer.Close()
	}()
	data, err := io.ReadAll(reader)
	f.want(string(data) == "late" && err == nil, "os.File.Read while signals come: %q, %v", data, err)
	f.want(len(caught) > 0, "no signal came")
	return f.result()
}

// interrupted calls have done nothing, where a handler asks not to have them restarted: EINTR, and again. With
// the argument "late", signals are for later in any case.
func interrupted(arguments []string) string {
	late := len(arguments) > 0
	var f findings
	count, _, _ := handlers()
	setHandler(usr1, count, everySignal, false)
	var pipe [2]int
	if err := syscall.Pipe2(pipe[:], 0); err != nil {
		return err.Error()
	}
	go func() {
		for i := range byte(10) {
			time.Sleep(3 * time.Millisecond)
			syscall.Write(pipe[1], []byte{i, i + 100})
		}
	}()
	eintr := 0
	runs := rain(usr1, func() {
		for i := byte(0); i < 10; {
			buffer := []byte{255, 255, 255}
			n, err := syscall.Read(pipe[0], buffer)
			if err == syscall.EINTR {
				f.want(buffer[0] == 255, "a read that was interrupted has read something")
				eintr++
				continue
			}
			if !f.want(err == nil && n == 2 && buffer[0] == i && buffer[1] == i+100 && buffer[2] == 255,
				"read %d among signals: %d, %v, %v", i, n, buffer, err) {
				return
			}
			i++
		}
	})
	f.want(runs > 0 && eintr <= int(runs), "%d signals interrupted %d reads", runs, eintr)
	// What nanosleep has left over, and what it has slept, is what was asked for.
	interrupts := 0
	rain(usr1, func() {
		for range 10 {
			const asked = 3 * time.Millisecond
			left := syscall.NsecToTimespec(-1)
			request := syscall.NsecToTimespec(int64(asked))
			start := time.Now()
			_, _, err := syscall.Syscall(syscall.SYS_NANOSLEEP, uintptr(unsafe.Pointer(&request)),
				uintptr(unsafe.Pointer(&left)), 0)
			slept := time.Since(start)
			switch err {
			case 0:
				f.want(slept >= asked, "a sleep of %v took %v", asked, slept)
			case syscall.EINTR:
				interrupts++
				rest := time.Duration(left.Nano())
				f.want(rest > 0 && rest < asked, "a sleep of %v that was interrupted has %v left", asked, rest)
				f.want(slept+rest >= asked-10*time.Microsecond && slept+rest < asked+100*time.Microsecond,
					"a sleep of %v was interrupted after %v and has %v left", asked, slept, rest)
			default:
				f.add("nanosleep: %v", err)
			}
		}
	})
	if late {
		f.want(eintr == 0 && interrupts == 0, "signals interrupt %d reads and %d sleeps, and are late", eintr,
			interrupts)
	} else {
		f.want(eintr >= 5 && interrupts == 10, "signals interrupt %d reads and %d sleeps, and are not late", eintr,
			interrupts)
	}
	signal.Ignore(usr2)
	rain(usr2, func() {
		request := syscall.NsecToTimespec(int64(2 * time.Millisecond))
		_, _, err := syscall.Syscall(syscall.SYS_NANOSLEEP, uintptr(unsafe.Pointer(&request)), 0, 0)
		f.want(err == 0, "a sleep into which an ignored signal came: %v", err)
		go func() {
			time.Sleep(2 * time.Millisecond)
			syscall.Write(pipe[1], []byte("x"))
		}()
		var buffer [3]byte
		n, errno := syscall.Read(pipe[0], buffer[:])
		f.want(n == 1 && errno == nil, "a read into which an ignored signal came: %d, %v", n, errno)
	})
	return f.result()
}
