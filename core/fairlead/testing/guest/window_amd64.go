package main

import "fmt"

const (
	vectors    = 17 // words 17 to 48: X0 to X15
	stateWords = 51
)

var words = [stateWords]string{
	"AX", "BX", "CX", "DX", "SI", "DI", "BP", "R8", "R9", "R10", "R11", "R12", "R13", "R14", "R15",
	"the flags", "g, read through the FS base", 49: "MXCSR", 50: "a word that is added to once",
}

func init() {
	for i := range 32 {
		words[vectors+i] = fmt.Sprintf("X%d, half %d", i/2, i%2)
	}
}

// begin is a state with something of its own in every register: X8 to X15 hold numbers between 1 and 2.
func begin() *state {
	var s state
	for i := range s {
		s[i] = uint64(i+1) * 0x9E3779B97F4A7C15
	}
	for i := vectors + 16; i < vectors+32; i++ {
		s[i] = 0x3FF<<52 | s[i]>>12
	}
	s[15] = 0x4D5  // CF, PF, AF, ZF, SF and DF
	s[49] = 0x5F80 // rounding up, all exceptions masked
	s[50] = 0
	return &s
}
