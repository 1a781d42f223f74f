"""Goldfish real-time clock (Android's goldfish virtual hardware guide; QEMU hw/rtc/goldfish_rtc.c)."""

from __future__ import annotations

from collections.abc import Callable

from fairlead_machines.devices.device import Line

__all__ = ["GoldfishRtc"]

_TIME_LOW, _TIME_HIGH = 0x00, 0x04
_ALARM_LOW, _ALARM_HIGH = 0x08, 0x0C
_IRQ_ENABLED, _CLEAR_ALARM = 0x10, 0x14
_ALARM_STATUS, _CLEAR_INTERRUPT = 0x18, 0x1C
_LOW = 0xFFFF_FFFF


class GoldfishRtc:
    """Nanoseconds since 1970, and one alarm."""

    def __init__(
        self,
        now: Callable[[], int],
        epoch: int,
        set_alarm: Callable[[Callable[[], None], int | None], None],
        line: Line,
    ) -> None:
        """`now` is the machine's clock, `epoch` the real time at its zero; set_alarm takes times of `now`."""
        self._now = now
        self._offset = epoch
        self._set_alarm = set_alarm
        self._line = line
        self._high = 0
        self._alarm = 0
        self._armed = self._enabled = self._fired = False

    def read(self, offset: int, size: int) -> int:
        if offset == _TIME_LOW:
            # The high half is latched, so that low then high is one reading.
            time = self._offset + self._now()
            self._high = time >> 32 & _LOW
            return time & _LOW
        registers = {
            _TIME_HIGH: self._high,
            _ALARM_LOW: self._alarm & _LOW,
            _ALARM_HIGH: self._alarm >> 32,
            _IRQ_ENABLED: int(self._enabled),
            _ALARM_STATUS: int(self._armed),
        }
        return registers.get(offset, 0)

    def write(self, offset: int, size: int, value: int) -> None:
        if offset == _TIME_LOW:
            time = self._offset + self._now()
            self._offset += (time & ~_LOW | value) - time
        elif offset == _TIME_HIGH:
            time = self._offset + self._now()
            self._offset += (time & _LOW | value << 32) - time
        elif offset == _ALARM_LOW:
            # Writing the low half arms the alarm; the high half is written before.
            self._alarm = self._alarm & ~_LOW | value
            self._armed = True
            self._set_alarm(self._ring, self._alarm - self._offset)
        elif offset == _ALARM_HIGH:
            self._alarm = self._alarm & _LOW | value << 32
        elif offset == _IRQ_ENABLED:
            self._enabled = bool(value & 1)
        elif offset == _CLEAR_ALARM:
            self._armed = False
            self._set_alarm(self._ring, None)
        elif offset == _CLEAR_INTERRUPT:
            self._fired = False
        self._line(self._fired and self._enabled)

    def _ring(self) -> None:
        self._armed = False
        self._fired = True
        self._line(self._enabled)
