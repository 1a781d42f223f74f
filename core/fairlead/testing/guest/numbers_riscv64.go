package main

// Calls that package syscall names differently, or not at all, on the other architecture.
const (
	sysFstatat   = 79
	sysGetrandom = 278
)
