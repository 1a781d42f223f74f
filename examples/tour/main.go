// Tour walks through what a runtime port has to get right: each stop prints one line.
package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

func main() {
	for _, stop := range []struct {
		name string
		see  func() (string, error)
	}{
		{"goroutines", goroutines},
		{"channels", channels},
		{"select", selecting},
		{"timers", timers},
		{"garbage", garbage},
		{"panics", panics},
		{"preemption", preemption},
		{"threads", threads},
		{"files", files},
		{"arguments", arguments},
	} {
		said, err := stop.see()
		if err != nil {
			fmt.Printf("%-11s FAILED: %v\n", stop.name, err)
			os.Exit(1)
		}
		fmt.Printf("%-11s %s\n", stop.name, said)
	}
}

func goroutines() (string, error) {
	var group sync.WaitGroup
	var sum atomic.Int64
	for i := range 1000 {
		group.Go(func() { sum.Add(int64(i)) })
	}
	group.Wait()
	return fmt.Sprintf("1000 of them add up to %d", sum.Load()), nil
}

// channels is a sieve: each prime is a goroutine that filters its multiples out.
func channels() (string, error) {
	source := make(chan int)
	go func() {
		for i := 2; ; i++ {
			source <- i
		}
	}()
	numbers := source
	var primes []string
	for range 12 {
		prime := <-numbers
		primes = append(primes, fmt.Sprint(prime))
		filtered, from := make(chan int), numbers
		go func() {
			for n := range from {
				if n%prime != 0 {
					filtered <- n
				}
			}
		}()
		numbers = filtered
	}
	return "the sieve says " + strings.Join(primes, " "), nil
}

func selecting() (string, error) {
	never := make(chan int)
	select {
	case <-never:
		return "", errors.New("a channel nobody sends on was ready")
	case <-time.After(50 * time.Millisecond):
		return "nobody sent, and the time ran out", nil
	}
}

func timers() (string, error) {
	begin := time.Now()
	time.Sleep(30 * time.Millisecond)
	slept := time.Since(begin)
	if slept < 30*time.Millisecond {
		return "", fmt.Errorf("slept %v, which is too early", slept)
	}
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for range 3 {
		<-ticker.C
	}
	return "30 ms of sleep and three ticks, none early", nil
}

type node struct {
	left, right *node
}

func tree(depth int) *node {
	if depth == 0 {
		return &node{}
	}
	return &node{tree(depth - 1), tree(depth - 1)}
}

func (n *node) count() int {
	if n.left == nil {
		return 1
	}
	return 1 + n.left.count() + n.right.count()
}

func garbage() (string, error) {
	long := tree(14)
	total := 0
	for range 20 {
		total += tree(12).count()
	}
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	if stats.NumGC == 0 {
		return "", errors.New("the collector never ran")
	}
	return fmt.Sprintf("%d nodes came and went, %d stayed", total, long.count()), nil
}

func panics() (said string, err error) {
	defer func() {
		if cause, ok := recover().(runtime.Error); ok {
			said = cause.Error()
		}
	}()
	var none *node
	none.left = nil
	return "", errors.New("a nil pointer could be written through")
}

// preemption needs a signal: the loop never yields by itself.
func preemption() (string, error) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	var stop atomic.Bool
	go func() {
		for n := 0; !stop.Load(); n++ {
		}
	}()
	time.Sleep(time.Millisecond)
	stop.Store(true)
	return "a loop that never yields was interrupted", nil
}

func threads() (string, error) {
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			runtime.LockOSThread() // and never unlocked: the thread ends with its goroutine
			time.Sleep(time.Millisecond)
		})
	}
	group.Wait()
	return "8 goroutines had a thread of their own each", nil
}

func files() (string, error) {
	folder, err := os.MkdirTemp("", "tour")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(folder)
	path := filepath.Join(folder, "log")
	if err := os.WriteFile(path, []byte("kept"), 0o600); err != nil {
		return "", err
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	if _, err := os.Open("/no/such"); !errors.Is(err, os.ErrNotExist) {
		return "", fmt.Errorf("opening a file that is not there gave %v", err)
	}
	return "written, read back: " + string(content), nil
}

func arguments() (string, error) {
	return fmt.Sprintf("%q", os.Args[1:]), nil
}
