"""Akaros' kernel: one process, its system calls and events, and nothing of the second-level scheduler."""
