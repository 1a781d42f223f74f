package main

// Calls that package syscall names differently, or not at all, on the other architecture.
const (
	sysFstatat   = 262
	sysGetrandom = 318
)
