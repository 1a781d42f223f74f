"""The registers a debugger sees: a target description, and how each is had from a thread."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import resources
from typing import NamedTuple
from xml.etree import ElementTree

from fairlead.booted import Booted
from fairlead.thread import Thread

__all__ = ["Register", "Registers"]

_SAME = {"eflags": "rflags"}
_CONSTANT = {"zero": 0, "orig_rax": (1 << 64) - 1}
"""What never changes; orig_rax is -1 outside of a call (Linux' user_regs_struct)."""
_PARTS = {"fflags": ("fcsr", 0, 0x1F), "frm": ("fcsr", 5, 0x7)}
"""Registers that are bits of another: its name, their lowest, their mask."""
_HIDDEN = frozenset(
    (
        *("cs", "ss", "ds", "es", "fs", "gs"),
        *(f"st{n}" for n in range(8)),
        *("fctrl", "fstat", "ftag", "fiseg", "fioff", "foseg", "fooff", "fop"),
    )
)
"""What gdb wants to be described and a `Cpu` does not show: selectors and the x87 unit."""


class Register(NamedTuple):
    """One of the description's, `size` in bytes."""

    name: str
    size: int


class Registers:
    """All registers of an architecture, in the order and of the sizes that its description gives."""

    def __init__(self, arch: str) -> None:
        self.description = resources.files(__package__).joinpath("targets", f"{arch}.xml").read_bytes()
        """What gdb is sent."""
        self.all = tuple(
            Register(each.attrib["name"], int(each.attrib["bitsize"]) // 8)
            for each in ElementTree.fromstring(self.description).iter("reg")
        )

    def read(self, system: Booted, thread: Thread, register: Register) -> bytes | None:
        """A register's bytes; None for one that is not to be had."""
        name = register.name
        if name in _HIDDEN:
            return None
        value = _CONSTANT.get(name)
        if value is None:
            whole, shift, mask = _PARTS.get(name, (_SAME.get(name, name), 0, -1))
            value = system.read_register(thread, whole) >> shift & mask
        return (value & (1 << 8 * register.size) - 1).to_bytes(register.size, "little")

    def write(self, system: Booted, thread: Thread, register: Register, data: bytes) -> None:
        """Set a register; what cannot be set stays as it is."""
        name = register.name
        if name in _HIDDEN or name in _CONSTANT:
            return
        value = int.from_bytes(data, "little")
        if name in _PARTS:
            name, shift, mask = _PARTS[name]
            value = system.read_register(thread, name) & ~(mask << shift) | (value & mask) << shift
        system.write_register(thread, _SAME.get(name, name), value)

    def split(self, data: bytes) -> Iterator[tuple[Register, bytes]]:
        """The contents of all registers, one after the other, as far as they go."""
        start = 0
        for register in self.all:
            part = data[start : start + register.size]
            if len(part) < register.size:
                return
            yield register, part
            start += register.size
