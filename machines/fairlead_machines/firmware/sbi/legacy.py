"""Legacy Extensions, EIDs 0 to 8 (SBI specification 2.0, chapter 5)."""

from __future__ import annotations

from fairlead_machines.firmware.sbi.extension import SUCCESS, Arguments, Extension, Function, Platform, Result

__all__ = ["LEGACY"]


def _set_timer(platform: Platform, arguments: Arguments) -> Result:
    platform.set_timer(arguments[0])
    return (SUCCESS,)


def _console_putchar(platform: Platform, arguments: Arguments) -> Result:
    platform.console.write(bytes((arguments[0] & 0xFF,)))
    return (SUCCESS,)


def _console_getchar(platform: Platform, arguments: Arguments) -> Result:
    """The byte, or -1 if there is none."""
    data = platform.console.read(1)
    return (data[0] if data else -1,)


def _clear_ipi(platform: Platform, arguments: Arguments) -> Result:
    platform.clear_software_interrupt()
    return (SUCCESS,)


def _send_ipi(platform: Platform, arguments: Arguments) -> Result:
    """To the only hart there is: the mask, behind a virtual address, has nothing to choose from."""
    platform.send_software_interrupt()
    return (SUCCESS,)


def _remote_fence_i(platform: Platform, arguments: Arguments) -> Result:
    return (SUCCESS,)


def _remote_sfence_vma(platform: Platform, arguments: Arguments) -> Result:
    platform.flush_translations()
    return (SUCCESS,)


def _shutdown(platform: Platform, arguments: Arguments) -> Result:
    platform.power_off()
    return (SUCCESS,)


_CALLS: tuple[tuple[str, Function], ...] = (
    ("Set Timer", _set_timer),
    ("Console Putchar", _console_putchar),
    ("Console Getchar", _console_getchar),
    ("Clear IPI", _clear_ipi),
    ("Send IPI", _send_ipi),
    ("Remote FENCE.I", _remote_fence_i),
    ("Remote SFENCE.VMA", _remote_sfence_vma),
    ("Remote SFENCE.VMA with ASID", _remote_sfence_vma),
    ("System Shutdown", _shutdown),
)
LEGACY = tuple(
    Extension(number, f"Legacy {name}", {0: call}, legacy=True) for number, (name, call) in enumerate(_CALLS)
)
