// Spin is the trap experiment: two Ms that never yield, so that only timer interrupts change who runs.
//
//	fairlead run --port opensbi --trace traps --max-time 2s examples/spin
//
// prints a line a timer trap, with the M that was running: three of one, three of the other, for three lives.
package main

import "runtime"

//go:nosplit
func spin() {
	for {
	}
}

func main() {
	runtime.GOMAXPROCS(2)
	go spin()
	spin()
}
