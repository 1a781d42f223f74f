"""Stock Go on Linux, on both architectures: the control that other ports are compared with."""
