"""What the entry point names: the port's description. Nothing heavy is imported here."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from fairlead import hookimpl
from fairlead.port import GuestEnv, Option, Port, PortObject, Services
from fairlead.syscall import RegisterABI

__all__ = ["fairlead_ports"]


def _milliseconds(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 1000:
        raise ValueError("it must be a number from 1 to 1000")
    return int(text)


def _boot(services: Services) -> PortObject:
    from fairlead_skiff.kernel import Kernel

    return Kernel(services)


@hookimpl
def fairlead_ports() -> Iterable[Port]:
    return [
        Port(
            name="skiff",
            summary="the smallest port of Go that runs real programs",
            board="virt",
            abi=1,
            guest=GuestEnv(goos="linux", goarch="riscv64", overlay=Path(__file__).parent / "overlay"),
            convention=RegisterABI(number="a7", arguments=("a0", "a1", "a2", "a3", "a4", "a5"), result="a0"),
            options=(Option("slice", "5", _milliseconds, "milliseconds that a thread runs before the next"),),
            boot=_boot,
        )
    ]
