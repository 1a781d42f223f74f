"""The opensbi port: Go on RISC-V with no operating system at all, only SBI firmware."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from fairlead import hookimpl
from fairlead.port import GuestEnv, Option, Port
from fairlead.syscall import RegisterABI

if TYPE_CHECKING:
    from fairlead.machine import BoardOptions
    from fairlead.port import PortObject, Program, Services

OS_CALL_EXTENSION = 0x0A46_4000
"""Our extension in the SBI's firmware-specific space, 0x0A000000…0x0AFFFFFF (SBI specification, chapter
"Firmware Specific Extension Space"); its low 12 bits are zero, so that one instruction loads it."""


def _count(text: str) -> int:
    try:
        value = int(text, 0)
    except ValueError:
        value = 0
    if not 1 <= value <= 1 << 40:
        raise ValueError("it must be a number from 1 to 2**40")
    return value


def _boot(services: Services) -> PortObject:
    from fairlead_opensbi.ethanol.kernel import Ethanol

    return Ethanol(services, OS_CALL_EXTENSION)


def _configure(program: Program, options: BoardOptions) -> BoardOptions:
    from fairlead_opensbi.ethanol.bootargs import describe

    return describe(program, options)


def _call_name(number: int) -> str:
    from fairlead.services.linux.numbers import name_of
    from fairlead_opensbi.ethanol.kernel import REGISTER_M

    return "register_m" if number == REGISTER_M else name_of("riscv64", number)


@hookimpl
def fairlead_ports() -> Iterable[Port]:
    return [
        Port(
            name="opensbi",
            summary="Go on RISC-V with no operating system, only SBI firmware",
            board="virt",
            abi=1,
            guest=GuestEnv(
                goos="linux",
                goarch="riscv64",
                overlay=Path(__file__).parent / "overlay",
                link_flags=("-T=0x80201000",),
            ),
            convention=RegisterABI(
                number="a6",
                arguments=("a0", "a1", "a2", "a3", "a4", "a5"),
                result="a0",
                selector="a7",
                selects=OS_CALL_EXTENSION,
            ),
            options=(
                Option(
                    "timer-interval",
                    "10000",
                    _count,
                    "ticks of the 10 MHz time base from one timer interrupt to the next",
                ),
                Option("lives", "3", _count, "timer interrupts a thread survives before the next one runs"),
            ),
            boot=_boot,
            configure=_configure,
            call_name=_call_name,
        )
    ]
