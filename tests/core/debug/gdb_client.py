"""The debugger's end of the GDB remote protocol, as small as it can be, and a run to use it on."""

from __future__ import annotations

import re
import select
import socket
import subprocess
import sys
from pathlib import Path
from types import TracebackType

from fairlead.debug.rsp import Kind, Reader, encode

__all__ = ["ROOT", "Client", "DebuggedRun"]

ROOT = Path(__file__).resolve().parents[3]
_PATIENCE = 60


class Client:
    """One connection; every packet sent is answered before the next."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=_PATIENCE)
        self._reader = Reader()
        self._events: list[tuple[Kind, bytes]] = []
        self.acknowledges = True

    def event(self) -> tuple[Kind, bytes]:
        """The next thing that arrives; EOFError at the connection's end."""
        while not self._events:
            data = self.socket.recv(1 << 16)
            if not data:
                raise EOFError
            self._events += [(each.kind, each.payload) for each in self._reader.feed(data)]
        return self._events.pop(0)

    def raw(self, data: bytes) -> None:
        self.socket.sendall(data)

    def send(self, packet: str | bytes) -> None:
        self.raw(encode(packet.encode("latin-1") if isinstance(packet, str) else packet))
        if self.acknowledges:
            assert self.event() == (Kind.ACK, b"")

    def receive(self) -> str:
        kind, payload = self.event()
        assert kind is Kind.PACKET, kind
        if self.acknowledges:
            self.raw(b"+")
        return payload.decode("latin-1")

    def ask(self, packet: str | bytes) -> str:
        self.send(packet)
        return self.receive()

    def stop_acknowledging(self) -> None:
        assert self.ask("QStartNoAckMode") == "OK"
        self.acknowledges = False

    def silent(self) -> bool:
        """Does nothing come for a moment?"""
        return not self._events and not select.select([self.socket], [], [], 0.3)[0]

    def hangs_up(self) -> bool:
        """Has the other end nothing more to say?"""
        try:
            while True:
                self.event()
        except (EOFError, ConnectionError):
            return True


class DebuggedRun:
    """`fairlead run --gdb 0`, waiting; its output once it has ended."""

    def __init__(self, port: str, image: Path, *options: str, arguments: tuple[str, ...] = ()) -> None:
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "fairlead",
                "run",
                "--port",
                port,
                "--gdb",
                "0",
                *options,
                str(image),
                *arguments,
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        assert self.process.stderr is not None
        self.announced = self.process.stderr.readline()
        match = re.search(r"127\.0\.0\.1:(\d+) \(gdb: target remote :\1\)$", self.announced.strip())
        assert match is not None, self.announced
        self.port = int(match[1])
        self._clients: list[Client] = []

    def attach(self) -> Client:
        """A debugger, whose connection is closed with the run at the latest."""
        self._clients.append(Client(self.port))
        return self._clients[-1]

    def end(self) -> tuple[int, str, str]:
        """Exit code, standard output, and standard error after the first line."""
        output, errors = self.process.communicate(timeout=_PATIENCE)
        return self.process.returncode, output, errors

    def __enter__(self) -> DebuggedRun:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for each in self._clients:
            each.socket.close()
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()
