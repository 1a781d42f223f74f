"""`fairlead new`: a port to begin with, written from templates."""
