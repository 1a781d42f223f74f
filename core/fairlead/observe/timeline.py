"""--timeline: who had the CPU when, in guest time, as a Chrome trace (JSON) that Perfetto and its kin open.

The track "CPU" is cut into threads and idling without a gap. Each thread has a track that says what it does:
it is on the CPU (with its traps, system calls and signals inside), ready, or waits for a call's answer.
"""

from __future__ import annotations

import errno
from collections.abc import Generator, Mapping
from functools import partial
from typing import BinaryIO, NamedTuple

from fairlead import hookimpl
from fairlead.machine import Cpu
from fairlead.observe.tracefile import Place, TraceFile
from fairlead.port import Resume
from fairlead.services.linux.numbers import name_of
from fairlead.signal import Sig, Signal
from fairlead.syscall import Pending, Result, Syscall
from fairlead.system import System
from fairlead.thread import NewThread, Thread, ThreadState
from fairlead.trap import Trap

__all__ = ["Timeline"]

Answer = Result | Pending
_Arguments = Mapping[str, object]

_CPU = Place(1, 1)
_THREADS = 2
_RUNNING = "on the CPU"
_READY = "ready"


class _Track(NamedTuple):
    """A living thread's: what it is doing, and inside of that the slices that are open."""

    place: Place
    name: str
    open: list[str]


class _Slice(NamedTuple):
    """An open slice inside of what a thread does, or nothing if no thread is on the CPU."""

    track: _Track | None
    depth: int


class Timeline:
    """An observer that writes slices as they begin and end, and keeps only the open ones."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = TraceFile(file)
        self._tracks: dict[Thread, _Track] = {}
        self._made = 0
        self._running: Thread | None = None
        """Who has the CPU."""
        self._free_since = 0
        self._free_as = "boot"

    def attach(self, system: System) -> None:
        self._now = system.machine.clock.now
        self._name = system.port.call_name or partial(name_of, system.machine.cpu.arch)
        scheduler = system.scheduler
        self._others = scheduler.on_event
        scheduler.on_event = self._scheduling
        board, port = system.port.board, system.port.name
        self._file.name_process(_CPU.process, f"{board} ({port}, seed {system.seed})")
        self._file.name_track(_CPU, "CPU")
        self._file.name_process(_THREADS, "threads")
        for thread in scheduler.threads.values():  # a port may make some as it boots
            self._new(thread, self._now())

    def close(self) -> None:
        """End what is open at the time it is, however the run ended."""
        time = self._now()
        if self._running is not None:
            self._file.end(_CPU, time)
        else:
            self._was_free(time)
        for track in self._tracks.values():
            self._close(track, 0, time)
        self._file.close()

    def _scheduling(self, event: str, thread: Thread) -> None:
        if self._others is not None:
            self._others(event, thread)
        step = _STEPS.get(event)
        if step is not None:
            step(self, thread, self._now())

    def _new(self, thread: Thread, time: int) -> None:
        self._made += 1
        name = f"{thread.name or 'thread'} {thread.id:#x}"
        track = _Track(Place(_THREADS, self._made), name, [])
        self._tracks[thread] = track
        self._file.name_track(track.place, track.name)
        self._does(thread, "waits" if thread.state is ThreadState.WAITING else _READY, time)

    def _pick(self, thread: Thread, time: int) -> None:
        before = self._running
        if thread is before:
            return
        if before is not None:
            self._leave(time)
            self._does(before, _READY, time)
        self._was_free(time)
        self._running = thread
        self._file.begin(_CPU, self._tracks[thread].name, time)
        self._does(thread, _RUNNING, time)

    def _block(self, thread: Thread, time: int) -> None:
        if thread is self._running:
            self._leave(time)
        call = thread.call
        self._does(thread, f"waits: {self._name(call.number)}" if call is not None else "waits", time)

    def _wake(self, thread: Thread, time: int) -> None:
        self._does(thread, _READY, time)

    def _end(self, thread: Thread, time: int) -> None:
        if thread is self._running:
            self._leave(time)
        self._close(self._tracks.pop(thread), 0, time)

    def _leave(self, time: int) -> None:
        self._file.end(_CPU, time)
        self._running = None
        self._free_since = time

    def _was_free(self, time: int) -> None:
        """Nobody had the CPU until now; if that took time, it is shown."""
        if time > self._free_since:
            self._file.begin(_CPU, self._free_as, self._free_since)
            self._file.end(_CPU, time)
        self._free_since = time
        self._free_as = "idle"

    def _does(self, thread: Thread, what: str, time: int) -> None:
        track = self._tracks[thread]
        self._close(track, 0, time)
        self._file.begin(track.place, what, time)
        track.open.append(what)

    def _close(self, track: _Track, depth: int, time: int, arguments: _Arguments | None = None) -> None:
        """End the slices of a track above a depth; the lowest of them ends with the arguments."""
        while len(track.open) > depth:
            track.open.pop()
            self._file.end(track.place, time, arguments if len(track.open) == depth else None)

    def _begin(self, name: str, arguments: _Arguments | None = None) -> _Slice:
        """Open a slice inside of what the thread on the CPU does."""
        if self._running is None:
            return _Slice(None, 0)
        track = self._tracks[self._running]
        self._file.begin(track.place, name, self._now(), arguments)
        track.open.append(name)
        return _Slice(track, len(track.open))

    def _finish(self, slice_: _Slice, arguments: _Arguments) -> None:
        """End a slice, unless what its thread did ended inside of it."""
        track, depth = slice_
        if track is not None and len(track.open) >= depth:
            self._close(track, depth - 1, self._now(), arguments)

    @hookimpl(wrapper=True)
    def newosproc(self, thread: NewThread) -> Generator[None, int, int]:
        begun = self._begin("newosproc", {"pc": hex(thread.pc), "sp": hex(thread.sp)})
        answer = yield
        self._finish(begun, {"thread": hex(answer)})
        return answer

    @hookimpl(wrapper=True)
    def handle_trap(self, cpu: Cpu, trap: Trap) -> Generator[None, Resume, Resume]:
        at = {"cause": hex(trap.cause), "pc": hex(trap.pc), "address": hex(trap.address)}
        begun = self._begin(trap.kind.value, at)
        answer = yield
        self._finish(begun, {"then": answer.name})
        return answer

    @hookimpl(wrapper=True)
    def deliver_signal(self, cpu: Cpu, signal: Signal) -> Generator[None, bool, bool]:
        name = _SIGNALS.get(signal.number, f"signal {signal.number}")
        begun = self._begin(name, {"code": signal.code, "address": hex(signal.address)})
        answer = yield
        self._finish(begun, {"handled": answer})
        return answer

    @hookimpl(wrapper=True)
    def syscall(self, cpu: Cpu, call: Syscall) -> Generator[None, Answer, Answer]:
        name = self._name(call.number)
        begun = self._begin(name, {"arguments": ", ".join(map(hex, call.arguments))})
        answer = yield
        if isinstance(answer, Pending):
            self._watch(answer, name)
        self._finish(begun, _told(answer))
        return answer

    def _watch(self, pending: Pending, name: str) -> None:
        """Show the answer of a call that waits when it is there."""
        resume = pending.resume

        def resumed(wake: object) -> Answer:
            begun = self._begin(name, {"after": getattr(wake, "value", "")})
            answer = resume(wake)  # type: ignore[arg-type]
            if isinstance(answer, Pending):
                self._watch(answer, name)
            self._finish(begun, _told(answer))
            return answer

        pending.resume = resumed


_STEPS = {
    "new": Timeline._new,
    "pick": Timeline._pick,
    "block": Timeline._block,
    "wake": Timeline._wake,
    "end": Timeline._end,
}


_SIGNALS = {each.value: each.name for each in Sig}


def _told(answer: Answer) -> _Arguments:
    if isinstance(answer, Pending):
        return {"result": "waits"}
    if answer.resumed:
        return {"result": "?"}
    if answer.errno:
        said = f" ({answer.errstr})" if answer.errstr else ""
        return {"result": f"-1 {errno.errorcode.get(answer.errno, answer.errno)}{said}"}
    return {"result": hex(answer.value)}
