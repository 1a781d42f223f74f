package main

// registerNames are those of holdRegisters, in the order of put.
var registerNames = [...]string{
	"ra", "gp", "tp", "t1", "t2", "s0", "s1", "a0", "a1", "a2", "a3", "a4", "a5", "a6", "a7",
	"s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10", "s11 (g)", "t3", "t4", "t5",
	"ft0", "ft1", "ft2", "ft3", "ft4", "ft5", "ft6", "ft7", "fs0", "fs1",
	"fa0", "fa1", "fa2", "fa3", "fa4", "fa5", "fa6", "fa7",
	"fs2", "fs3", "fs4", "fs5", "fs6", "fs7", "fs8", "fs9", "fs10", "fs11", "ft8", "ft9", "ft10", "ft11",
}

// otherRounding is fcsr that rounds towards zero, with two flags raised.
var otherRounding uint32 = 0x25

const (
	roundingName = "fcsr"
	roundingBits = 0xff
)
