"""The socket a debugger comes by: one connection, and no wait in it that Ctrl-C cannot end."""

from __future__ import annotations

import fcntl
import os
import select
import socket
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from fairlead.debug.rsp import Event, Kind, Reader, encode
from fairlead.errors import UsageError

__all__ = ["Address", "Connection", "Listener", "parse_address"]

_LOOPBACK = "127.0.0.1"
_LOOK = 50
"""Milliseconds of waiting between two looks at whether the host wants to stop."""
_LINGER = 1_000
"""Milliseconds that the last packet may take to be acknowledged."""
_CHUNK = 1 << 16


class Address(NamedTuple):
    """Where to listen; port 0 takes a free one."""

    host: str
    port: int


def parse_address(text: str) -> Address:
    """[HOST:]PORT; an IPv6 address in brackets."""
    host, _, port = text.rpartition(":")
    if not (port.isascii() and port.isdigit() and len(port) <= 5 and int(port) <= 0xFFFF):
        raise UsageError(
            f"--gdb {text!r} names no port", hint="write it as 1234 or HOST:1234; 0 takes a free one"
        )
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    return Address(host or _LOOPBACK, int(port))


class Listener:
    """Waits for the one debugger."""

    def __init__(self, address: Address) -> None:
        """UsageError where nobody can listen."""
        try:
            found = socket.getaddrinfo(*address, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
            family, _kind, _protocol, _name, place = found[0]
            self._socket = socket.create_server(place[:2], family=family, backlog=1)
        except OSError as error:
            unknown = isinstance(error, socket.gaierror) or not error.errno
            why = error.strerror if unknown else os.strerror(error.errno or 0)
            raise UsageError(
                f"--gdb: cannot listen at {address.host}:{address.port}: {why}",
                hint="name another port; 0 takes a free one",
            ) from None
        name = self._socket.getsockname()
        host = f"[{name[0]}]" if family == socket.AF_INET6 else name[0]
        self.port: int = name[1]
        self.name = f"{host}:{self.port}"

    def accept(self, stopped: Callable[[], bool]) -> Connection | None:
        """The first debugger's connection, and no more of them; None if the host wants to stop."""
        waiting = select.poll()
        waiting.register(self._socket, select.POLLIN)
        while not waiting.poll(_LOOK):
            if stopped():
                return None
        connected, _peer = self._socket.accept()
        self.close()
        return Connection(connected, stopped)

    def close(self) -> None:
        self._socket.close()


class Connection:
    """Packets to and from a debugger; once it is gone, `gone` says so and nothing is sent any more."""

    def __init__(self, connected: socket.socket, stopped: Callable[[], bool]) -> None:
        self.gone = False
        self._socket = connected
        self._stopped = stopped
        self._reader = Reader()
        self._events: deque[Event] = deque()
        self._acknowledges = True
        self._last = b""
        self._awaited = False
        """Is an acknowledgement of the last packet due?"""
        connected.setblocking(False)
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._poll = select.poll()
        self._poll.register(connected, select.POLLIN)

    def signal_arrivals(self) -> None:
        """Have SIGIO sent to this process whenever something arrives."""
        fcntl.fcntl(self._socket, fcntl.F_SETOWN, os.getpid())
        flags = fcntl.fcntl(self._socket, fcntl.F_GETFL)
        fcntl.fcntl(self._socket, fcntl.F_SETFL, flags | os.O_ASYNC)

    def stop_acknowledging(self) -> None:
        """What QStartNoAckMode asks, from after its answer on."""
        self._acknowledges = self._awaited = False

    def receive(self) -> Event | None:
        """The next packet or Ctrl-C, waited for; None if the debugger is gone or the host wants to stop."""
        while not self.gone:
            event = self.look()
            if event is not None:
                return event
            while not self._poll.poll(_LOOK):
                if self._stopped():
                    return None
        return None

    def look(self) -> Event | None:
        """The next packet or Ctrl-C that has arrived already."""
        self._fill()
        while self._events:
            event = self._events.popleft()
            if event.kind is Kind.ACK:
                self._awaited = False
            elif event.kind is Kind.NAK:
                self._write(self._last)
            elif event.kind is Kind.BROKEN:
                if self._acknowledges:
                    self._write(b"-")
            else:
                if event.kind is Kind.PACKET and self._acknowledges:
                    self._write(b"+")
                return event
        return None

    def send(self, payload: bytes) -> None:
        """Send a packet; binary data in it is escaped already."""
        self._last = encode(payload)
        self._awaited = self._acknowledges
        self._write(self._last)

    def close(self) -> None:
        """Hang up once the last packet has arrived."""
        rest = _LINGER
        while self._awaited and not self.gone and rest > 0:
            if not self._poll.poll(_LOOK):
                rest -= _LOOK
            self.look()
        self._socket.close()
        self.gone = True

    def _fill(self) -> None:
        while not self.gone:
            try:
                data = self._socket.recv(_CHUNK)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            if not data:
                self.gone = True
            self._events.extend(self._reader.feed(data))

    def _write(self, data: bytes) -> None:
        rest = memoryview(data)
        ready = select.poll()
        ready.register(self._socket, select.POLLOUT)
        while rest and not self.gone:
            try:
                rest = rest[self._socket.send(rest) :]
            except BlockingIOError:
                while not ready.poll(_LOOK):
                    if self._stopped():
                        return
            except OSError:
                self.gone = True
