"""System Reset Extension, EID 0x53525354 "SRST" (SBI specification 2.0, chapter 10)."""

from __future__ import annotations

from fairlead_machines.firmware.sbi.extension import (
    ERR_INVALID_PARAM,
    ERR_NOT_SUPPORTED,
    SUCCESS,
    Arguments,
    Extension,
    Platform,
    Result,
)

__all__ = ["SRST"]

_WARM_REBOOT = 2
"""Shutdown is 0, cold reboot 1."""
_VENDOR_TYPES = 0xF000_0000
_LAST_REASON = 1
_PLATFORM_REASONS = 0xE000_0000


def _system_reset(platform: Platform, arguments: Arguments) -> Result:
    """Tables 12 and 13. A reboot ends the machine too, as under QEMU's -no-reboot."""
    kind, reason = arguments[0] & 0xFFFF_FFFF, arguments[1] & 0xFFFF_FFFF
    if kind >= _VENDOR_TYPES:
        return ERR_NOT_SUPPORTED, 0
    if kind > _WARM_REBOOT or _LAST_REASON < reason < _PLATFORM_REASONS:
        return ERR_INVALID_PARAM, 0
    platform.power_off()
    return SUCCESS, 0


SRST = Extension(0x53525354, "System Reset Extension", {0: _system_reset})
