// Gc makes garbage from eight goroutines, about 300 MiB of it.
package main

import (
	"fmt"
	"runtime"
	"sync"
)

type node struct {
	left, right *node
	weight      [2]uint64
}

func tree(depth int) *node {
	if depth == 0 {
		return &node{}
	}
	return &node{left: tree(depth - 1), right: tree(depth - 1)}
}

func main() {
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 9 {
				runtime.KeepAlive(tree(16))
			}
		})
	}
	group.Wait()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	fmt.Println(stats.TotalAlloc>>20, "MiB,", stats.NumGC > 0)
}
