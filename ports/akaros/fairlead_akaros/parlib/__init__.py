"""Parlib and its pthreads: what Akaros does in user space, the second-level scheduler above all."""
