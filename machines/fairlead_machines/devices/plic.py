"""Platform-level interrupt controller (RISC-V PLIC specification 1.0.0, memory map in chapter 3)."""

from __future__ import annotations

from functools import partial

from fairlead_machines.devices.device import Line

__all__ = ["Plic"]

_PENDING = 0x1000
_ENABLE, _ENABLE_STRIDE = 0x2000, 0x80
_CONTEXT, _CONTEXT_STRIDE = 0x20_0000, 0x1000
_THRESHOLD, _CLAIM = 0, 4
_PRIORITY_MASK = 7


class Plic:
    """Level-triggered sources 1 to `sources`, and contexts with a line each."""

    def __init__(self, sources: int, lines: list[Line]) -> None:
        self.sources = sources
        self._lines = lines
        self._words = sources // 32 + 1
        self._valid = (1 << sources + 1) - 2  # source 0 means "none"
        self._priority = [0] * (sources + 1)
        self._levels = 0
        self._claimed = 0
        self._enabled = [0] * len(lines)
        self._threshold = [0] * len(lines)

    def source(self, number: int) -> Line:
        """The line into source `number`."""
        return partial(self._set_level, number)

    def _set_level(self, number: int, level: bool) -> None:
        levels = self._levels & ~(1 << number) | level << number
        if levels != self._levels:
            self._levels = levels
            self._update()

    def read(self, offset: int, size: int) -> int:
        if offset >= _CONTEXT:
            context, register = divmod(offset - _CONTEXT, _CONTEXT_STRIDE)
            if context < len(self._lines):
                if register == _THRESHOLD:
                    return self._threshold[context]
                if register == _CLAIM:
                    return self._claim(context)
            return 0
        if offset >= _ENABLE:
            context, register = divmod(offset - _ENABLE, _ENABLE_STRIDE)
            return self._enabled[context] >> 8 * register & 0xFFFF_FFFF if context < len(self._lines) else 0
        if offset >= _PENDING:
            return self._waiting() >> 8 * (offset - _PENDING) & 0xFFFF_FFFF
        return self._priority[offset >> 2] if offset >> 2 <= self.sources else 0

    def write(self, offset: int, size: int, value: int) -> None:
        if offset >= _CONTEXT:
            context, register = divmod(offset - _CONTEXT, _CONTEXT_STRIDE)
            if context < len(self._lines):
                if register == _THRESHOLD:
                    self._threshold[context] = value & _PRIORITY_MASK
                elif register == _CLAIM and value <= self.sources and self._enabled[context] >> value & 1:
                    self._claimed &= ~(1 << value)
        elif offset >= _ENABLE:
            context, register = divmod(offset - _ENABLE, _ENABLE_STRIDE)
            if context < len(self._lines) and register < 4 * self._words:
                mask = 0xFFFF_FFFF << 8 * register
                self._enabled[context] = (
                    self._enabled[context] & ~mask | value << 8 * register
                ) & self._valid
        elif 0 < offset >> 2 <= self.sources:
            self._priority[offset >> 2] = value & _PRIORITY_MASK
        self._update()

    def _waiting(self) -> int:
        """Sources that ask and are not being served."""
        return self._levels & ~self._claimed

    def _best(self, context: int) -> int:
        """The source to serve next: highest priority, then lowest number; 0 if none passes the threshold."""
        best, above = 0, self._threshold[context]
        candidates = self._waiting() & self._enabled[context]
        for number in range(1, self.sources + 1):
            if candidates >> number & 1 and self._priority[number] > above:
                best, above = number, self._priority[number]
        return best

    def _claim(self, context: int) -> int:
        number = self._best(context)
        if number:
            self._claimed |= 1 << number
            self._update()
        return number

    def _update(self) -> None:
        for context, line in enumerate(self._lines):
            line(bool(self._best(context)))
