"""What a debugger asks while the guest stands: each packet's answer (gdb manual, appendices E.2 to E.4)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from fairlead.debug.memory import Memory
from fairlead.debug.packets import (
    EINVAL,
    ESRCH,
    Action,
    Answer,
    Ending,
    Refused,
    Resumption,
    guest_signal,
    integer,
    span,
    unhex,
)
from fairlead.debug.points import Points
from fairlead.debug.registers import Registers
from fairlead.debug.rsp import MAX_PACKET, escape
from fairlead.system import System
from fairlead.thread import Thread

__all__ = ["Session"]

_OK, _UNKNOWN = b"OK", b""
_FEATURES = (
    f"PacketSize={MAX_PACKET:x};QStartNoAckMode+;QPassSignals+;qXfer:features:read+;vContSupported+;"
    "swbreak+;hwbreak+"
).encode()
_ACTION = re.compile(rb"([cs])|([CS])([0-9a-fA-F]{2})")


class Session:
    """The state that a debugger builds up, and the handlers of its packets."""

    def __init__(self, system: System) -> None:
        self.registers = Registers(system.machine.cpu.arch)
        self.memory = Memory(system)
        self.points = Points()
        self.passed: frozenset[int] = frozenset()
        """Signals, by gdb's numbers, that are delivered without a stop."""
        self.thread = system.current
        """The one that stopped."""
        self.reply = b""
        """The last stop's."""
        self.no_acknowledgements = False
        self._system = system
        self._numbers: dict[Thread, int] = {}
        """What threads are called here: gdb keeps 31 bits, and a guest's identifiers may need more."""
        self._next = 1
        self._selected = self._continued = self.thread

    def stopped(self, thread: Thread, signal: int, reason: str = "") -> bytes:
        """Note a stop of a thread, by gdb's number of a signal; the packet that tells of it."""
        self.thread = self._selected = self._continued = thread
        self.number(self._system.threads())
        self.reply = f"T{signal:02x}{reason}thread:{self._numbers.get(thread, 0):x};".encode()
        return self.reply

    def number(self, threads: Iterable[Thread]) -> None:
        """Number new threads, in the order they were made, and forget those that have ended."""
        known = self._numbers
        self._numbers = {}
        for thread in threads:
            self._numbers[thread] = number = known.get(thread) or self._next
            self._next = max(self._next, number + 1)

    def answer(self, packet: bytes) -> Answer:
        """Serve a packet; an empty answer to one that is not known."""
        try:
            if packet[:1] in (b"q", b"Q", b"v"):
                name = re.split(rb"[:;,]", packet, maxsplit=1)[0]
                named = _NAMED.get(name)
                return named(self, packet[len(name) + 1 :]) if named is not None else _UNKNOWN
            lettered = _LETTERS.get(packet[:1])
            return lettered(self, packet[1:]) if lettered is not None else _UNKNOWN
        except Refused as refusal:
            return b"E%02x" % refusal.number
        except ValueError:  # a number that is none
            return b"E%02x" % EINVAL

    # Threads.

    def _thread(self, text: bytes) -> Thread | None:
        """The thread that an identifier names; None for "all" and "any"."""
        number = integer(text.removeprefix(b"-"))
        if text.startswith(b"-") or not number:
            return None
        for thread, each in self._numbers.items():
            if each == number:
                return thread
        raise Refused(ESRCH)

    def _select(self, rest: bytes) -> bytes:
        thread = self._thread(rest[1:]) or self.thread
        if rest[:1] == b"g":
            self._selected = thread
        elif rest[:1] == b"c":
            self._continued = thread
        else:
            raise Refused(EINVAL)
        return _OK

    def _is_alive(self, rest: bytes) -> bytes:
        self._thread(rest)
        return _OK

    def _list_threads(self, _rest: bytes) -> bytes:
        return b"m" + b",".join(b"%x" % each for each in self._numbers.values())

    def _describe_thread(self, rest: bytes) -> bytes:
        thread = self._thread(rest) or self.thread
        known = f"{thread.id}" if thread.id < 1 << 31 else f"{thread.id:#x}"
        words = f"{thread.name} {known} {thread.state.value}".strip()
        return words.encode().hex().encode()

    # Registers.

    def _read_registers(self, _rest: bytes) -> bytes:
        return b"".join(self._hex(number) for number in range(len(self.registers.all)))

    def _read_register(self, rest: bytes) -> bytes:
        return self._hex(self._register(rest))

    def _hex(self, number: int) -> bytes:
        register = self.registers.all[number]
        data = self.registers.read(self._system, self._selected, register)
        return data.hex().encode() if data is not None else b"xx" * register.size

    def _register(self, text: bytes) -> int:
        number = integer(text)
        if number >= len(self.registers.all):
            raise Refused(EINVAL)
        return number

    def _write_registers(self, rest: bytes) -> bytes:
        for register, data in self.registers.split(unhex(rest.replace(b"x", b"0"))):
            self.registers.write(self._system, self._selected, register, data)
        return _OK

    def _write_register(self, rest: bytes) -> bytes:
        number, _, value = rest.partition(b"=")
        register = self.registers.all[self._register(number)]
        data = unhex(value)
        if len(data) != register.size:
            raise Refused(EINVAL)
        self.registers.write(self._system, self._selected, register, data)
        return _OK

    # Going on.

    def _continue(self, rest: bytes, step: bool = False, signal: int = 0) -> Resumption:
        if rest:
            counter = "pc" if self._system.machine.cpu.arch == "riscv64" else "rip"
            self._system.write_register(self._continued, counter, integer(rest))
        return Resumption({self._continued: Action(step, signal)}, Action())

    def _step(self, rest: bytes) -> Resumption:
        return self._continue(rest, step=True)

    def _continue_with(self, rest: bytes, step: bool = False) -> Resumption:
        signal, _, address = rest.partition(b";")
        return self._continue(address, step, guest_signal(signal))

    def _step_with(self, rest: bytes) -> Resumption:
        return self._continue_with(rest, step=True)

    def _resume(self, rest: bytes) -> Answer:
        threads: dict[Thread, Action] = {}
        others: Action | None = None
        for each in rest.split(b";"):
            word, colon, name = each.partition(b":")
            match = _ACTION.fullmatch(word)
            if match is None:
                raise Refused(EINVAL)
            letter = match[1] or match[2]
            action = Action(letter in b"sS", guest_signal(match[3]) if match[3] else 0)
            thread = self._thread(name) if colon else None
            if thread is not None:
                threads.setdefault(thread, action)
            elif others is None:
                others = action
        return Resumption(threads, others)

    def _detach(self, _rest: bytes) -> Ending:
        return Ending(kills=False, reply=_OK)

    def _kill(self, _rest: bytes) -> Ending:
        return Ending(kills=True, reply=b"")

    def _kill_process(self, _rest: bytes) -> Ending:
        return Ending(kills=True, reply=_OK)

    # What the two ends can do.

    def _transfer(self, rest: bytes) -> bytes:
        kind, _, rest = rest.partition(b":")
        operation, _, rest = rest.partition(b":")
        annex, _, where = rest.partition(b":")
        if (kind, operation) != (b"features", b"read"):
            return _UNKNOWN
        if annex != b"target.xml":
            return b"E00"
        start, size = span(where)
        data = self.registers.description
        size = min(size, MAX_PACKET // 2)
        return (b"m" if start + size < len(data) else b"l") + escape(data[start : start + size])

    def _pass_signals(self, rest: bytes) -> bytes:
        self.passed = frozenset(int(each, 16) for each in rest.split(b";") if each)
        return _OK

    def _stop_acknowledging(self, _rest: bytes) -> bytes:
        self.no_acknowledgements = True
        return _OK


Handler = Callable[[Session, bytes], Answer]


def _says(answer: bytes) -> Handler:
    return lambda _session, _rest: answer


_LETTERS: dict[bytes, Handler] = {
    b"?": lambda session, _rest: session.reply,
    b"C": Session._continue_with,
    b"D": Session._detach,
    b"G": Session._write_registers,
    b"H": Session._select,
    b"M": lambda session, rest: session.memory.write(rest),
    b"P": Session._write_register,
    b"S": Session._step_with,
    b"T": Session._is_alive,
    b"X": lambda session, rest: session.memory.write_binary(rest),
    b"Z": lambda session, rest: session.points.insert(rest),
    b"c": Session._continue,
    b"g": Session._read_registers,
    b"k": Session._kill,
    b"m": lambda session, rest: session.memory.read(rest),
    b"p": Session._read_register,
    b"s": Session._step,
    b"z": lambda session, rest: session.points.remove(rest),
}
_NAMED: dict[bytes, Handler] = {
    b"QPassSignals": Session._pass_signals,
    b"QStartNoAckMode": Session._stop_acknowledging,
    b"qAttached": _says(b"0"),
    b"qC": lambda session, _rest: b"QC%x" % session._numbers.get(session.thread, 0),
    b"qSupported": _says(_FEATURES),
    b"qSymbol": _says(_OK),
    b"qThreadExtraInfo": Session._describe_thread,
    b"qXfer": Session._transfer,
    b"qfThreadInfo": Session._list_threads,
    b"qsThreadInfo": _says(b"l"),
    b"vCont": Session._resume,
    b"vCont?": _says(b"vCont;c;C;s;S"),
    b"vKill": Session._kill_process,
}
"""By name; vMustReplyEmpty and all that is not here has the empty answer."""
