"""What a call's handler is."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from fairlead.syscall import Pending, Result

__all__ = ["Answer", "Handler", "Handlers"]

Answer = int | Result | Pending
"""A value that is not negative, or a finished or pending call."""

Handler = Callable[..., Answer]
"""Called with the process and as many of the call's unsigned arguments as it takes."""

Handlers = Mapping[str, Handler]
"""Handlers by the call's name."""
