"""Breakpoints and watchpoints as a debugger inserts and removes them."""

from __future__ import annotations

from fairlead.debug.packets import EINVAL, EPERM, Refused, point
from fairlead.tracer import Watch

__all__ = ["Points"]

_MOST = 4096
_MOST_WATCHED = 1 << 16
"""Bytes that one watchpoint may cover."""
_REASONS = {0: "swbreak:;", 1: "hwbreak:;"}
_WATCHES = {2: (False, True), 3: (True, False), 4: (True, True)}
_NAMES = dict(zip(_WATCHES.values(), ("watch", "rwatch", "awatch"), strict=True))


class Points:
    """The packets Z and z, and what they leave behind."""

    def __init__(self) -> None:
        self.watches: dict[Watch, None] = {}
        self._breakpoints: dict[tuple[int, int], None] = {}
        """(address, kind): 0 is a software breakpoint, 1 a hardware breakpoint; here they are the same."""

    @property
    def addresses(self) -> frozenset[int]:
        """Where the guest is to stop."""
        return frozenset(address for address, _kind in self._breakpoints)

    def reason(self, pc: int) -> str:
        """What a stop reply says of a breakpoint at pc; nothing if there is none."""
        return next((text for kind, text in _REASONS.items() if (pc, kind) in self._breakpoints), "")

    def insert(self, rest: bytes) -> bytes:
        kind, address, size = point(rest)
        if len(self._breakpoints) + len(self.watches) >= _MOST:
            raise Refused(EPERM)
        if kind in _REASONS:
            self._breakpoints[address, kind] = None
        elif kind in _WATCHES:
            if not 0 < size <= _MOST_WATCHED or address + size > 1 << 64:
                raise Refused(EINVAL)
            self.watches[Watch(address, size, *_WATCHES[kind])] = None
        else:
            return b""
        return b"OK"

    def remove(self, rest: bytes) -> bytes:
        kind, address, size = point(rest)
        if kind in _REASONS:
            self._breakpoints.pop((address, kind), None)
        elif kind in _WATCHES:
            self.watches.pop(Watch(address, size, *_WATCHES[kind]), None)
        else:
            return b""
        return b"OK"

    @staticmethod
    def watch_reason(watch: Watch) -> str:
        """What a stop reply says of an access to what is watched."""
        return f"{_NAMES[watch.read, watch.write]}:{watch.address:x};"
