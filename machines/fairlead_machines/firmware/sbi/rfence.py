"""RFENCE Extension, EID 0x52464E43 "RFNC" (SBI specification 2.0, chapter 8)."""

from __future__ import annotations

from fairlead_machines.firmware.sbi.extension import (
    ERR_INVALID_PARAM,
    SUCCESS,
    Arguments,
    Extension,
    Platform,
    Result,
    selects_hart,
)

__all__ = ["RFENCE"]


def _remote_fence_i(platform: Platform, arguments: Arguments) -> Result:
    """Nothing to do for the one hart: the engine sees the guest's own stores to code."""
    return _checked(arguments)


def _remote_sfence_vma(platform: Platform, arguments: Arguments) -> Result:
    """The whole of the translations goes, whatever the range."""
    result = _checked(arguments)
    if result[0] == SUCCESS:
        platform.flush_translations()
    return result


def _checked(arguments: Arguments) -> Result:
    return (ERR_INVALID_PARAM if selects_hart(arguments[0], arguments[1]) is None else SUCCESS), 0


# Functions 3 to 6 fence a guest's guests; there is no H extension, so they are not supported.
RFENCE = Extension(
    0x52464E43,
    "RFENCE Extension",
    {0: _remote_fence_i, 1: _remote_sfence_vma, 2: _remote_sfence_vma},
)
