package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"strings"
	"syscall"
	"unsafe"
)

func init() {
	part("syscall.results", results)
	part("syscall.errors", refusals)
	part("syscall.unknown", unknown)
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
