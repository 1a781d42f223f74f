"""Comparative benchmarks: Go's own, run on ports and on peers, measured in the guest and on the host."""
