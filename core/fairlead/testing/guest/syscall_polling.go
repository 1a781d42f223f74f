package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

func init() {
	part("syscall.polling", polling)
	part("syscall.blocking", blocking)
	part("syscall.readonly", readOnly)
	part("syscall.streams", streams)
}

// polling wakes who waits for a descriptor, for what was registered with it.
func polling([]string) string {
	var f findings
	epoll, err := syscall.EpollCreate1(0)
	if err != nil {
		return err.Error()
	}
	var pipes [6][2]int
	for i := range pipes {
		syscall.Pipe2(pipes[i][:], syscall.O_NONBLOCK)
		event := syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: int32(1000 + i), Pad: int32(-i - 1)}
		err := syscall.EpollCtl(epoll, syscall.EPOLL_CTL_ADD, pipes[i][0], &event)
		f.want(err == nil, "a pipe cannot be polled: %v", err)
	}
	events := make([]syscall.EpollEvent, 10)
	n, err := syscall.EpollWait(epoll, events, 0)
	f.want(n == 0 && err == nil, "%d of 6 empty pipes are ready, %v", n, err)
	start := time.Now()
	n, err = syscall.EpollWait(epoll, events, 30)
	took := time.Since(start)
	f.want(n == 0 && took >= 30*time.Millisecond && took < 60*time.Millisecond, "a poll of 30 ms: %d after %v, %v", n,
		took, err)
	for _, i := range []int{3, 0, 5} {
		go func() {
			time.Sleep(time.Millisecond)
			syscall.Write(pipes[i][1], []byte("x"))
		}()
		start := time.Now()
		n, err = syscall.EpollWait(epoll, events, 1000)
		took := time.Since(start)
		f.want(took < 100*time.Millisecond, "a pipe that is ready after 1 ms woke its poller after %v", took)
		f.want(n == 1 && err == nil && events[0].Fd == int32(1000+i) && events[0].Pad == int32(-i-1) &&
			events[0].Events == syscall.EPOLLIN, "pipe %d is ready: %d, %v, %v", i, n, events[:max(n, 0)], err)
		n, _ = syscall.EpollWait(epoll, events, 0)
		f.want(n == 1, "a pipe that was not read is not ready any more")
		var one [1]byte
		syscall.Read(pipes[i][0], one[:])
		n, _ = syscall.EpollWait(epoll, events, 0)
		f.want(n == 0, "an empty pipe is ready")
	}
	syscall.Write(pipes[1][1], []byte("x"))
	syscall.Close(pipes[4][1])
	n, _ = syscall.EpollWait(epoll, events, 0)
	f.want(n == 2 && events[0].Events|events[1].Events&^syscall.EPOLLIN != 0, "two of six pipes are ready: %v",
		events[:max(n, 0)])
	f.want(syscall.EpollCtl(epoll, syscall.EPOLL_CTL_DEL, pipes[1][0], nil) == nil, "a pipe stays polled")
	n, _ = syscall.EpollWait(epoll, events, 0)
	f.want(n == 1 && events[0].Fd == 1004, "after one was taken out the ready ones are %v", events[:max(n, 0)])

	// The runtime's own poller, of many goroutines at once, woken in another order.
	const count = 20
	var writers [count]*os.File
	var order atomic.Int32
	var group sync.WaitGroup
	var seen [count]int32
	for i := range count {
		reader, writer, err := os.Pipe()
		if err != nil {
			return err.Error()
		}
		writers[i] = writer
		group.Go(func() {
			var buffer [4]byte
			n, err := reader.Read(buffer[:])
			f.want(n == 1 && int(buffer[0]) == i && err == nil, "goroutine %d read %v, %v", i, buffer[:n], err)
			seen[i] = order.Add(1)
			n, err = reader.Read(buffer[:])
			f.want(n == 0 && err == io.EOF, "goroutine %d read %d at the end, %v", i, n, err)
		})
	}
	for step := range count {
		i := step * 7 % count
		time.Sleep(time.Millisecond)
		writers[i].Write([]byte{byte(i)})
		f.want(within(func() bool { return int(order.Load()) == step+1 }), "a goroutine that waits for a pipe was not "+
			"woken")
		if order.Load() != int32(step+1) {
			return f.result()
		}
	}
	for i := range writers {
		f.want(seen[i*7%count] == int32(i+1), "goroutine %d was woken as number %d", i*7%count, seen[i*7%count])
		writers[i].Close()
	}
	group.Wait()
	return f.result()
}

// blocking calls keep one thread, and no other.
func blocking([]string) string {
	var f findings
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	const count = 12
	var pipes [count][2]int
	var group sync.WaitGroup
	var done atomic.Int32
	for i := range pipes {
		syscall.Pipe2(pipes[i][:], 0)
		group.Go(func() {
			var buffer [8]byte
			n, err := syscall.Read(pipes[i][0], buffer[:])
			f.want(n == 1 && buffer[0] == byte(i) && err == nil, "blocked read %d: %d, %v, %v", i, n, buffer, err)
			done.Add(1)
		})
	}
	ticks := 0
	for start := time.Now(); time.Since(start) < 20*time.Millisecond; {
		time.Sleep(time.Millisecond)
		ticks++
	}
	f.want(ticks >= 10, "while %d threads wait in system calls, 20 ms have %d ticks", count, ticks)
	f.want(done.Load() == 0, "%d reads of empty pipes ended", done.Load())
	t := grown(5, 1)
	runtime.GC()
	f.want(t.whole(1), "a tree was spoiled")
	for i := count - 1; i >= 0; i-- {
		syscall.Write(pipes[i][1], []byte{byte(i)})
		f.want(within(func() bool { return int(done.Load()) == count-i }), "a blocked read was not woken")
	}
	if done.Load() != count {
		return f.result()
	}
	group.Wait()
	// A sleep is one too.
	var slept atomic.Int64
	for range 4 {
		group.Go(func() {
			request := syscall.NsecToTimespec(int64(50 * time.Millisecond))
			start := time.Now()
			syscall.Nanosleep(&request, nil)
			slept.Add(int64(time.Since(start)))
		})
	}
	start := time.Now()
	group.Wait()
	took := time.Since(start)
	f.want(took < 120*time.Millisecond && time.Duration(slept.Load()) >= 200*time.Millisecond,
		"4 threads that sleep 50 ms at the same time took %v, %v together", took, time.Duration(slept.Load()))
	return f.result()
}

// readOnly folders give their files, and refuse every change; what is written elsewhere is written.
func readOnly(arguments []string) string {
	var f findings
	locked, open := arguments[0], arguments[1]
	data, err := os.ReadFile(locked + "/file")
	f.want(string(data) == "kept", "a file in a read-only folder: %q, %v", data, err)
	for what, err := range map[string]error{
		"writing over": os.WriteFile(locked+"/file", []byte("lost"), 0o600),
		"making":       os.WriteFile(locked+"/new", nil, 0o600),
		"removing":     os.Remove(locked + "/file"),
		"a folder":     os.Mkdir(locked+"/folder", 0o700),
		"renaming":     os.Rename(locked+"/file", locked+"/other"),
		"cutting off":  os.Truncate(locked+"/file", 0),
		"a link":       os.Symlink("file", locked+"/link"),
		"rights":       os.Chmod(locked+"/file", 0o777),
		"times":        os.Chtimes(locked+"/file", time.Now(), time.Now()),
	} {
		f.want(errors.Is(err, syscall.EROFS), "%s in a read-only folder: %v, not EROFS", what, err)
	}
	file, err := os.Open(locked + "/file")
	if f.want(err == nil, "a file in a read-only folder: %v", err) {
		_, err = file.Write([]byte("lost"))
		f.want(err != nil, "what is open for reading can be written to")
	}
	_, err = os.ReadFile(locked + "/../secret")
	f.want(err != nil, "a file beside a folder that was mounted can be read")
	err = os.WriteFile(open+"/new", []byte("written"), 0o600)
	f.want(err == nil, "a folder that can be written to: %v", err)
	return f.result()
}

// streams copies standard input to standard output, and says on standard error how much it was.
func streams([]string) string {
	size, err := io.Copy(os.Stdout, os.Stdin)
	fmt.Fprintln(os.Stderr, size, err)
	os.Exit(7)
	return ""
}
