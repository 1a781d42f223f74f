"""The RISC-V Supervisor Binary Interface, version 2.0, in Python: one file an extension."""
