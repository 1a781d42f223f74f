"""Akaros' kernel: one process, its system calls, events and alarms, with nothing of the second-level scheduler."""
