package main

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"unsafe"
)

func init() {
	part("syscall.pointers", pointers)
	part("syscall.edges", edges)
}

// here is AT_FDCWD.
const here = ^uintptr(99)

// A tried call has good arguments; bad pointers are tried in the places named. "read" is what the call only
// reads there, "part" that it moves what it can, and refuses addresses of no program's by EINVAL if it likes;
// "null" is no error, "odd" may be EINVAL.
type tried struct {
	name   string
	number uintptr
	good   []uintptr
	places []place
}

type place struct {
	at    int
	flags string
}

// bad pointers, and what is bad about them.
type badPointer struct {
	what string
	at   uintptr
}

// withHole maps pages, and after them one that cannot be accessed.
func withHole(count uintptr) uintptr {
	at := pages(count + 1)
	setRights(at+count*pageSize, pageSize, syscall.PROT_NONE)
	return at
}

func cString(words string) uintptr {
	at := pages(1)
	copy(bytesAt(at, pageSize), words+"\x00")
	return at
}

// badPointers lead nowhere, or across the edge of what there is.
func badPointers() []badPointer {
	edge := withHole(1) + pageSize - 1
	store(edge, 'x') // a path of one letter, and no end
	locked := withHole(1)
	dirty(locked, pageSize, 0x7878787878787878)
	setRights(locked, pageSize, syscall.PROT_READ)
	reserved := withHole(1)
	setRights(reserved, pageSize, syscall.PROT_NONE)
	return []badPointer{
		{"null", 0}, {"odd", 1}, {"unmapped", 0xdead0000}, {"not canonical", 1 << 47}, {"the kernel's", 1 << 63},
		{"the last byte", ^uintptr(0)}, {"the last page", ^uintptr(pageSize - 1)},
		{"across an edge", edge}, {"read-only", locked}, {"reserved", reserved},
	}
}

// pointers that lead nowhere are EFAULT in every place of every call, and nothing has happened by then.
func pointers([]string) string {
	var f findings
	const name, link, other = "/tmp/kit-file", "/tmp/kit-link", "/tmp/kit-other"
	os.WriteFile(name, []byte(strings.Repeat("0123456789", 1000)), 0o600)
	os.WriteFile(other, make([]byte, 100), 0o600)
	os.Symlink(name, link)
	open := func(path string, flags int) uintptr {
		fd, err := syscall.Open(path, flags, 0)
		f.want(err == nil, "%s cannot be opened: %v", path, err)
		return uintptr(fd)
	}
	file, writable, folder := open(name, syscall.O_RDWR), open(other, syscall.O_RDWR), open("/tmp", 0)
	var pipe [2]int
	if err := syscall.Pipe2(pipe[:], syscall.O_NONBLOCK); err != nil {
		return err.Error()
	}
	reader, writer := uintptr(pipe[0]), uintptr(pipe[1])
	syscall.Write(pipe[1], []byte("in the pipe"))
	epoll, err := syscall.EpollCreate1(0)
	f.want(err == nil, "no epoll: %v", err)
	syscall.EpollCtl(epoll, syscall.EPOLL_CTL_ADD, pipe[0], &syscall.EpollEvent{Events: syscall.EPOLLIN})
	path, fresh, away := cString(name), cString("/tmp/kit-new"), cString(link)
	buffer, nothing := withHole(16), pages(1)
	in := func(at int) place { return place{at, "read"} }
	out := func(at int) place { return place{at, ""} }
	optional := func(p place) place { return place{p.at, p.flags + " null"} }
	for _, call := range []tried{
		{"openat", syscall.SYS_OPENAT, []uintptr{here, path, 0, 0}, []place{in(1)}},
		{"mkdirat", syscall.SYS_MKDIRAT, []uintptr{here, fresh, 0o700}, []place{in(1)}},
		{"unlinkat", syscall.SYS_UNLINKAT, []uintptr{here, fresh, 0}, []place{in(1)}},
		{"symlinkat", syscall.SYS_SYMLINKAT, []uintptr{path, here, fresh}, []place{in(0), in(2)}},
		{"linkat", syscall.SYS_LINKAT, []uintptr{here, path, here, fresh, 0}, []place{in(1), in(3)}},
		{"faccessat", syscall.SYS_FACCESSAT, []uintptr{here, path, 0}, []place{in(1)}},
		{"chdir", syscall.SYS_CHDIR, []uintptr{path}, []place{in(0)}},
		{"fchmodat", syscall.SYS_FCHMODAT, []uintptr{here, path, 0o600}, []place{in(1)}},
		{"truncate", syscall.SYS_TRUNCATE, []uintptr{path, 10000}, []place{in(0)}},
		{"utimensat", syscall.SYS_UTIMENSAT, []uintptr{here, path, nothing, 0},
			[]place{in(1), optional(in(2))}},
		{"readlinkat", syscall.SYS_READLINKAT, []uintptr{here, away, buffer, 100}, []place{in(1), out(2)}},
		{"fstatat", sysFstatat, []uintptr{here, path, buffer, 0}, []place{in(1), out(2)}},
		{"fstat", syscall.SYS_FSTAT, []uintptr{file, buffer}, []place{out(1)}},
		{"getcwd", syscall.SYS_GETCWD, []uintptr{buffer, 100}, []place{out(0)}},
		{"getdents64", syscall.SYS_GETDENTS64, []uintptr{folder, buffer, 4096}, []place{out(1)}},
		{"pipe2", syscall.SYS_PIPE2, []uintptr{buffer, 0}, []place{out(0)}},
		{"read", syscall.SYS_READ, []uintptr{reader, buffer, 4096}, []place{{1, "part"}}},
		{"pread64", syscall.SYS_PREAD64, []uintptr{file, buffer, 4096, 0}, []place{{1, "part"}}},
		{"write", syscall.SYS_WRITE, []uintptr{writer, buffer, 4096}, []place{{1, "read part"}}},
		{"pwrite64", syscall.SYS_PWRITE64, []uintptr{writable, buffer, 4096, 0}, []place{{1, "read part"}}},
		{"readv", syscall.SYS_READV, []uintptr{file, buffer, 2}, []place{in(1)}},
		{"writev", syscall.SYS_WRITEV, []uintptr{writable, buffer, 2}, []place{in(1)}},
		{"getrandom", sysGetrandom, []uintptr{buffer, 100, 0}, []place{{0, "part"}}},
		{"epoll_ctl", syscall.SYS_EPOLL_CTL, []uintptr{uintptr(epoll), 1, writer, buffer}, []place{in(3)}},
		{"epoll_pwait", syscall.SYS_EPOLL_PWAIT, []uintptr{uintptr(epoll), buffer, 8, 0, 0, 8}, []place{out(1)}},
		{"nanosleep", syscall.SYS_NANOSLEEP, []uintptr{nothing, 0}, []place{in(0)}},
		{"clock_gettime", syscall.SYS_CLOCK_GETTIME, []uintptr{1, buffer}, []place{out(1)}},
		{"gettimeofday", syscall.SYS_GETTIMEOFDAY, []uintptr{buffer, 0}, []place{optional(out(0))}},
		{"futex", syscall.SYS_FUTEX, []uintptr{nothing, 0, 1, 0, 0, 0}, []place{{0, "read odd"}}},
		{"rt_sigaction", syscall.SYS_RT_SIGACTION, []uintptr{10, 0, buffer, 8}, []place{optional(out(2))}},
		{"rt_sigprocmask", syscall.SYS_RT_SIGPROCMASK, []uintptr{0, nothing, buffer, 8},
			[]place{optional(in(1)), optional(out(2))}},
		{"sched_getaffinity", syscall.SYS_SCHED_GETAFFINITY, []uintptr{0, 8, buffer}, []place{out(2)}},
		{"prlimit64", syscall.SYS_PRLIMIT64, []uintptr{0, 7, 0, buffer}, []place{optional(out(3))}},
		{"getrusage", syscall.SYS_GETRUSAGE, []uintptr{0, buffer}, []place{out(1)}},
		{"uname", syscall.SYS_UNAME, []uintptr{buffer}, []place{out(0)}},
		{"setitimer", syscall.SYS_SETITIMER, []uintptr{0, nothing, 0}, []place{optional(in(1))}},
		{"sysinfo", syscall.SYS_SYSINFO, []uintptr{buffer}, []place{out(0)}},
	} {
		for _, place := range call.places {
			for _, pointer := range badPointers() {
				f.refused(call, place, pointer)
			}
		}
	}
	bad := func(array, value, length uintptr) {
		vector := wordsAt(array, 32)
		vector[0], vector[1], vector[2], vector[3] = uint64(value), uint64(length), uint64(buffer), 16
	}
	for _, pointer := range badPointers()[2:7] {
		for _, number := range []uintptr{syscall.SYS_READV, syscall.SYS_WRITEV} {
			bad(nothing, pointer.at, 100)
			n, _, err := syscall.Syscall(number, writable, nothing, 2)
			f.want(err == syscall.EFAULT, "vector with a pointer that is %s: %d, %v", pointer.what, int(n), err)
		}
	}
	next, err := syscall.Open(name, 0, 0)
	f.want(err == nil && uintptr(next) == uintptr(epoll)+1, "after calls that failed the next descriptor is %d, "+
		"and should be %d", next, epoll+1)
	data := make([]byte, 100)
	n, err := syscall.Read(pipe[0], data)
	f.want(n == 11 && string(data[:11]) == "in the pipe", "after reads that failed the pipe holds %q, %v",
		data[:max(n, 0)], err)
	at, err := syscall.Seek(int(file), 0, 1)
	f.want(at == 0, "after calls that failed the file stands at %d, %v", at, err)
	_, err = os.Lstat("/tmp/kit-new")
	f.want(os.IsNotExist(err), "a call that failed made a file: %v", err)
	return f.result()
}

// refused reports a call that a bad pointer does not make fail with EFAULT.
func (f *findings) refused(call tried, place place, pointer badPointer) {
	may := func(flag string) bool { return strings.Contains(place.flags, flag) }
	switch {
	case pointer.what == "null" && may("null"),
		pointer.what == "read-only" && may("read"),
		pointer.what == "across an edge" && may("part"):
		return
	}
	var a [6]uintptr
	copy(a[:], call.good)
	a[place.at] = pointer.at
	result, _, err := syscall.Syscall6(call.number, a[0], a[1], a[2], a[3], a[4], a[5])
	if err == syscall.EINVAL && (may("odd") && pointer.at&3 != 0 || may("part") && pointer.at >= 1<<47) {
		return
	}
	if err != syscall.EFAULT {
		said := fmt.Sprintf("%d (%v)", uintptr(err), err)
		if err == 0 {
			said = fmt.Sprintf("success and %d", int(result))
		}
		f.add("%s with a pointer as argument %d that is %s: %s, not EFAULT", call.name, place.at, pointer.what, said)
	}
}

// edges: of a transfer to or from memory that ends half-way either nothing is done, or as much as is said.
func edges([]string) string {
	var f findings
	const room = 40
	text := strings.Repeat("abcdefghijklmnopqrstuvwxyz", 20)
	os.WriteFile("/tmp/kit-edges", []byte(text), 0o600)
	file, err := syscall.Open("/tmp/kit-edges", syscall.O_RDWR, 0)
	if err != nil {
		return err.Error()
	}
	end := withHole(1) + pageSize
	at := end - room
	var pipe [2]int
	syscall.Pipe2(pipe[:], syscall.O_NONBLOCK)
	syscall.Write(pipe[1], []byte(text))
	partly := func(what string, n uintptr, err syscall.Errno) int {
		if err == syscall.EFAULT {
			return 0
		}
		f.want(err == 0 && n <= room, "%s of 100 bytes where memory ends after %d: %d, %v", what, room, int(n), err)
		return min(int(n), room)
	}
	taken := 0
	for range 3 {
		dirty(at, room, 0)
		n, _, err := syscall.Syscall(syscall.SYS_READ, uintptr(file), at, 100)
		moved := partly("a read", n, err)
		f.want(string(bytesAt(at, uintptr(moved))) == text[taken:taken+moved], "a short read gave other bytes")
		taken += moved
		offset, _ := syscall.Seek(file, 0, 1)
		f.want(int(offset) == taken, "after reads of %d bytes in all a file stands at %d", taken, offset)
	}
	taken = 0
	for range 3 {
		n, _, err := syscall.Syscall(syscall.SYS_READ, uintptr(pipe[0]), at, 100)
		moved := partly("a read from a pipe", n, err)
		f.want(string(bytesAt(at, uintptr(moved))) == text[taken:taken+moved], "a pipe gave other bytes")
		taken += moved
	}
	rest := make([]byte, 1000)
	n, err := syscall.Read(pipe[0], rest)
	f.want(n == len(text)-taken && string(rest[:max(n, 0)]) == text[taken:],
		"a pipe of %d bytes, %d of them read, holds %d more, %v", len(text), taken, n, err)
	copy(bytesAt(at, room), strings.Repeat("Z", room))
	written, _, errno := syscall.Syscall(syscall.SYS_WRITE, uintptr(pipe[1]), at, 100)
	moved := partly("a write to a pipe", written, errno)
	n, _ = syscall.Read(pipe[0], rest)
	f.want(max(n, 0) == moved && strings.Count(string(rest[:moved]), "Z") == moved,
		"of a write that moved %d bytes %d came out of the pipe", moved, n)
	written, _, errno = syscall.Syscall6(syscall.SYS_PWRITE64, uintptr(file), at, 100, 50, 0, 0)
	moved = partly("a write to a file", written, errno)
	data, _ := os.ReadFile("/tmp/kit-edges")
	want := text[:50] + strings.Repeat("Z", moved) + text[50+moved:]
	f.want(string(data) == want, "a write that moved %d bytes changed a file otherwise", moved)
	// The first part of a vector is good, the second is not.
	vector := (*[4]uintptr)(unsafe.Pointer(pages(1)))
	*vector = [4]uintptr{at, room, 1 << 62, 10}
	syscall.Seek(file, 0, 0)
	got, _, errno := syscall.Syscall(syscall.SYS_READV, uintptr(file), uintptr(unsafe.Pointer(vector)), 2)
	moved = partly("a vector", got, errno)
	f.want(string(bytesAt(at, uintptr(moved))) == want[:moved], "a vector gave other bytes")
	offset, _ := syscall.Seek(file, 0, 1)
	f.want(int(offset) == moved, "after %d bytes a file stands at %d", moved, offset)
	return f.result()
}
