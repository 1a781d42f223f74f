"""Debug Console Extension, EID 0x4442434E "DBCN" (SBI specification 2.0, chapter 12)."""

from __future__ import annotations

from fairlead_machines.firmware.sbi.extension import (
    ERR_INVALID_PARAM,
    SUCCESS,
    Arguments,
    Extension,
    Platform,
    Result,
)

__all__ = ["DBCN"]

_MOST = 1 << 20
"""Bytes taken in one call; the caller asks again for the rest, as the specification allows."""


def _console_write(platform: Platform, arguments: Arguments) -> Result:
    count, low, high = arguments[:3]
    memory = platform.memory(high << 64 | low, count)
    if memory is None:
        return ERR_INVALID_PARAM, 0
    data = bytes(memory[:_MOST])
    platform.console.write(data)
    return SUCCESS, len(data)


def _console_read(platform: Platform, arguments: Arguments) -> Result:
    count, low, high = arguments[:3]
    memory = platform.memory(high << 64 | low, count)
    if memory is None:
        return ERR_INVALID_PARAM, 0
    data = platform.console.read(min(count, _MOST)) or b""
    memory[: len(data)] = data
    return SUCCESS, len(data)


def _console_write_byte(platform: Platform, arguments: Arguments) -> Result:
    platform.console.write(bytes((arguments[0] & 0xFF,)))
    return SUCCESS, 0


DBCN = Extension(
    0x4442434E,
    "Debug Console Extension",
    {0: _console_write, 1: _console_read, 2: _console_write_byte},
)
