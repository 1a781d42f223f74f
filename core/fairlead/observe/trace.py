"""--trace: what the port says of itself (traps, sched), every hook call, or all of it with registers."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import TextIO, TypeVar

from fairlead import hookimpl
from fairlead.machine import Cpu
from fairlead.port import Resume
from fairlead.signal import Signal
from fairlead.syscall import Pending, Result, Syscall
from fairlead.system import System
from fairlead.thread import NewThread, Thread
from fairlead.trap import Trap

__all__ = ["KINDS", "Trace"]

KINDS = ("all", "hooks", "sched", "traps")

Answer = TypeVar("Answer")


class Trace:
    """An observer of every hook; lines of a kind go where that kind was asked to go."""

    def __init__(self, outs: Mapping[str, TextIO]) -> None:
        self._outs = dict(outs)
        self._all = self._outs.get("all")
        self._hooks = self._outs.get("hooks")

    @property
    def observes(self) -> bool:
        """Does it need to see hook calls?"""
        return self._all is not None or self._hooks is not None

    def attach(self, system: System) -> None:
        self._system = system
        self._now = system.machine.clock.now
        self._cpu = system.machine.cpu
        for kind in ("traps", "sched"):
            if kind in self._outs or self._all is not None:
                system.tracers[kind] = self._port_line(kind)
        if "sched" in system.tracers:
            system.scheduler.on_event = self._scheduling

    def _port_line(self, kind: str):  # type: ignore[no-untyped-def]
        out = self._outs.get(kind)

        def write(line: str) -> None:
            if out is not None:
                print(line, file=out)
            if self._all is not None:
                print(f"{self._now()} {kind} {line}", file=self._all)

        return write

    def _scheduling(self, event: str, thread: Thread) -> None:
        if event != "pick":  # a change of threads is told as "run", when the registers are in place
            self._system.trace("sched", f"{event} {thread.id:#x}")

    def _line(self, what: str) -> None:
        if self._hooks is not None:
            print(f"{self._now()} {what}", file=self._hooks)
        if self._all is not None:
            registers = " ".join(f"{each:x}" for each in self._cpu.general())
            print(f"{self._now()} {self._system.current.id:#x} {what} [{registers}]", file=self._all)

    @hookimpl(wrapper=True)
    def newosproc(self, thread: NewThread) -> Generator[None, int, int]:
        answer = yield
        self._line(f"newosproc pc={thread.pc:#x} sp={thread.sp:#x} -> {answer:#x}")
        return answer

    @hookimpl(wrapper=True)
    def nanotime(self) -> Generator[None, int, int]:
        answer = yield
        self._line(f"nanotime -> {answer}")
        return answer

    @hookimpl(wrapper=True)
    def handle_trap(self, cpu: Cpu, trap: Trap) -> Generator[None, Resume, Resume]:
        what = (
            f"handle_trap {trap.kind.value} cause={trap.cause:#x} pc={trap.pc:#x} address={trap.address:#x}"
        )
        answer = yield
        self._line(f"{what} -> {answer.name}")
        return answer

    @hookimpl(wrapper=True)
    def syscall(self, cpu: Cpu, call: Syscall) -> Generator[None, Result | Pending, Result | Pending]:
        answer = yield
        shown = (
            f"-errno {answer.errno}"
            if isinstance(answer, Result) and answer.errno
            else f"{answer.value:#x}"
            if isinstance(answer, Result)
            else "pending"
        )
        arguments = " ".join(f"{each:x}" for each in call.arguments)
        self._line(f"syscall {call.number} {arguments} -> {shown}")
        return answer

    @hookimpl(wrapper=True)
    def deliver_signal(self, cpu: Cpu, signal: Signal) -> Generator[None, bool, bool]:
        answer = yield
        self._line(
            f"deliver_signal {signal.number} code={signal.code} address={signal.address:#x} -> {answer}"
        )
        return answer
