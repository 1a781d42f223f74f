"""Guest memory as a debugger reads and writes it: whatever its rights, code included."""

from __future__ import annotations

from fairlead.debug.packets import EFAULT, EINVAL, Refused, span, unhex
from fairlead.debug.rsp import MAX_PACKET
from fairlead.errors import GuestFault
from fairlead.machine import PAGE_SIZE
from fairlead.system import System

__all__ = ["Memory"]

_MOST_READ = (MAX_PACKET - 8) // 2


class Memory:
    """The packets m, M and X."""

    def __init__(self, system: System) -> None:
        self._system = system

    def read(self, rest: bytes) -> bytes:
        """As much as there is from the address on; EFAULT where there is nothing."""
        address, size = span(rest)
        memory, ram = self._system.os.memory, self._system.machine.ram
        found = b""
        size = min(size, _MOST_READ)
        while len(found) < size:
            place = memory.physical(address)
            if place is None:
                break
            part = min(size - len(found), PAGE_SIZE - address % PAGE_SIZE)
            found += bytes(ram.view[place - ram.base : place - ram.base + part])
            address += part
        if size and not found:
            raise Refused(EFAULT)
        return found.hex().encode()

    def write(self, rest: bytes) -> bytes:
        where, _, data = rest.partition(b":")
        return self._install(where, unhex(data))

    def write_binary(self, rest: bytes) -> bytes:
        where, _, data = rest.partition(b":")
        return self._install(where, data)

    def _install(self, where: bytes, data: bytes) -> bytes:
        address, size = span(where)
        if size != len(data):
            raise Refused(EINVAL)
        try:
            self._system.os.memory.install(address, data)
        except GuestFault:
            raise Refused(EFAULT) from None
        return b"OK"
