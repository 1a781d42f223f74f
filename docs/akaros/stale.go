// Stale: the guide's old Syscall6. A stack moves between the moment when an address became a number and the
// call that uses it.
package main

import (
	"fmt"
	"os"
	"unsafe"
	"usys"
)

func parlibSyscall(num uint32, a0, a1, a2 uintptr) int64 {
	call := usys.Syscall{Num: num, Arg: [6]uintptr{a0, a1, a2}}
	usys.Call1(usys.USYS_GO_SYSCALL, uintptr(unsafe.Pointer(&call)))
	return call.Retval
}

//go:noinline
func syscall6(depth int, num, a0, a1, a2 uintptr) int64 {
	grow(depth)
	return parlibSyscall(uint32(num), a0, a1, a2)
}

//go:noinline
func grow(n int) byte {
	var room [1024]byte
	if n > 0 {
		room[n%1024] = grow(n - 1)
	}
	return room[n%512]
}

func main() {
	done := make(chan int64)
	go func() {
		var text [16]byte
		copy(text[:], "not stale\n")
		number := uintptr(usys.Constant(usys.SYS_WRITE))
		done <- syscall6(100*len(os.Args[1:]), number, 1, uintptr(unsafe.Pointer(&text)), 10)
	}()
	fmt.Println(<-done)
}
