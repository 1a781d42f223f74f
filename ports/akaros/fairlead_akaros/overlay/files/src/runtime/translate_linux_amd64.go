package runtime

import (
	"unsafe"
	"usys"
)

// Numbers of Linux' that Akaros numbers otherwise, and Akaros' own (ros/fs.h, ros/bits/event.h).
const (
	linux_AT_FDCWD      = -100
	linux_O_ACCMODE     = 3
	linux_O_SYNC        = 0x101000
	linux_O_PATH        = 0x200000
	linux_O_TMPFILE     = 0x400000
	linux_O_LARGEFILE   = 0x8000
	linux_AT_NOFOLLOW   = 0x100
	linux_AT_REMOVEDIR  = 0x200
	linux_AT_EMPTY_PATH = 0x1000
	linux_F_DUPFD       = 0
	linux_F_GETFL       = 3
	linux_F_SETFL       = 4
	linux_FUTEX_COMMAND = 0x7f
	linux_ENOSYS        = 38
	linux_ESRCH         = 3
	linux_EFAULT        = 14
	linux_ENOMEM        = 12
	linux_EINVAL        = 22
	linux_EISDIR        = 21

	akaros_O_READ  = 1
	akaros_O_WRITE = 2
	akaros_O_SYNC  = 0x1000
	akaros_O_PATH  = 0x8000

	akaros_MAP_FLAGS = 0x01 | 0x02 | 0x10 | 0x20 | 0x2000 | 0x8000

	akaros_UMAPTOP = 0x7f7fff9ff000 // ros/memlayout.h: end of the memory that a process may map

	akaros_EV_POSIX_SIGNAL = 12
)

// kernel makes a system call: a struct syscall on a safe stack, handed over by go_syscall.
//
//go:nosplit
func (f *callFrame) kernel(number uint64, a0, a1, a2, a3, a4, a5 uintptr) {
	if f.quietly(number, a0, a1, a2, a3, a4, a5) && f.why != nil {
		*f.why = f.room.call.Errstr
	}
}

// quietly makes a system call as kernel does and keeps what went wrong to itself: did anything?
//
//go:nosplit
func (f *callFrame) quietly(number uint64, a0, a1, a2, a3, a4, a5 uintptr) bool {
	s := &f.room.call
	s.Num, s.Err, s.Retval, s.Flags, s.EvQ, s.UData = uint32(number), 0, 0, 0, 0, 0
	s.Arg = [6]uintptr{a0, a1, a2, a3, a4, a5}
	s.Errstr[0] = 0
	arg := uintptr(unsafe.Pointer(s))
	invokeHere(usys.Address(usys.USYS_GO_SYSCALL), &arg, 1)
	if s.Retval != -1 {
		f.ret = uintptr(s.Retval)
		return false
	}
	if s.Err == 0 { // the kernel does not say why it knows no such call
		s.Err = linux_ENOSYS
	}
	f.ret = uintptr(-int(s.Err))
	return true
}

// function calls one of the scheduler's functions, which answer like Linux' calls.
//
//go:nosplit
func (f *callFrame) function(address uintptr, n int) {
	f.ret = uintptr(invokeHere(address, &f.arg[0], n))
}

// posix makes a call that neither Akaros' kernel nor its scheduler has: parlib serves it by Linux' number, and
// says why not where f.why wants to know.
//
//go:nosplit
func (f *callFrame) posix() {
	arg := uintptr(unsafe.Pointer(f))
	f.ret = uintptr(invokeHere(usys.Address(usys.USYS_POSIX_CALL), &arg, 1))
}

//go:nosplit
func (f *callFrame) fail(errno int) { f.ret = uintptr(-errno) }

// userMove copies n bytes of the program's; false if some cannot be read, or written.
//
//go:noescape
func userMove(to, from, n uintptr) bool

// length is how long the string at p is; where memory ends before the string does, two bytes more than there
// are, so that the kernel, which is told how long a path is, finds that out.
func length(p uintptr) uintptr

// load fetches n bytes of the program's; false, and EFAULT, if they are not there.
//
//go:nosplit
func (f *callFrame) load(to unsafe.Pointer, from, n uintptr) bool {
	if userMove(uintptr(to), from, n) {
		return true
	}
	f.fail(linux_EFAULT)
	return false
}

// store hands n bytes to the program; the answer is ret, or EFAULT.
//
//go:nosplit
func (f *callFrame) store(to uintptr, from unsafe.Pointer, n, ret uintptr) {
	f.ret = ret
	if !userMove(to, uintptr(from), n) {
		f.fail(linux_EFAULT)
	}
}

// room: are there n bytes to write to? Nothing is changed.
//
//go:nosplit
func room(at, n uintptr) bool {
	for done := uintptr(0); done < n; done += 4096 {
		if !userMove(at+done, at+done, 1) {
			return false
		}
	}
	return userMove(at+n-1, at+n-1, 1)
}

// fromCwd: is the path at p one that Akaros' calls take, absolute or relative to the working directory?
//
//go:nosplit
func fromCwd(dirfd, p uintptr) bool {
	var first byte
	return int32(dirfd) == linux_AT_FDCWD || userMove(uintptr(unsafe.Pointer(&first)), p, 1) && first == '/'
}

// akarosFlags are file flags as Akaros numbers them.
//
//go:nosplit
func akarosFlags(linux uintptr) uintptr {
	flags := linux &^ (linux_O_ACCMODE | linux_O_SYNC | linux_O_PATH | linux_O_LARGEFILE)
	if linux&linux_O_SYNC == linux_O_SYNC {
		flags |= akaros_O_SYNC
	}
	if linux&linux_O_PATH != 0 {
		return flags | akaros_O_PATH
	}
	switch linux & linux_O_ACCMODE {
	case 0:
		flags |= akaros_O_READ
	case 1:
		flags |= akaros_O_WRITE
	default:
		flags |= akaros_O_READ | akaros_O_WRITE
	}
	return flags
}

// linuxFlags are file flags as Linux numbers them.
//
//go:nosplit
func linuxFlags(akaros uintptr) uintptr {
	flags := akaros &^ (7 | akaros_O_SYNC | akaros_O_PATH)
	switch akaros & (akaros_O_READ | akaros_O_WRITE) {
	case akaros_O_WRITE:
		flags |= 1
	case akaros_O_READ | akaros_O_WRITE:
		flags |= 2
	}
	if akaros&akaros_O_SYNC != 0 {
		flags |= linux_O_SYNC
	}
	if akaros&akaros_O_PATH != 0 {
		flags |= linux_O_PATH
	}
	return flags
}

//go:nosplit
func (f *callFrame) translateOpenat() {
	a := &f.arg
	if !fromCwd(a[0], a[1]) || a[2]&linux_O_TMPFILE != 0 {
		f.posix()
		return
	}
	cwd := linux_AT_FDCWD
	f.kernel(usys.Constant(usys.SYS_OPENAT), uintptr(cwd), a[1], length(a[1]), akarosFlags(a[2]), a[3], 0)
}

// kstat is Akaros' struct kstat.
type kstat struct {
	dev, ino         uint64
	mode             uint32
	nlink            uint64
	uid, gid         uint32
	rdev             uint64
	size             int64
	blksize, blocks  int64
	atim, mtim, ctim timespec
}

// linuxStat is Linux' struct stat for amd64.
type linuxStat struct {
	dev, ino, nlink       uint64
	mode, uid, gid, _     uint32
	rdev                  uint64
	size, blksize, blocks int64
	atim, mtim, ctim      timespec
	_                     [3]int64
}

//go:nosplit
func (f *callFrame) stat(number uint64, a0, a1 uintptr, n int, to uintptr) {
	k := &f.room.stat
	at := uintptr(unsafe.Pointer(k))
	if n == 1 {
		f.kernel(number, a0, at, 0, 0, 0, 0)
	} else {
		f.kernel(number, a0, a1, at, 0, 0, 0)
	}
	if f.ret == 0 {
		l := &f.room.linuxStat
		l.dev, l.ino, l.nlink, l.mode, l.uid, l.gid, l.rdev = k.dev, k.ino, k.nlink, k.mode, k.uid, k.gid, k.rdev
		l.size, l.blksize, l.blocks = k.size, k.blksize, k.blocks
		l.atim, l.mtim, l.ctim = k.atim, k.mtim, k.ctim
		f.store(to, unsafe.Pointer(l), unsafe.Sizeof(*l), 0)
	}
}

//go:nosplit
func (f *callFrame) translateFstat() { f.stat(usys.Constant(usys.SYS_FSTAT), f.arg[0], 0, 1, f.arg[1]) }

//go:nosplit
func (f *callFrame) translateStat() {
	a := &f.arg
	if !fromCwd(a[0], a[1]) || a[3]&^linux_AT_NOFOLLOW != 0 {
		f.posix()
		return
	}
	number := usys.Constant(usys.SYS_STAT)
	if a[3] != 0 {
		number = usys.Constant(usys.SYS_LSTAT)
	}
	f.stat(number, a[1], length(a[1]), 2, a[2])
}

//go:nosplit
func (f *callFrame) translateFcntl() {
	a := &f.arg
	if a[1] > linux_F_SETFL {
		f.posix()
		return
	}
	arg := a[2]
	if a[1] == linux_F_SETFL {
		arg = akarosFlags(arg)
	}
	f.kernel(usys.Constant(usys.SYS_FCNTL), a[0], a[1], arg, 0, 0, 0)
	if a[1] == linux_F_GETFL && int(f.ret) >= 0 {
		f.ret = linuxFlags(f.ret)
	}
}

// translateRead: Akaros gives a directory's next entry, Linux refuses.
//
//go:nosplit
func (f *callFrame) translateRead() {
	a := &f.arg
	f.kernel(usys.Constant(usys.SYS_READ), a[0], a[1], a[2], 0, 0, 0)
	got := f.ret
	if (got == 0 || got == unsafe.Sizeof(kdirent{}) || got == ^uintptr(linux_EINVAL-1)) && f.isDirectory() {
		f.seek(0, 0, 0)
		if f.why != nil {
			f.why[0] = 0
		}
		f.fail(linux_EISDIR)
		return
	}
	f.ret = got
}

// atPath makes a call of a path that follows a descriptor.
//
//go:nosplit
func (f *callFrame) atPath(number uint64, more uintptr) {
	if !fromCwd(f.arg[0], f.arg[1]) {
		f.posix()
		return
	}
	f.kernel(number, f.arg[1], length(f.arg[1]), more, 0, 0, 0)
}

//go:nosplit
func (f *callFrame) translateAccess() { f.atPath(usys.Constant(usys.SYS_ACCESS), f.arg[2]) }

//go:nosplit
func (f *callFrame) translateMkdir() { f.atPath(usys.Constant(usys.SYS_MKDIR), f.arg[2]) }

//go:nosplit
func (f *callFrame) translateUnlink() {
	if f.arg[2]&linux_AT_REMOVEDIR != 0 {
		f.atPath(usys.Constant(usys.SYS_RMDIR), 0)
	} else {
		f.atPath(usys.Constant(usys.SYS_UNLINK), 0)
	}
}

//go:nosplit
func (f *callFrame) translateReadlink() {
	a := &f.arg
	if !fromCwd(a[0], a[1]) || a[3] < 2 {
		f.posix()
		return
	}
	f.kernel(usys.Constant(usys.SYS_READLINK), a[1], length(a[1]), a[2], a[3], 0, 0)
	if f.ret == a[3]-1 { // or more: the kernel keeps a place for its NUL
		f.posix()
	}
}

//go:nosplit
func (f *callFrame) translateRename() {
	a := &f.arg
	if !fromCwd(a[0], a[1]) || !fromCwd(a[2], a[3]) {
		f.posix()
		return
	}
	f.kernel(usys.Constant(usys.SYS_RENAME), a[1], length(a[1]), a[3], length(a[3]), 0, 0)
}

//go:nosplit
func (f *callFrame) translateSymlink() {
	a := &f.arg
	if !fromCwd(a[1], a[2]) {
		f.posix()
		return
	}
	f.kernel(usys.Constant(usys.SYS_SYMLINK), a[0], length(a[0]), a[2], length(a[2]), 0, 0)
}

//go:nosplit
func pid() uintptr {
	return uintptr(*(*int32)(unsafe.Pointer(uintptr(usys.Constant(usys.PROCINFO)) + procinfo_pid)))
}

//go:nosplit
func (f *callFrame) translateChdir() {
	f.kernel(usys.Constant(usys.SYS_CHDIR), pid(), f.arg[0], length(f.arg[0]), 0, 0, 0)
}

//go:nosplit
func (f *callFrame) translateFchdir() {
	f.kernel(usys.Constant(usys.SYS_FCHDIR), pid(), f.arg[0], 0, 0, 0, 0)
}

//go:nosplit
func (f *callFrame) translateGetcwd() {
	f.kernel(usys.Constant(usys.SYS_GETCWD), f.arg[0], f.arg[1], 0, 0, 0, 0)
	if int(f.ret) > 0 {
		f.ret++
	}
}

//go:nosplit
func (f *callFrame) translateLlseek() { f.seek(f.arg[1]>>32, f.arg[1]&0xffffffff, f.arg[2]) }

//go:nosplit
func (f *callFrame) seek(high, low, whence uintptr) {
	var result int64
	f.kernel(usys.Constant(usys.SYS_LLSEEK), f.arg[0], high, low, uintptr(unsafe.Pointer(&result)), whence, 0)
	if f.ret == 0 {
		f.ret = uintptr(result)
	}
}

// translateMmap: more than there is room for at all is EINVAL on Akaros.
//
//go:nosplit
func (f *callFrame) translateMmap() {
	a := &f.arg
	if a[5]&4095 != 0 {
		f.fail(linux_EINVAL)
		return
	}
	if a[1] > akaros_UMAPTOP {
		f.fail(linux_ENOMEM)
		return
	}
	f.kernel(usys.Constant(usys.SYS_MMAP), a[0], a[1], a[2], a[3]&akaros_MAP_FLAGS, uintptr(int32(a[4])), a[5]>>12)
}

//go:nosplit
func (f *callFrame) translateProcDestroy() {
	f.kernel(usys.Constant(usys.SYS_PROC_DESTROY), pid(), f.arg[0], 0, 0, 0, 0)
}

// translateNotify: -1 is every process but this one, and there is none; the first's group would be -1 too.
//
//go:nosplit
func (f *callFrame) translateNotify() {
	target := int32(f.arg[0])
	if target == -1 {
		f.fail(linux_ESRCH)
		return
	}
	if target != int32(pid()) && target != 0 && target != -int32(pid()) || f.arg[1] == 0 {
		f.posix()
		return
	}
	message := [3]uint64{akaros_EV_POSIX_SIGNAL | uint64(f.arg[1])<<16}
	f.kernel(usys.Constant(usys.SYS_NOTIFY), pid(), akaros_EV_POSIX_SIGNAL, uintptr(unsafe.Pointer(&message)), 0, 0, 0)
}

// translateNunmount: a source of nil is none.
//
//go:nosplit
func (f *callFrame) translateNunmount() {
	a := &f.arg
	source := uintptr(0)
	if a[0] != 0 {
		source = length(a[0])
	}
	f.kernel(usys.Constant(usys.SYS_NUNMOUNT), a[0], source, a[1], length(a[1]), 0, 0)
}

//go:nosplit
func (f *callFrame) translateGetpid() { f.ret = pid() }

//go:nosplit
func (f *callFrame) translateExit() {
	f.arg[0] = 0 // nobody waits for a word to clear
	f.function(usys.Address(usys.USYS_PTHREAD_EXIT), 1)
}

//go:nosplit
func (f *callFrame) translateTgkill() {
	f.arg[0], f.arg[1] = f.arg[1], f.arg[2]
	f.function(usys.Address(usys.USYS_PTHREAD_KILL), 2)
}

//go:nosplit
func (f *callFrame) translateFutex() {
	a := &f.arg
	op := a[1] & linux_FUTEX_COMMAND
	if op > 1 {
		f.posix()
		return
	}
	args := [6]uintptr{a[0], op, a[2], a[3], 0, 0}
	f.ret = uintptr(invokeHere(usys.Address(usys.USYS_FUTEX), &args[0], len(args)))
}

//go:nosplit
func (f *callFrame) translateSchedGetaffinity() {
	size, to := f.arg[1], f.arg[2]
	if size < 8 {
		f.fail(linux_EINVAL)
		return
	}
	n := *(*uint64)(unsafe.Pointer(uintptr(usys.Constant(usys.PROCINFO)) + procinfo_max_vcores))
	set := uint64(1)<<n - 1
	f.store(to, unsafe.Pointer(&set), unsafe.Sizeof(set), unsafe.Sizeof(set))
}

// translateSetitimer: the profiling timer is the scheduler's profiling alarm.
//
//go:nosplit
func (f *callFrame) translateSetitimer() {
	if f.arg[0] != _ITIMER_PROF || f.arg[1] == 0 {
		f.posix()
		return
	}
	var timer itimerval
	if !f.load(unsafe.Pointer(&timer), f.arg[1], unsafe.Sizeof(timer)) {
		return
	}
	interval := timer.it_interval
	usec := uintptr(interval.tv_sec*1e6 + interval.tv_usec)
	if usec == 0 {
		f.function(usys.Address(usys.USYS_DISABLE_PROFALARM), 0)
		return
	}
	f.arg[0] = usec
	f.function(usys.Address(usys.USYS_ENABLE_PROFALARM), 1)
}

// translateTimerCreate: no timers of single threads, so that the runtime profiles with setitimer.
//
//go:nosplit
func (f *callFrame) translateTimerCreate() {
	if f.arg[0] == _CLOCK_THREAD_CPUTIME_ID {
		f.fail(linux_EINVAL)
		return
	}
	f.posix()
}

//go:nosplit
func (f *callFrame) translateClockGettime() {
	wall, mono := walltimeNow()
	switch f.arg[0] {
	case 0, 5: // CLOCK_REALTIME, CLOCK_REALTIME_COARSE
		mono = wall
	case 1, 4, 6, 7: // CLOCK_MONOTONIC and its kin
	default:
		f.posix()
		return
	}
	now := timespec{mono / 1e9, mono % 1e9}
	f.store(f.arg[1], unsafe.Pointer(&now), unsafe.Sizeof(now), 0)
}

//go:nosplit
func (f *callFrame) translateGettimeofday() {
	f.ret = 0
	if f.arg[0] != 0 {
		wall, _ := walltimeNow()
		now := timeval{wall / 1e9, wall % 1e9 / 1e3}
		f.store(f.arg[0], unsafe.Pointer(&now), unsafe.Sizeof(now), 0)
	}
}
