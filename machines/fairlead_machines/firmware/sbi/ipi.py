"""IPI Extension, EID 0x735049 "sPI" (SBI specification 2.0, chapter 7)."""

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

__all__ = ["IPI"]


def _send_ipi(platform: Platform, arguments: Arguments) -> Result:
    selected = selects_hart(arguments[0], arguments[1])
    if selected is None:
        return ERR_INVALID_PARAM, 0
    if selected:
        platform.send_software_interrupt()
    return SUCCESS, 0


IPI = Extension(0x735049, "IPI Extension", {0: _send_ipi})
