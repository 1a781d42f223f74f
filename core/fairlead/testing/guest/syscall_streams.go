package main

import (
	"bytes"
	"hash/crc32"
	"io"
	"os"
	"strings"
	"syscall"
	"time"
)

func init() {
	part("syscall.short", short)
	part("syscall.nonblocking", nonblocking)
	part("syscall.large", large)
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
