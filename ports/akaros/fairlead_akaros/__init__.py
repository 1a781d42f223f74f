"""The akaros port: Go on Akaros, with kernel and second-level scheduler in Python over an x86-64 machine."""
