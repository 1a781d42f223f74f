"""The linux ports: stock Go programs, as they are, over the core's Linux services."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from fairlead import hookimpl
from fairlead.port import GuestEnv, Option, Port
from fairlead.services.linux.convention import CONVENTIONS

if TYPE_CHECKING:
    from fairlead.machine import BoardOptions
    from fairlead.port import PortObject, Program, Services


def _up_to(most: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not (text.isascii() and text.isdecimal()) or not 1 <= int(text) <= most:
            raise ValueError(f"it must be a number from 1 to {most}")
        return int(text)

    return parse


_OPTIONS = (
    Option("slice", "4", _up_to(1000), "milliseconds that a thread runs before the next"),
    Option("processors", "1", _up_to(64), "processors that the program sees; one does all the work"),
)


def _boot(services: Services) -> PortObject:
    from fairlead_linux.kernel import Kernel

    return Kernel(services)


def _user_mode(_program: Program, options: BoardOptions) -> BoardOptions:
    return options._replace(user=True)


@hookimpl
def fairlead_ports() -> Iterable[Port]:
    return [
        Port(
            name="linux-amd64",
            summary="stock Go on Linux, x86-64: the control that other ports are compared with",
            board="pc",
            abi=1,
            guest=GuestEnv(goos="linux", goarch="amd64", overlay=None),
            convention=CONVENTIONS["amd64"],
            options=_OPTIONS,
            boot=_boot,
        ),
        Port(
            name="linux-riscv64",
            summary="stock Go on Linux, RISC-V: the control that other ports are compared with",
            board="virt",
            abi=1,
            guest=GuestEnv(goos="linux", goarch="riscv64", overlay=None),
            convention=CONVENTIONS["riscv64"],
            options=_OPTIONS,
            boot=_boot,
            configure=_user_mode,
        ),
    ]
