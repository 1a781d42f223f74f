// Hello measures the start: of the process, the machine and the runtime.
package main

import (
	"fmt"
	"os"
	"runtime"
)

func main() {
	fmt.Printf("hello, %s %s\n", runtime.Version(), runtime.GOARCH)
	for i, arg := range os.Args[1:] {
		fmt.Printf("argument %d: %q\n", i+1, arg)
	}
}
