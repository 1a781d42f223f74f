"""What an SBI extension is made of (SBI specification 2.0, chapter 3, "Binary Encoding")."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple, Protocol

from fairlead.machine import Console

__all__ = [
    "ERR_ALREADY_AVAILABLE",
    "ERR_FAILED",
    "ERR_INVALID_PARAM",
    "ERR_NOT_SUPPORTED",
    "SUCCESS",
    "Arguments",
    "Extension",
    "Function",
    "Platform",
    "Result",
    "selects_hart",
    "signed",
]

# Table 1, "Standard SBI Errors"
SUCCESS: Final = 0
ERR_FAILED: Final = -1
ERR_NOT_SUPPORTED: Final = -2
ERR_INVALID_PARAM: Final = -3
ERR_ALREADY_AVAILABLE: Final = -6

Arguments = tuple[int, ...]
"""a0 to a5, unsigned."""
Result = tuple[int, ...]
"""(error, value) for a0 and a1; a legacy call has (value,) for a0 alone."""


class Platform(Protocol):
    """What the firmware may do to the machine under it, which has one hart, number 0."""

    @property
    def console(self) -> Console: ...

    def set_timer(self, ticks: int) -> None:
        """Raise the timer interrupt when the time CSR reaches `ticks`; lower it until then."""

    def send_software_interrupt(self) -> None: ...

    def clear_software_interrupt(self) -> None: ...

    def flush_translations(self) -> None: ...

    def wait_for_interrupt(self) -> None:
        """Stop the hart, once the call has returned, until an interrupt is pending."""

    def power_off(self) -> None:
        """End the run, once the call has returned, with Stop.SHUTDOWN."""

    def memory(self, address: int, size: int) -> memoryview | None:
        """A physical range of RAM; None if it is not all RAM."""

    def probe(self, extension: int) -> bool:
        """Is there such an extension, here or with a port?"""


Function = Callable[[Platform, Arguments], Result]


class Extension(NamedTuple):
    """One extension: its number in a7, its name in the specification, its functions by number in a6."""

    id: int
    name: str
    functions: Mapping[int, Function]
    legacy: bool = False
    """A legacy extension (chapter 5) is one function, whatever a6 is."""

    def bind(self, platform: Platform) -> Callable[[int, Arguments], Result]:
        """serve(function, arguments) on a platform."""
        functions = self.functions
        if self.legacy:
            only = functions[0]
            return lambda function, arguments: only(platform, arguments)

        def serve(function: int, arguments: Arguments) -> Result:
            handler = functions.get(function)
            return (ERR_NOT_SUPPORTED, 0) if handler is None else handler(platform, arguments)

        return serve


def signed(value: int) -> int:
    """A register's value as a signed integer."""
    return value - (1 << 64) if value >> 63 else value


def selects_hart(mask: int, base: int) -> bool | None:
    """Does a hart mask (section 3.1) select hart 0? None if it names a hart that is not there."""
    if signed(base) == -1:
        return True
    if base or mask >> 1:
        return None if mask else False
    return bool(mask)
