package main

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
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
	part("syscall.results", results)
	part("syscall.errors", refusals)
	part("syscall.unknown", unknown)
	part("syscall.restarted", restarted)
	part("syscall.interrupted", interrupted)
	part("syscall.deadline", pipeDeadlines)
	part("syscall.futex", futexes)
	part("syscall.short", short)
	part("syscall.nonblocking", nonblocking)
	part("syscall.large", large)
	part("syscall.polling", polling)
	part("syscall.blocking", blocking)
	part("syscall.readonly", readOnly)
	part("syscall.streams", streams)
}

// results come back whole: all 64 bits, small numbers and large, and through pointers.
func results([]string) string {
	var f findings
	file, err := os.OpenFile("/tmp/kit-results", os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o640)
	if err != nil {
		return err.Error()
	}
	fd := int(file.Fd())
	for _, at := range []int64{0, 1, 4095, 1 << 20, 1<<31 - 1, 1 << 31, 1<<32 + 5, 1 << 40} {
		got, err := syscall.Seek(fd, at, 0)
		f.want(got == at && err == nil, "lseek to %d gave %d, %v", at, got, err)
	}
	got, err := syscall.Seek(fd, -7, 1)
	f.want(got == 1<<40-7 && err == nil, "lseek by -7 from %d gave %d, %v", 1<<40, got, err)
	n, err := file.WriteAt([]byte("results"), 3)
	f.want(n == 7 && err == nil, "a write of 7 bytes gave %d, %v", n, err)
	var stat syscall.Stat_t
	err = syscall.Fstat(fd, &stat)
	f.want(err == nil && stat.Size == 10 && stat.Mode == syscall.S_IFREG|0o640 && stat.Nlink == 1,
		"a file of 10 bytes and mode 0640 has size %d, mode %#o, %d links, %v", stat.Size, stat.Mode, stat.Nlink, err)
	buffer := make([]byte, 20)
	n, err = syscall.Pread(fd, buffer, 1)
	f.want(n == 9 && string(buffer[:9]) == "\x00\x00results", "reading it from byte 1 on gave %q, %v", buffer[:max(n, 0)], err)
	at, err := syscall.Seek(fd, 0, 1)
	f.want(at == 1<<40-7, "transfers at given places moved a file to %d, %v", at, err)
	var random [2][40]byte
	for i := range random {
		n, _, err := syscall.RawSyscall(sysGetrandom, uintptr(unsafe.Pointer(&random[i])), 40, 0)
		f.want(n == 40 && err == 0, "getrandom of 40 bytes gave %d, %v", int(n), err)
	}
	f.want(random[0] != random[1] && random[0] != [40]byte{} && random[1] != [40]byte{},
		"what is random is %v and %v", random[0], random[1])
	second, err := syscall.Dup(fd)
	f.want(err == nil && second > fd, "dup of %d gave %d, %v", fd, second, err)
	err = syscall.Fstat(second, &stat)
	f.want(err == nil && stat.Size == 10, "a duplicate's file has size %d, %v", stat.Size, err)
	syscall.Close(second)
	var pipe [2]int
	err = syscall.Pipe2(pipe[:], syscall.O_CLOEXEC)
	f.want(err == nil && pipe[0] == second && pipe[1] == second+1, "after %d was closed a pipe is %v, %v", second,
		pipe, err)
	pid, ppid := syscall.Getpid(), syscall.Getppid()
	f.want(pid > 0 && pid == os.Getpid() && pid != ppid, "the process is %d and its parent %d", pid, ppid)
	if err := os.MkdirAll("/tmp/kit-folder/a/b", 0o755); err != nil {
		f.add("folders cannot be made: %v", err)
	}
	f.want(os.Chdir("/tmp/kit-folder/a") == nil, "chdir was refused")
	where, err := syscall.Getwd()
	f.want(where == "/tmp/kit-folder/a", "the working directory is %q, %v", where, err)
	os.Symlink("b", "link")
	target, err := os.Readlink("link")
	f.want(target == "b", "a link to b leads to %q, %v", target, err)
	for i := range 300 {
		os.WriteFile(fmt.Sprintf("b/%s%d", strings.Repeat("n", i%40), i), nil, 0o600)
	}
	entries, err := os.ReadDir("link")
	f.want(len(entries) == 300 && err == nil, "a folder of 300 files lists %d, %v", len(entries), err)
	mask := syscall.Umask(0o27)
	f.want(syscall.Umask(mask) == 0o27, "umask does not answer the mask before")
	f.want(runtime.NumCPU() >= 1 && runtime.NumCPU() <= 1024, "there are %d processors", runtime.NumCPU())
	return f.result()
}

// refusals are error numbers that errors.Is finds and the library compares.
func refusals([]string) string {
	var f findings
	os.MkdirAll("/tmp/kit-errors/folder/full", 0o755)
	os.Chdir("/tmp/kit-errors")
	os.WriteFile("file", []byte("text"), 0o600)
	os.Symlink("loop", "loop")
	fd, err := syscall.Open("file", syscall.O_RDONLY, 0)
	f.want(err == nil, "a file cannot be opened: %v", err)
	writer, _ := syscall.Open("file", syscall.O_WRONLY, 0)
	var pipe, broken [2]int
	syscall.Pipe2(pipe[:], syscall.O_NONBLOCK)
	syscall.Pipe2(broken[:], 0)
	syscall.Close(broken[0])
	open := func(path string, flags int) error {
		fd, err := syscall.Open(path, flags, 0o600)
		if err == nil {
			syscall.Close(fd)
		}
		return err
	}
	buffer := make([]byte, 10)
	read := func(fd int) error { _, err := syscall.Read(fd, buffer); return err }
	write := func(fd int) error { _, err := syscall.Write(fd, buffer); return err }
	seek := func(fd, whence int) error { _, err := syscall.Seek(fd, -1, whence); return err }
	said := map[string]string{}
	for _, each := range []struct {
		what string
		got  error
		want syscall.Errno
		kind error
	}{
		{"opening what is not there", open("none", 0), syscall.ENOENT, fs.ErrNotExist},
		{"closing what is not open", syscall.Close(78), syscall.EBADF, nil},
		{"opening what is not there", open("none", 0), syscall.ENOENT, fs.ErrNotExist},
		{"opening in what is not there", open("none/none", 0), syscall.ENOENT, fs.ErrNotExist},
		{"opening in a file", open("file/none", 0), syscall.ENOTDIR, nil},
		{"opening a loop", open("loop", 0), syscall.ELOOP, nil},
		{"making what is there", open("file", syscall.O_CREAT|syscall.O_EXCL), syscall.EEXIST, fs.ErrExist},
		{"writing to a folder", open("folder", syscall.O_WRONLY), syscall.EISDIR, nil},
		{"opening a file as a folder", open("file", syscall.O_DIRECTORY), syscall.ENOTDIR, nil},
		{"a path without end", open(strings.Repeat("a/", 2100), 0), syscall.ENAMETOOLONG, nil},
		{"a folder that is there", syscall.Mkdir("folder", 0o700), syscall.EEXIST, fs.ErrExist},
		{"a folder in none", syscall.Mkdir("none/folder", 0o700), syscall.ENOENT, fs.ErrNotExist},
		{"removing a full folder", syscall.Rmdir("folder"), syscall.ENOTEMPTY, nil},
		{"renaming what is not there", syscall.Rename("none", "other"), syscall.ENOENT, fs.ErrNotExist},
		{"a link of that name", syscall.Symlink("file", "folder"), syscall.EEXIST, fs.ErrExist},
		{"changing into a file", syscall.Chdir("file"), syscall.ENOTDIR, nil},
		{"reading a closed descriptor", read(77), syscall.EBADF, nil},
		{"writing to a closed descriptor", write(77), syscall.EBADF, nil},
		{"closing what is not open", syscall.Close(77), syscall.EBADF, nil},
		{"a descriptor below zero", syscall.Close(-1), syscall.EBADF, nil},
		{"reading what is open for writing", read(writer), syscall.EBADF, nil},
		{"writing to what is open for reading", write(fd), syscall.EBADF, nil},
		{"an empty pipe", read(pipe[0]), syscall.EAGAIN, nil},
		{"a pipe that nobody reads", write(broken[1]), syscall.EPIPE, nil},
		{"seeking before the beginning", seek(fd, 0), syscall.EINVAL, nil},
		{"seeking from nowhere", seek(fd, 9), syscall.EINVAL, nil},
		{"seeking in a pipe", seek(pipe[0], 0), syscall.ESPIPE, nil},
		{"a signal for nobody", syscall.Kill(1<<20, 0), syscall.ESRCH, nil},
	} {
		if each.got == nil {
			f.add("%s is no error, and should be %v", each.what, each.want)
			continue
		}
		f.want(errors.Is(each.got, each.want), "%s: %v, and not %v", each.what, each.got, each.want)
		before, again := said[each.what]
		f.want(!again || before == each.got.Error(), "%s: %q, and before it was %q", each.what, each.got, before)
		said[each.what] = each.got.Error()
		f.want(each.kind == nil || errors.Is(each.got, each.kind), "%s: %v, which is no %q", each.what, each.got,
			each.kind)
		f.want(each.want != syscall.EAGAIN || each.got == each.want, "%s: %T, which loops do not know", each.what,
			each.got)
	}
	for _, each := range []struct {
		number uintptr
		a      [3]uintptr
		want   syscall.Errno
	}{
		{syscall.SYS_CLOSE, [3]uintptr{77}, syscall.EBADF},
		{syscall.SYS_READ, [3]uintptr{77, uintptr(unsafe.Pointer(&buffer[0])), 1}, syscall.EBADF},
		{syscall.SYS_MUNMAP, [3]uintptr{1, pageSize}, syscall.EINVAL},
		{syscall.SYS_MADVISE, [3]uintptr{1, pageSize, 4}, syscall.EINVAL},
		{syscall.SYS_EPOLL_CTL, [3]uintptr{77, 2, 0}, syscall.EBADF},
		{syscall.SYS_PRCTL, [3]uintptr{0x7777}, syscall.EINVAL},
	} {
		result, second, err := syscall.RawSyscall(each.number, each.a[0], each.a[1], each.a[2])
		f.want(err == each.want && result == ^uintptr(0), "call %d gave %d, %d, %v, and should fail with %v",
			each.number, int(result), second, err, each.want)
	}
	_, err = os.Open("none")
	var path *fs.PathError
	f.want(errors.As(err, &path) && path.Path == "none" && os.IsNotExist(err), "os.Open: %v", err)
	return f.result()
}

// unknown numbers are ENOSYS, and nothing else.
func unknown([]string) string {
	var f findings
	for _, number := range []uintptr{601, 777, 999, 2003, 4090} {
		for range 3 {
			result, _, err := syscall.Syscall6(number, 1, 2, 3, 4, 5, 6)
			f.want(err == syscall.ENOSYS && result == ^uintptr(0), "call %d gave %d, %v", number, int(result), err)
		}
	}
	return f.result()
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

// short reads give what there is; what is over waits, and after the end there is nothing.
func short([]string) string {
	var f findings
	var pipe [2]int
	if err := syscall.Pipe2(pipe[:], 0); err != nil {
		return err.Error()
	}
	buffer := make([]byte, 100)
	expect := func(what string, fd, size int, want string) {
		for i := range buffer {
			buffer[i] = '#'
		}
		n, err := syscall.Read(fd, buffer[:size])
		f.want(err == nil && n == len(want) && string(buffer[:len(want)]) == want, "%s: %q, %v", what,
			buffer[:max(n, 0)], err)
		f.want(strings.Trim(string(buffer[len(want):]), "#") == "", "%s changed bytes after those it read", what)
	}
	syscall.Write(pipe[1], []byte("abc"))
	expect("a read of 0 bytes", pipe[0], 0, "")
	expect("a read of 100 bytes where 3 are", pipe[0], 100, "abc")
	syscall.Write(pipe[1], []byte("defgh"))
	syscall.Write(pipe[1], []byte("ij"))
	expect("a read of 3 bytes where 7 are", pipe[0], 3, "def")
	expect("a read of 1 byte", pipe[0], 1, "g")
	expect("a read of what two writes left", pipe[0], 100, "hij")
	syscall.Write(pipe[1], []byte("end"))
	syscall.Close(pipe[1])
	expect("a read of what the writer left", pipe[0], 100, "end")
	expect("a read at the end", pipe[0], 100, "")
	expect("a second read at the end", pipe[0], 100, "")

	fd, err := syscall.Open("/tmp/kit-short", syscall.O_RDWR|syscall.O_CREAT|syscall.O_TRUNC, 0o600)
	if err != nil {
		return err.Error()
	}
	syscall.Write(fd, []byte("0123456789"))
	expect("a read at the end of a file", fd, 10, "")
	syscall.Seek(fd, 7, 0)
	expect("a read across the end of a file", fd, 100, "789")
	expect("a read at the end of a file", fd, 100, "")
	syscall.Seek(fd, 1000, 0)
	expect("a read behind the end of a file", fd, 100, "")
	n, err := syscall.Pread(fd, buffer, 4)
	f.want(n == 6 && err == nil && string(buffer[:6]) == "456789", "pread across the end: %d, %v", n, err)
	at, _ := syscall.Seek(fd, 0, 1)
	f.want(at == 1000, "pread moved a file from 1000 to %d", at)
	syscall.Write(fd, []byte("x"))
	n, err = syscall.Pread(fd, buffer[:5], 998)
	f.want(n == 3 && string(buffer[:3]) == "\x00\x00x", "a gap reads as %q, %v", buffer[:max(n, 0)], err)
	f.want(syscall.Ftruncate(fd, 4) == nil, "a file cannot be cut off")
	syscall.Seek(fd, 0, 0)
	expect("a read of a file that was cut off", fd, 100, "0123")
	f.want(syscall.Ftruncate(fd, 8) == nil, "a file cannot be made longer")
	expect("what was cut off", fd, 100, "\x00\x00\x00\x00")
	return f.result()
}

// nonblocking descriptors say EAGAIN, plainly, where others would wait.
func nonblocking([]string) string {
	var f findings
	var pipe [2]int
	if err := syscall.Pipe2(pipe[:], syscall.O_NONBLOCK); err != nil {
		return err.Error()
	}
	buffer := make([]byte, 1000)
	start := time.Now()
	for range 3 {
		n, err := syscall.Read(pipe[0], buffer)
		f.want(n <= 0 && err == syscall.EAGAIN, "a read of an empty pipe: %d, %v", n, err)
	}
	room := 0
	for {
		n, err := syscall.Write(pipe[1], buffer)
		if err != nil {
			f.want(err == syscall.EAGAIN, "a write to a full pipe: %v", err)
			break
		}
		f.want(n > 0 && n <= len(buffer), "a write of %d bytes wrote %d", len(buffer), n)
		room += n
		if !f.want(room <= 1<<22, "a pipe is not full after 4 MiB") {
			break
		}
	}
	f.want(room >= 4096, "a pipe takes %d bytes", room)
	f.want(time.Since(start) < 100*time.Millisecond, "calls that must not wait took %v", time.Since(start))
	n, err := syscall.Read(pipe[0], buffer)
	f.want(n == len(buffer) && err == nil, "a read of a full pipe: %d, %v", n, err)
	taken := n
	for taken < room {
		n, err := syscall.Read(pipe[0], buffer)
		if !f.want(n > 0 && err == nil, "%d bytes went into a pipe, and after %d comes %v", room, taken, err) {
			break
		}
		taken += n
	}
	// A write of more than there is room for is short, and what it says it wrote is there.
	all := make([]byte, 1<<21)
	for i := range all {
		all[i] = byte(i>>6 ^ i)
	}
	n, err = syscall.Write(pipe[1], all)
	f.want(n > 0 && n < len(all) && err == nil, "a write of 2 MiB to a pipe: %d, %v", n, err)
	copied := make([]byte, 1<<21)
	for taken = 0; ; {
		n, err := syscall.Read(pipe[0], copied[taken:])
		if n <= 0 {
			f.want(err == syscall.EAGAIN, "a read of a pipe that is empty by now: %d, %v", n, err)
			break
		}
		taken += n
	}
	f.want(taken == n && bytes.Equal(copied[:taken], all[:taken]), "of a short write of %d bytes %d came, or others",
		n, taken)
	// The flag can be taken off and put on again.
	f.want(syscall.SetNonblock(pipe[0], false) == nil, "O_NONBLOCK cannot be taken off")
	go func() {
		time.Sleep(time.Millisecond)
		syscall.Write(pipe[1], []byte("x"))
	}()
	n, err = syscall.Read(pipe[0], buffer)
	f.want(n == 1 && err == nil, "a read that waits: %d, %v", n, err)
	f.want(syscall.SetNonblock(pipe[0], true) == nil, "O_NONBLOCK cannot be set")
	_, err = syscall.Read(pipe[0], buffer)
	f.want(err == syscall.EAGAIN, "a read of an empty pipe: %v", err)
	return f.result()
}

// large transfers move every byte, through a file and through a pipe.
func large([]string) string {
	var f findings
	const size = 3<<20 + 12345
	data := make([]byte, size)
	x := uint32(1)
	for i := 0; i < size; i += 97 {
		x = x*1664525 + 1013904223
		data[i] = byte(x >> 24)
	}
	sum := crc32.ChecksumIEEE(data)
	fd, err := syscall.Open("/tmp/kit-large", syscall.O_RDWR|syscall.O_CREAT|syscall.O_TRUNC, 0o600)
	if err != nil {
		return err.Error()
	}
	n, err := syscall.Write(fd, data)
	f.want(n == size && err == nil, "a write of %d bytes: %d, %v", size, n, err)
	copied := make([]byte, size+100)
	n, err = syscall.Pread(fd, copied, 0)
	f.want(n == size && err == nil && crc32.ChecksumIEEE(copied[:size]) == sum, "reading %d bytes back: %d, %v",
		size, n, err)
	n, err = syscall.Pread(fd, copied[1:], 1<<20+1)
	f.want(n == size-1<<20-1 && string(copied[1:1+n]) == string(data[1<<20+1:]), "reading on from an odd place: %d, %v",
		n, err)
	reader, writer, err := os.Pipe()
	if err != nil {
		return err.Error()
	}
	go func() {
		n, err := writer.Write(data)
		f.want(n == size && err == nil, "a write of %d bytes to a pipe: %d, %v", size, n, err)
		writer.Close()
	}()
	at := 0
	for {
		n, err := reader.Read(copied[at:])
		at += n
		if err == io.EOF {
			break
		}
		if !f.want(err == nil && n > 0, "a read from a pipe: %d, %v", n, err) {
			break
		}
	}
	f.want(at == size && crc32.ChecksumIEEE(copied[:size]) == sum, "of %d bytes %d came through a pipe, or others",
		size, at)
	return f.result()
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
