// Calls makes 20,000 small writes and 20,000 time reads.
package main

import (
	"fmt"
	"os"
	"time"
)

func main() {
	null, err := os.OpenFile("/dev/null", os.O_WRONLY, 0)
	if err != nil {
		panic(err)
	}
	line := []byte("twenty-four bytes a line\n")
	var last time.Time
	for range 20_000 {
		if _, err := null.Write(line); err != nil {
			panic(err)
		}
		if now := time.Now(); now.Before(last) {
			panic("time went backwards")
		} else {
			last = now
		}
	}
	fmt.Println("done")
}
