"""The Go standard library's own tests as a judge: measured on stock Linux and on ports, compared by name.

`python -m fairlead.testing.stdlib --help` says how it is run; `nox -s stdlib` does that.
"""
