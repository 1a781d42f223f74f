"""A 16550A serial port (National Semiconductor PC16550D data sheet, section 8)."""

from __future__ import annotations

from collections import deque

from fairlead.machine import Console
from fairlead_machines.devices.device import Line

__all__ = ["Uart16550"]

# Table II: registers by offset; 0 and 1 are the divisor latch while LCR.DLAB is set.
_DATA, _IER, _IIR_FCR, _LCR, _MCR, _LSR, _MSR, _SCR = range(8)
_IER_RECEIVED, _IER_TRANSMIT_EMPTY = 1, 2
_IIR_NONE, _IIR_TRANSMIT_EMPTY, _IIR_RECEIVED = 0x01, 0x02, 0x04
_IIR_FIFOS_ON = 0xC0
_FCR_ENABLE, _FCR_CLEAR_RECEIVE = 1, 2
_LCR_DLAB = 0x80
_LSR_DATA_READY, _LSR_TRANSMIT_EMPTY = 0x01, 0x60
_MSR_READY = 0xB0  # DCD, DSR and CTS: somebody is at the other end
_FIFO = 16


class Uart16550:
    """Sends at once, whatever the baud rate; receives as the guest asks, or by `poll`."""

    def __init__(self, console: Console, line: Line) -> None:
        self._console = console
        self._line = line
        self._received: deque[int] = deque()
        self._divisor = [0, 0]
        self._enabled = 0
        self._fifos = False
        self._line_control = self._modem_control = self._scratch = 0
        self._transmit_empty = False
        """The interrupt for an empty transmitter is due; reading IIR or writing data takes it away."""

    def read(self, offset: int, size: int) -> int:
        if offset < 2 and self._line_control & _LCR_DLAB:
            return self._divisor[offset]
        if offset == _DATA:
            self._fill()
            value = self._received.popleft() if self._received else 0
            self._update()
            return value
        if offset == _IIR_FCR:
            cause = self._cause()
            if cause == _IIR_TRANSMIT_EMPTY:
                self._transmit_empty = False
                self._update()
            return cause | (_IIR_FIFOS_ON if self._fifos else 0)
        if offset == _LSR:
            self._fill()
            return _LSR_TRANSMIT_EMPTY | (_LSR_DATA_READY if self._received else 0)
        plain = {
            _IER: self._enabled,
            _LCR: self._line_control,
            _MCR: self._modem_control,
            _MSR: _MSR_READY,
            _SCR: self._scratch,
        }
        return plain.get(offset, 0)

    def write(self, offset: int, size: int, value: int) -> None:
        value &= 0xFF
        if offset < 2 and self._line_control & _LCR_DLAB:
            self._divisor[offset] = value
        elif offset == _DATA:
            self._console.write(bytes((value,)))
            self._transmit_empty = True
        elif offset == _IER:
            # The transmitter is always empty, so enabling that interrupt makes it due.
            self._transmit_empty |= bool(value & ~self._enabled & _IER_TRANSMIT_EMPTY)
            self._enabled = value & 0x0F
        elif offset == _IIR_FCR:
            self._fifos = bool(value & _FCR_ENABLE)
            if value & _FCR_CLEAR_RECEIVE:
                self._received.clear()
        elif offset == _LCR:
            self._line_control = value
        elif offset == _MCR:
            self._modem_control = value & 0x1F
        elif offset == _SCR:
            self._scratch = value
        self._update()

    def poll(self) -> None:
        """Look for input, if the guest waits for its interrupt."""
        if self._enabled & _IER_RECEIVED and not self._received:
            self._fill()
            self._update()

    def _fill(self) -> None:
        if not self._received:
            self._received.extend(self._console.read(_FIFO) or b"")

    def _cause(self) -> int:
        """The interrupt that IIR shows, by priority (table IV)."""
        if self._enabled & _IER_RECEIVED and self._received:
            return _IIR_RECEIVED
        if self._enabled & _IER_TRANSMIT_EMPTY and self._transmit_empty:
            return _IIR_TRANSMIT_EMPTY
        return _IIR_NONE

    def _update(self) -> None:
        self._line(self._cause() != _IIR_NONE)
