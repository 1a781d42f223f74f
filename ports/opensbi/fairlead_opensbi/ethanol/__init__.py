"""The OS half: traps, the ring of Ms, boot arguments, and the calls of Go's standard library."""
