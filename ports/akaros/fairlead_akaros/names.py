"""What calls are called in traces."""

from __future__ import annotations

from fairlead.services.linux.numbers import name_of
from fairlead_akaros.kernel.convention import GATE, POSIX
from fairlead_akaros.kernel.kernel import call_name as kernel_name
from fairlead_akaros.parlib.code import GATES

__all__ = ["call_name"]


def call_name(number: int) -> str:
    """A system call's name, a parlib function's, or Linux' with posix_ before it."""
    if number >= POSIX:
        return f"posix_{name_of('x86_64', number - POSIX)}"
    if number >= GATE:
        return GATES[number - GATE] if number - GATE < len(GATES) else f"function_{number - GATE}"
    return kernel_name(number)
