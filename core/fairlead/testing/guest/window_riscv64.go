package main

import "fmt"

const (
	floats     = 33 // words 33 to 64: F0 to F31
	stateWords = 66
)

var words = [stateWords]string{32: "FCSR", 65: "a word that is added to once"}

func init() {
	for i := range 32 {
		words[i] = fmt.Sprintf("X%d", i)
		words[floats+i] = fmt.Sprintf("F%d", i)
	}
}

// begin is a state with something of its own in every register: F0 to F31 hold numbers between 1 and 2.
func begin() *state {
	var s state
	for i := range s {
		s[i] = uint64(i+1) * 0x9E3779B97F4A7C15
	}
	for i := floats; i < floats+32; i++ {
		s[i] = 0x3FF<<52 | s[i]>>12
	}
	s[32] = 3<<5 | 2 // rounding up, and an underflow that was seen
	s[65] = 0
	return &s
}
