package syscall

import (
	"internal/bytealg"
	"runtime"
	"usys"
)

// An AkaError is what Akaros' kernel says of a failed call: an error number, and why in words.
type AkaError struct {
	errno  Errno
	errstr string
}

// NewAkaError is the error for a number and a string; where there is no string it is the number itself.
func NewAkaError(errno Errno, errstr string) error {
	if errstr == "" {
		return errnoErr(errno)
	}
	return &AkaError{errno, errstr}
}

func (e *AkaError) Error() string   { return e.errstr }
func (e *AkaError) Errno() Errno    { return e.errno }
func (e *AkaError) Errstr() string  { return e.errstr }
func (e *AkaError) Temporary() bool { return e.errno.Temporary() }
func (e *AkaError) Timeout() bool   { return e.errno.Timeout() }
func (e *AkaError) Unwrap() error   { return e.errno }

// Is makes errors.Is find the number, and what the number stands for.
func (e *AkaError) Is(target error) bool {
	return target == error(e.errno) || e.errno.Is(target)
}

// IsErrno reports whether an error is errno, with a string or without.
func IsErrno(err error, errno Errno) bool {
	if err == error(errno) {
		return true
	}
	aka, ok := err.(*AkaError)
	return ok && aka.errno == errno
}

// An errstr is room for the string of a failed call.
type errstr [128]byte

// unfilled begins the strings that the kernel has where its authors left the words for later.
const unfilled = "This space in "

// err is the error for a number with this string. EINTR and EAGAIN stay plain: loops wait for them; so does
// EPIPE, which programs that write to a pipe compare with.
func (s *errstr) err(errno Errno) error {
	if errno == EINTR || errno == EAGAIN || errno == EPIPE || s[0] == 0 {
		return errnoErr(errno)
	}
	n := bytealg.IndexByte(s[:], 0)
	if n < 0 {
		n = len(s)
	}
	text := string(s[:n])
	if len(text) >= len(unfilled) && text[:len(unfilled)] == unfilled {
		return errnoErr(errno)
	}
	return &AkaError{errno, text}
}

// An Errstr is room for the string of a failed call that AkarosSyscall makes, for the standard library.
type Errstr = errstr

// Err is the error for a number that AkarosSyscall gave, with its string.
func (s *errstr) Err(errno Errno) error { return s.err(errno) }

// AkarosSyscall is Syscall6 with room for the error's string.
//
//go:uintptrkeepalive
//go:nosplit
func AkarosSyscall(why *Errstr, trap, a1, a2, a3, a4, a5, a6 uintptr) (r uintptr, err Errno) {
	return akarosSyscall(why, trap, a1, a2, a3, a4, a5, a6)
}

// AkarosSyscall3 is Syscall with room for the error's string.
//
//go:uintptrkeepalive
//go:nosplit
func AkarosSyscall3(why *Errstr, trap, a1, a2, a3 uintptr) (r uintptr, err Errno) {
	return akarosSyscall(why, trap, a1, a2, a3, 0, 0, 0)
}

// A callFrame is the runtime's.
type callFrame struct {
	num uintptr
	arg [6]uintptr
	ret uintptr
	why *errstr
	_   uintptr
}

//go:noescape
func akarosCall(f *callFrame)

// akarosSyscall makes a call that may block, akarosRawSyscall one that does not. The frame and the string are
// on this goroutine's stack, which cannot move in between: nothing here splits it.
//
//go:uintptrkeepalive
//go:nosplit
func akarosSyscall(why *errstr, trap, a1, a2, a3, a4, a5, a6 uintptr) (r uintptr, err Errno) {
	f := callFrame{num: trap, arg: [6]uintptr{a1, a2, a3, a4, a5, a6}, why: why}
	runtime_entersyscall()
	akarosCall(&f)
	runtime_exitsyscall()
	if f.ret > ^uintptr(4095) {
		return ^uintptr(0), Errno(-f.ret)
	}
	return f.ret, 0
}

//go:uintptrkeepalive
//go:nosplit
func akarosRawSyscall(why *errstr, trap, a1, a2, a3, a4, a5, a6 uintptr) (r uintptr, err Errno) {
	f := callFrame{num: trap, arg: [6]uintptr{a1, a2, a3, a4, a5, a6}, why: why}
	akarosCall(&f)
	if f.ret > ^uintptr(4095) {
		return ^uintptr(0), Errno(-f.ret)
	}
	return f.ret, 0
}

// A Childfdmap is one descriptor that DupFdsTo makes a process have, and whether it did: 0, or -1.
type Childfdmap struct {
	Parentfd, Childfd uint32
	Ok                int32
}

// Nunmount undoes what Nbind or Nmount put onto a path; with a source that is not empty only if it was that.
func Nunmount(source, onto string) (err error) {
	var from *byte
	if source != "" {
		if from, err = BytePtrFromString(source); err != nil {
			return err
		}
	}
	at, err := BytePtrFromString(onto)
	if err != nil {
		return err
	}
	return nunmount(from, at)
}

// Fd2path is the path that a descriptor was opened by.
func Fd2path(fd int) (path string, err error) {
	var buf [PathMax]byte
	if err := fd2path(fd, buf[:]); err != nil {
		return "", err
	}
	return string(buf[:bytealg.IndexByte(buf[:], 0)]), nil
}

// RunWithDeadline runs f, which makes one blocking call; if it still blocks at the time deadline, in
// nanoseconds since 1970, the call is aborted and fails with EINTR. Without a deadline it just runs f.
func RunWithDeadline(f func(), deadline int64) {
	if deadline <= 0 {
		f()
		return
	}
	runtime.LockOSThread()
	usec := (deadline + 999) / 1000
	alarm := usys.Call1(usys.USYS_ABORT_SYSCALL_AT_ABS_UNIX, uintptr(usec))
	f()
	usys.Call1(usys.USYS_UNSET_ALARM, uintptr(alarm))
	runtime.UnlockOSThread()
}
