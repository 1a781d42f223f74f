// Calls: functions and constants of the scheduler, through both tables of package usys.
package main

import (
	"fmt"
	"usys"
)

func main() {
	fmt.Printf("%#x\n", usys.Call(usys.USYS_FUNC, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12))
	fmt.Println("uthread", usys.Call(usys.USYS_PTHREAD_SELF))
	fmt.Println("vcores", usys.Constant(usys.MAX_VCORES), "clock", usys.Constant(usys.TSC_FREQUENCY))
	fmt.Println("SYS_read", usys.Constant(usys.SYS_READ), "struct syscall", usys.Constant(usys.SIZEOF_SYSCALL))
}
