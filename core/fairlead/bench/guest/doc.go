// Package bench measures what Go's runtime asks of a port, hook by hook, and whole workloads.
package bench
