"""Hart State Management Extension, EID 0x48534D "HSM" (SBI specification 2.0, chapter 9)."""

from __future__ import annotations

from fairlead_machines.firmware.sbi.extension import (
    ERR_ALREADY_AVAILABLE,
    ERR_FAILED,
    ERR_INVALID_PARAM,
    ERR_NOT_SUPPORTED,
    SUCCESS,
    Arguments,
    Extension,
    Platform,
    Result,
)

__all__ = ["HSM"]

_STARTED = 0
_DEFAULT_RETENTIVE = 0
_PLATFORM_RETENTIVE = 0x1000_0000
_DEFAULT_NON_RETENTIVE = 0x8000_0000


def _hart_start(platform: Platform, arguments: Arguments) -> Result:
    return (ERR_INVALID_PARAM if arguments[0] else ERR_ALREADY_AVAILABLE), 0


def _hart_stop(platform: Platform, arguments: Arguments) -> Result:
    """Refused: nobody could start the only hart again."""
    return ERR_FAILED, 0


def _hart_get_status(platform: Platform, arguments: Arguments) -> Result:
    return (ERR_INVALID_PARAM, 0) if arguments[0] else (SUCCESS, _STARTED)


def _hart_suspend(platform: Platform, arguments: Arguments) -> Result:
    """Table 8: the default retentive suspend is a wait for an interrupt; there is no other."""
    kind = arguments[0] & 0xFFFF_FFFF
    if kind == _DEFAULT_RETENTIVE:
        platform.wait_for_interrupt()
        return SUCCESS, 0
    known = kind == _DEFAULT_NON_RETENTIVE or kind & 0x7FFF_FFFF >= _PLATFORM_RETENTIVE
    return (ERR_NOT_SUPPORTED if known else ERR_INVALID_PARAM), 0


HSM = Extension(
    0x48534D,
    "Hart State Management Extension",
    {0: _hart_start, 1: _hart_stop, 2: _hart_get_status, 3: _hart_suspend},
)
