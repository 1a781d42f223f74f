"""Signals in Go programs, on every port: preemption, os/signal, faults that are recovered, profiles."""

from __future__ import annotations

SIGNALS = """\
package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

const nilDereference = "runtime error: invalid memory address or nil pointer dereference"

type node struct {
	far  [100]int
	next *node
}

//go:noinline
func read(at *node) *node { return at.next }

//go:noinline
func write(at *int) { *at = 1 }

// try runs what panics; its message.
func try(do func()) (said string) {
	defer func() {
		said = fmt.Sprint(recover())
		if _, ok := recover().(error); ok {
			said = "recovered twice"
		}
	}()
	do()
	return "nothing"
}

func deep(n int) int {
	var room [16]int
	room[n%16] = n
	if n == 0 {
		return 0
	}
	return deep(n-1) + room[n%16] - n + 1
}

// faults are taken by many goroutines at once, on deep stacks and shallow ones.
func faults() string {
	var group sync.WaitGroup
	var caught atomic.Int64
	for i := range 20 {
		group.Go(func() {
			for range 50 {
				deep(i * 10)
				if try(func() { read(nil) }) == nilDereference {
					caught.Add(1)
				}
			}
		})
	}
	group.Wait()
	return fmt.Sprint(caught.Load())
}

func addresses() string {
	debug.SetPanicOnFault(true)
	defer debug.SetPanicOnFault(false)
	text := "read only"
	out := ""
	for _, at := range []uintptr{0x1000, 0xdead0008, uintptr(unsafe.Pointer(unsafe.StringData(text)))} {
		func() {
			defer func() {
				fault := recover().(interface{ Addr() uintptr })
				out += fmt.Sprint(fault.Addr() == at, ";")
			}()
			write((*int)(unsafe.Pointer(at)))
		}()
	}
	return out
}

// preempt has one processor, and loops that never yield.
func preempt() string {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	var stop atomic.Bool
	var rounds [3]atomic.Int64
	var group sync.WaitGroup
	for i := range rounds {
		group.Go(func() {
			for n := 0; !stop.Load(); n++ {
				rounds[i].Store(int64(n))
			}
		})
	}
	time.Sleep(150 * time.Millisecond)
	stop.Store(true)
	group.Wait()
	for i := range rounds {
		if rounds[i].Load() == 0 {
			return "one never ran"
		}
	}
	return "all ran"
}

func notify() string {
	caught := make(chan os.Signal, 10)
	signal.Notify(caught, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGWINCH)
	defer signal.Stop(caught)
	out := ""
	for _, each := range []syscall.Signal{
		syscall.SIGUSR1, syscall.SIGWINCH, syscall.SIGUSR2, syscall.SIGUSR1,
	} {
		syscall.Kill(syscall.Getpid(), each)
		out += fmt.Sprint(<-caught, "; ")
	}
	signal.Ignore(syscall.SIGUSR1)
	syscall.Kill(syscall.Getpid(), syscall.SIGUSR1)
	syscall.Kill(syscall.Getpid(), syscall.SIGUSR2)
	out += fmt.Sprint(<-caught, "; ", len(caught), signal.Ignored(syscall.SIGUSR1))
	return out
}

func storm() string {
	caught := make(chan os.Signal, 1000)
	signal.Notify(caught, syscall.SIGUSR1)
	defer signal.Stop(caught)
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			runtime.LockOSThread()
			for range 20 {
				syscall.Kill(syscall.Getpid(), syscall.SIGUSR1)
				deep(50)
				time.Sleep(10 * time.Microsecond)
			}
		})
	}
	group.Wait()
	time.Sleep(time.Millisecond)
	if n := len(caught); n < 5 || n > 160 {
		return fmt.Sprint("of 160 came ", n)
	}
	return "came, and none was made up"
}

func contexts() string {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	go syscall.Kill(syscall.Getpid(), syscall.SIGINT)
	<-ctx.Done()
	return fmt.Sprint(context.Cause(ctx))
}

// interrupted makes calls that block while signals arrive: they go on.
func interrupted() string {
	caught := make(chan os.Signal, 1000)
	signal.Notify(caught, syscall.SIGUSR1)
	defer signal.Stop(caught)
	var pipe [2]int
	if err := syscall.Pipe(pipe[:]); err != nil {
		return err.Error()
	}
	go func() {
		for range 5 {
			time.Sleep(time.Millisecond)
			syscall.Kill(syscall.Getpid(), syscall.SIGUSR1)
		}
		time.Sleep(time.Millisecond)
		syscall.Write(pipe[1], []byte("data"))
	}()
	buffer := make([]byte, 10)
	n, err := syscall.Read(pipe[0], buffer)
	return fmt.Sprint(n, " ", err, " ", len(caught))
}

//go:noinline
func burn(until time.Time) (n int) {
	for time.Now().Before(until) {
		for i := range 1000 {
			n += i % 3
		}
		deep(20)
	}
	return n
}

func profile() string {
	var out bytes.Buffer
	if err := pprof.StartCPUProfile(&out); err != nil {
		return err.Error()
	}
	var group sync.WaitGroup
	for range 3 {
		group.Go(func() { burn(time.Now().Add(500 * time.Millisecond)) })
	}
	group.Wait()
	pprof.StopCPUProfile()
	names := 0
	raw := unzip(out.Bytes())
	for _, name := range []string{"main.burn", "main.deep", "main.profile"} {
		if bytes.Contains(raw, []byte(name)) {
			names++
		}
	}
	return fmt.Sprint(len(raw) > 300, names)
}

func main() {
	debug.SetGCPercent(20)
	for _, each := range []struct {
		name string
		do   func() string
	}{
		{"faults", faults},
		{"addresses", addresses},
		{"divide", func() string { none := 0; return try(func() { fmt.Println(1 / none) }) }},
		{"preempt", preempt},
		{"notify", notify},
		{"storm", storm},
		{"contexts", contexts},
		{"interrupted", interrupted},
		{"profile", profile},
		{"faults again", faults},
	} {
		fmt.Printf("%s: %s\\n", each.name, each.do())
	}
}
"""

UNZIP = """\
package main

import (
	"bytes"
	"compress/gzip"
	"io"
)

func unzip(data []byte) []byte {
	reader, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		panic(err)
	}
	raw, err := io.ReadAll(reader)
	if err != nil {
		panic(err)
	}
	return raw
}
"""

SAID = """\
faults: 1000
addresses: true;true;true;
divide: runtime error: integer divide by zero
preempt: all ran
notify: user defined signal 1; window changed; user defined signal 2; user defined signal 1; \
user defined signal 2; 0 true
storm: came, and none was made up
contexts: interrupt signal received
interrupted: 4 <nil> 5
profile: true 3
faults again: 1000
"""


def test_signals_are_what_go_expects(port: str, go_package, fairlead) -> None:
    program = go_package({"main.go": SIGNALS, "unzip.go": UNZIP})
    ran = fairlead("run", "--port", port, program)
    assert (ran.stdout, ran.stderr, ran.returncode) == (SAID, "", 0)
