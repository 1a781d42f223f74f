"""The usys tables: what the fault handler does when a program asks for them (user/pthread/pthread.c)."""

from __future__ import annotations

from collections.abc import Mapping
from struct import Struct

from fairlead.errors import FairleadError, GuestFault
from fairlead.machine import Cpu
from fairlead.services.addressspace import AddressSpace
from fairlead_akaros.parlib.code import TABLE
from fairlead_akaros.tables import CONSTANTS, FUNCTIONS

__all__ = ["MAGIC", "SENTINEL", "VERSION", "UsysTables"]

TABLE_FAULT = 0xDEAD
"""The high 16 bits of rax that ask for the first table."""
EXTENDED_FAULT = 0xFA1D
"""Those that ask for the second."""
SENTINEL = 0xDEADBEEF
MAGIC = int.from_bytes(b"USYSTABL", "little")
VERSION = 1

_CALL_RAX = b"\xff\xd0"
_LOW = (1 << 48) - 1
_HEADER = Struct("<QIIII")


class UsysTables:
    def __init__(
        self, memory: AddressSpace, functions: Mapping[str, int], constants: Mapping[str, int]
    ) -> None:
        """Where every function is, and the values of constants that tables.py leaves open."""
        self._memory = memory
        self._functions = functions
        self._constants = [constants[name] if value is None else value for name, value in CONSTANTS]

    def fault(self, cpu: Cpu, pc: int) -> bool:
        """A general protection fault at `pc`: fill the table that it asks for and step over; else False."""
        rax = cpu.get("rax")
        high, address = rax >> 48, rax & _LOW
        if high not in (TABLE_FAULT, EXTENDED_FAULT):
            return False
        try:
            if self._memory.read(pc, 2) != _CALL_RAX:
                return False
        except GuestFault:
            return False
        try:
            if high == TABLE_FAULT:
                self._fill(address)
            else:
                self._fill_extended(address)
        except GuestFault as fault:
            what = "written" if fault.write else "read"
            which = "table" if high == TABLE_FAULT else "second table"
            raise _wrong(f"its {which} at {address:#x} cannot be {what} at {fault.address:#x}") from None
        cpu.pc = pc + len(_CALL_RAX)
        return True

    def _fill(self, address: int) -> None:
        memory = self._memory
        memory.buffers(address, 8 * len(TABLE), True)
        found = memory.read_u64(address + 8 * len(TABLE))
        if found != SENTINEL:
            raise _wrong(
                f"its table at {address:#x} has {found:#x} at index {len(TABLE)}, where the sentinel "
                f"0x{SENTINEL:X} is due{self._misplaced(address)}"
            )
        for index, name in enumerate(TABLE):
            memory.write_u64(address + 8 * index, self._functions[name])

    def _misplaced(self, address: int) -> str:
        """Where the sentinel is instead, if it is near."""
        for index in range(2 * len(TABLE)):
            try:
                if self._memory.read_u64(address + 8 * index) == SENTINEL:
                    return f"; it is at index {index}: {index} functions, where the port has {len(TABLE)}"
            except GuestFault:
                break
        return ""

    def _fill_extended(self, address: int) -> None:
        memory = self._memory
        magic, version, functions, constants, _ = memory.unpack(_HEADER, address)
        if magic != MAGIC:
            raise _wrong(f"its second table at {address:#x} begins with {magic:#x}, not the magic {MAGIC:#x}")
        theirs = (version, functions, constants)
        ours = (VERSION, len(FUNCTIONS), len(CONSTANTS))
        if theirs != ours:
            sides = ("version {} with {} functions and {} constants".format(*each) for each in (theirs, ours))
            raise _wrong("its second table is of {}, the port's of {}".format(*sides))
        words = [*(self._functions[name] for name in FUNCTIONS), *self._constants]
        at = address + _HEADER.size
        memory.write(at, b"".join(word.to_bytes(8, "little") for word in words))


def _wrong(what: str) -> FairleadError:
    return FairleadError(
        f"the program's usys package does not fit: {what}", hint="build the program again with this port"
    )
