package main

import (
	"fmt"
	"runtime"
	"sync"
	"syscall"
)

func init() {
	part("newosproc.ids", ids)
}

// ids are those of 20 threads that live at the same time, each asked for often.
func ids([]string) string {
	const threads = 20
	var all sync.Map
	var running, done sync.WaitGroup
	problem := make(chan string, threads)
	running.Add(threads)
	for range threads {
		done.Go(func() {
			runtime.LockOSThread()
			id := syscall.Gettid()
			if _, taken := all.LoadOrStore(id, true); taken || id <= 0 {
				problem <- fmt.Sprintf("thread id %d, which another living thread has, or none may have", id)
			}
			running.Done()
			running.Wait()
			for range 100 {
				runtime.Gosched()
				if again := syscall.Gettid(); again != id {
					problem <- fmt.Sprintf("a thread with id %d had id %d later", id, again)
					return
				}
			}
		})
	}
	done.Wait()
	select {
	case said := <-problem:
		return said
	default:
		return "ok"
	}
}
