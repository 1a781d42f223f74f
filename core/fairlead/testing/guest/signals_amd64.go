package main

// registerNames are those of holdRegisters, in the order of put.
var registerNames = [...]string{
	"rax", "rbx", "rdx", "rsi", "rdi", "rbp", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",
	"xmm0", "xmm0 (high)", "xmm1", "xmm1 (high)", "xmm2", "xmm2 (high)", "xmm3", "xmm3 (high)",
	"xmm4", "xmm4 (high)", "xmm5", "xmm5 (high)", "xmm6", "xmm6 (high)", "xmm7", "xmm7 (high)",
	"xmm8", "xmm8 (high)", "xmm9", "xmm9 (high)", "xmm10", "xmm10 (high)", "xmm11", "xmm11 (high)",
	"xmm12", "xmm12 (high)", "xmm13", "xmm13 (high)", "xmm14", "xmm14 (high)", "xmm15", "xmm15 (high)",
}

// otherRounding is mxcsr with all exceptions masked, towards zero.
var otherRounding uint32 = 0x7f80

const (
	roundingName = "mxcsr"
	roundingBits = 0xffc0
)
