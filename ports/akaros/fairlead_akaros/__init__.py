"""The akaros port: Go on Akaros, its kernel and its second-level scheduler in Python over an x86-64 machine."""
