"""A debugger's end of a run: the GDB remote serial protocol, as gdb's manual has it in appendix E."""
