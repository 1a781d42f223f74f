"""The akaros port: Go on Akaros, through the function table that a general protection fault fills."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from fairlead import hookimpl
from fairlead.port import GuestEnv, Option, Port
from fairlead_akaros.kernel.convention import StructSyscall

if TYPE_CHECKING:
    from fairlead.port import PortObject, Services


def _vcores(text: str) -> int:
    value = int(text, 0)
    if not 1 <= value <= 4:
        raise ValueError("it must be from 1 to 4")
    return value


def _boot(services: Services) -> PortObject:
    from fairlead_akaros.akaros import Akaros

    return Akaros(services)


def _call_name(number: int) -> str:
    from fairlead_akaros.names import call_name

    return call_name(number)


@hookimpl
def fairlead_ports() -> Iterable[Port]:
    return [
        Port(
            name="akaros",
            summary="Go on Akaros, its kernel and second-level scheduler on an x86-64 machine",
            board="pc",
            abi=1,
            guest=GuestEnv(goos="linux", goarch="amd64", overlay=Path(__file__).parent / "overlay"),
            convention=StructSyscall(),
            options=(Option("vcores", "4", _vcores, "vcores of the process, time-sliced on one processor"),),
            boot=_boot,
            checks=("stacks",),
            call_name=_call_name,
        )
    ]
