package runtime

import (
	"unsafe"
	"usys"
)

// What Akaros' C library makes of wstat, fwstat and reads of directories (ros/fs.h, ros/bits/syscall.h).
const (
	akaros_WSTAT_MODE   = 1
	akaros_WSTAT_ATIME  = 2
	akaros_WSTAT_MTIME  = 4
	akaros_WSTAT_LENGTH = 8
	akaros_F_SYNC       = 101

	linux_UTIME_NOW  = 0x3fffffff
	linux_UTIME_OMIT = 0x3ffffffe
	linux_S_IFMT     = 0xf000
	linux_S_IFDIR    = 0x4000
)

// statMessage is a stat message of 9P as Akaros has extended it. Offsets of what is changed here:
const (
	message_mode    = 21
	message_length  = 33
	message_strings = 41
	message_atime   = 63
	message_mtime   = 111
)

type statMessage [127]byte

// clear makes a message that changes nothing: all ones, five empty strings.
//
//go:nosplit
func (m *statMessage) clear() {
	for i := range m {
		m[i] = 0xff
	}
	m[0], m[1] = byte(len(m)-2), 0
	for i := message_strings; i < message_strings+10; i++ {
		m[i] = 0
	}
}

//go:nosplit
func (m *statMessage) word(at uintptr, value int64) {
	*(*int64)(unsafe.Pointer(uintptr(unsafe.Pointer(m)) + at)) = value
}

// time sets a time, unless it is to stay; now is the present.
//
//go:nosplit
func (m *statMessage) time(at uintptr, t timespec, now int64) (set bool) {
	switch t.tv_nsec {
	case linux_UTIME_OMIT:
		return false
	case linux_UTIME_NOW:
		t = timespec{now / 1e9, now % 1e9}
	}
	m.word(at, t.tv_sec)
	m.word(at+8, t.tv_nsec)
	return true
}

// alter sends the message for a path, or for descriptor fd where that is 0.
//
//go:nosplit
func (f *callFrame) alter(path, fd uintptr, flags uintptr) {
	message, size := uintptr(unsafe.Pointer(&f.room.change)), unsafe.Sizeof(f.room.change)
	if path != 0 {
		f.kernel(usys.Constant(usys.SYS_WSTAT), path, length(path), message, size, flags, 0)
	} else {
		f.kernel(usys.Constant(usys.SYS_FWSTAT), fd, message, size, flags, 0, 0)
	}
	if f.ret == size {
		f.ret = 0
	}
}

// mode changes permissions; other bits of a mode are not for wstat.
//
//go:nosplit
func (f *callFrame) mode(path, fd, mode uintptr) {
	if mode&^0o777 != 0 {
		f.posix()
		return
	}
	m := &f.room.change
	m.clear()
	*(*uint32)(unsafe.Pointer(&m[message_mode])) = uint32(mode)
	f.alter(path, fd, akaros_WSTAT_MODE)
}

//go:nosplit
func (f *callFrame) translateFchmod() { f.mode(0, f.arg[0], f.arg[1]) }

//go:nosplit
func (f *callFrame) translateFchmodat() {
	if f.arg[1] == 0 || !fromCwd(f.arg[0], f.arg[1]) {
		f.posix()
		return
	}
	f.mode(f.arg[1], 0, f.arg[2])
}

// length changes a size; -1 would be none to wstat.
//
//go:nosplit
func (f *callFrame) size(path, fd, size uintptr) {
	if int64(size) < 0 {
		f.posix()
		return
	}
	m := &f.room.change
	m.clear()
	m.word(message_length, int64(size))
	f.alter(path, fd, akaros_WSTAT_LENGTH)
}

//go:nosplit
func (f *callFrame) translateTruncate() {
	if f.arg[0] == 0 {
		f.posix()
		return
	}
	f.size(f.arg[0], 0, f.arg[1])
}

//go:nosplit
func (f *callFrame) translateFtruncate() { f.size(0, f.arg[0], f.arg[1]) }

//go:nosplit
func settable(t timespec) bool {
	whole := uint64(t.tv_nsec) < 1e9 && t.tv_sec != -1 // -1 would be none to wstat
	return whole || t.tv_nsec == linux_UTIME_NOW || t.tv_nsec == linux_UTIME_OMIT
}

//go:nosplit
func (f *callFrame) translateUtimensat() {
	a := &f.arg
	fromCwd := fromCwd(a[0], a[1])
	if fromCwd == (a[1] == 0) || a[3] != 0 { // without a path it is the descriptor's
		f.posix()
		return
	}
	times := [2]timespec{{0, linux_UTIME_NOW}, {0, linux_UTIME_NOW}}
	if a[2] != 0 && !f.load(unsafe.Pointer(&times), a[2], unsafe.Sizeof(times)) {
		return
	}
	if !settable(times[0]) || !settable(times[1]) {
		f.posix()
		return
	}
	wall, _ := walltimeNow()
	m := &f.room.change
	m.clear()
	flags := uintptr(0)
	if m.time(message_atime, times[0], wall) {
		flags |= akaros_WSTAT_ATIME
	}
	if m.time(message_mtime, times[1], wall) {
		flags |= akaros_WSTAT_MTIME
	}
	f.alter(a[1], a[0], flags)
}

//go:nosplit
func (f *callFrame) translateFsync() {
	f.kernel(usys.Constant(usys.SYS_FCNTL), f.arg[0], akaros_F_SYNC, 0, 0, 0, 0)
}

// kdirent is Akaros' struct kdirent, what a read of a directory gives.
type kdirent struct {
	ino    uint64
	off    int64
	reclen uint16
	typ    uint8
	name   [256]byte
}

// linuxDirent is the start of Linux' struct linux_dirent64.
type linuxDirent struct {
	ino    uint64
	off    int64
	reclen uint16
	typ    uint8
}

const direntName = 19 // where in both the name is

// isDirectory: does the call's descriptor lead to one?
//
//go:nosplit
func (f *callFrame) isDirectory() bool {
	f.quietly(usys.Constant(usys.SYS_FSTAT), f.arg[0], uintptr(unsafe.Pointer(&f.room.stat)), 0, 0, 0, 0)
	return f.ret == 0 && f.room.stat.mode&linux_S_IFMT == linux_S_IFDIR
}

// translateGetdents: one read gives one entry.
//
//go:nosplit
func (f *callFrame) translateGetdents() {
	fd, to, size := f.arg[0], f.arg[1], uintptr(uint32(f.arg[2]))
	entry := &f.room.entry
	if size < unsafe.Sizeof(*entry) || !room(to, size) || !f.isDirectory() {
		f.posix() // for the C library to refuse
		return
	}
	done := uintptr(0)
	for size-done >= unsafe.Sizeof(*entry) {
		f.kernel(usys.Constant(usys.SYS_READ), fd, uintptr(unsafe.Pointer(entry)), unsafe.Sizeof(*entry), 0, 0, 0)
		if f.ret != unsafe.Sizeof(*entry) {
			if done == 0 && int(f.ret) < 0 {
				return
			}
			break
		}
		n := uintptr(entry.reclen)
		length := (direntName + n + 1 + 7) &^ 7
		at := to + done
		done += length
		d := (*linuxDirent)(unsafe.Pointer(at))
		d.ino, d.off, d.reclen, d.typ = entry.ino, int64(done), uint16(length), entry.typ
		for i := uintptr(0); i < length-direntName; i++ {
			c := byte(0)
			if i < n && i < uintptr(len(entry.name)) {
				c = entry.name[i]
			}
			*(*byte)(unsafe.Pointer(at + direntName + i)) = c
		}
	}
	f.ret = done
}
