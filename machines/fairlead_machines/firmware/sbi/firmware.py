"""The firmware as a whole: its extensions, and calls from the guest and from the host."""

from __future__ import annotations

from collections.abc import Callable

from fairlead.errors import PortError
from fairlead_machines.firmware.sbi.base import BASE
from fairlead_machines.firmware.sbi.dbcn import DBCN
from fairlead_machines.firmware.sbi.extension import ERR_NOT_SUPPORTED, Arguments, Extension, Platform, Result
from fairlead_machines.firmware.sbi.hsm import HSM
from fairlead_machines.firmware.sbi.ipi import IPI
from fairlead_machines.firmware.sbi.legacy import LEGACY
from fairlead_machines.firmware.sbi.rfence import RFENCE
from fairlead_machines.firmware.sbi.srst import SRST
from fairlead_machines.firmware.sbi.time import TIME

__all__ = ["EXTENSIONS", "SbiFirmware"]

_MASK = (1 << 64) - 1
EXTENSIONS: tuple[Extension, ...] = (BASE, TIME, IPI, RFENCE, HSM, SRST, DBCN, *LEGACY)


class SbiFirmware:
    """`Firmware`: the specification's extensions on a platform, and the names of those that ports serve."""

    def __init__(self, platform: Platform) -> None:
        self.calls: dict[int, Callable[[int, Arguments], Result]] = {
            extension.id: extension.bind(platform) for extension in EXTENSIONS
        }
        """By a7: serve(function, arguments)."""
        self.names = {extension.id: extension.name for extension in EXTENSIONS}
        self.foreign: dict[int, str] = {}
        """Extensions that a port serves: their names by a7."""

    def register(self, extension: int, name: str) -> None:
        if extension in self.calls:
            raise PortError(
                f"the SBI extension {extension:#x} is the firmware's own {self.names[extension]}",
                hint="take one of the firmware-specific range, 0x0A000000 and up",
            )
        self.foreign[extension] = name

    def probe(self, extension: int) -> bool:
        return extension in self.calls or extension in self.foreign

    def call(self, extension: int, function: int, *arguments: int) -> tuple[int, int]:
        """A call as the guest would make it; a legacy call's one result comes as (result, 0)."""
        serve = self.calls.get(extension)
        if serve is None:
            return ERR_NOT_SUPPORTED, 0
        registers = tuple(value & _MASK for value in (*arguments, *(0,) * 6)[:6])
        error, *value = serve(function, registers)
        return error, value[0] if value else 0
