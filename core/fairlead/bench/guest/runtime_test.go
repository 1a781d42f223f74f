package bench

import (
	"runtime"
	"sync"
	"testing"
)

func BenchmarkChannelPingPong(b *testing.B) {
	ask, answer := make(chan int), make(chan int)
	go func() {
		for each := range ask {
			answer <- each
		}
		close(answer)
	}()
	b.ResetTimer()
	for i := range b.N {
		ask <- i
		<-answer
	}
	b.StopTimer()
	close(ask)
	<-answer
}

func BenchmarkGoroutineSpawn(b *testing.B) {
	var all sync.WaitGroup
	for range b.N {
		all.Go(func() {})
	}
	all.Wait()
}

type tree struct{ left, right *tree }

func grow(depth int) *tree {
	if depth == 0 {
		return &tree{}
	}
	return &tree{grow(depth - 1), grow(depth - 1)}
}

// A whole collection with 65,535 small objects alive.
func BenchmarkGC(b *testing.B) {
	alive := grow(15)
	b.ResetTimer()
	for range b.N {
		runtime.GC()
	}
	runtime.KeepAlive(alive)
}

// Eight goroutines make 8 MiB of garbage: allocation, and the collections that it brings.
func BenchmarkGarbage(b *testing.B) {
	b.ReportAllocs()
	for range b.N {
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				for range 32 {
					grow(10)
				}
			})
		}
		all.Wait()
	}
}
