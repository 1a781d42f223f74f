"""Base Extension, EID 0x10 (SBI specification 2.0, chapter 4)."""

from __future__ import annotations

from fairlead_machines.firmware.sbi.extension import SUCCESS, Arguments, Extension, Platform, Result

__all__ = ["BASE", "IMPLEMENTATION_ID", "SPEC_VERSION"]

SPEC_VERSION = 2 << 24 | 0
"""Major version in bits 30 to 24, minor below (section 4.1)."""
IMPLEMENTATION_ID = 0xFA11_EAD0
"""Fairlead has no number in the registry (section 4.9); this one is far from those given."""
_IMPLEMENTATION_VERSION = 1


def _get_spec_version(platform: Platform, arguments: Arguments) -> Result:
    return SUCCESS, SPEC_VERSION


def _get_impl_id(platform: Platform, arguments: Arguments) -> Result:
    return SUCCESS, IMPLEMENTATION_ID


def _get_impl_version(platform: Platform, arguments: Arguments) -> Result:
    return SUCCESS, _IMPLEMENTATION_VERSION


def _probe_extension(platform: Platform, arguments: Arguments) -> Result:
    return SUCCESS, int(platform.probe(arguments[0]))


def _get_machine_id(platform: Platform, arguments: Arguments) -> Result:
    """mvendorid, marchid and mimpid: zero, "not implemented", as for all non-commercial parts."""
    return SUCCESS, 0


BASE = Extension(
    0x10,
    "Base Extension",
    {
        0: _get_spec_version,
        1: _get_impl_id,
        2: _get_impl_version,
        3: _probe_extension,
        4: _get_machine_id,
        5: _get_machine_id,
        6: _get_machine_id,
    },
)
