"""Fairlead: write, test and compare runtime ports."""

from fairlead.hookspecs import hookimpl

__all__ = ["__version__", "hookimpl"]

__version__ = "0.1.0"
