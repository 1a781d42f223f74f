"""Timer Extension, EID 0x54494D45 "TIME" (SBI specification 2.0, chapter 6)."""

from __future__ import annotations

from fairlead_machines.firmware.sbi.extension import SUCCESS, Arguments, Extension, Platform, Result

__all__ = ["TIME"]


def _set_timer(platform: Platform, arguments: Arguments) -> Result:
    platform.set_timer(arguments[0])
    return SUCCESS, 0


TIME = Extension(0x54494D45, "Timer Extension", {0: _set_timer})
