// Deadline: a read that nobody answers, ended by an alarm that aborts the system call.
package main

import (
	"fmt"
	"runtime"
	"syscall"
	"time"
)

func init() { runtime.LockOSThread() } // main stays on uthread 1

func main() {
	var pipe [2]int
	if err := syscall.Pipe2(pipe[:], 0); err != nil {
		panic(err)
	}
	start := time.Now()
	var n int
	var err error
	syscall.RunWithDeadline(func() {
		n, err = syscall.Read(pipe[0], make([]byte, 1))
	}, start.Add(250*time.Millisecond).UnixNano())
	fmt.Println(n, err, time.Since(start).Round(time.Millisecond))
}
