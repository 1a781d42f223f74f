"""--strace: one line a system call, with its name, arguments, result, guest time and thread."""

from __future__ import annotations

import errno
from collections.abc import Generator
from functools import partial
from typing import TextIO

from fairlead import hookimpl
from fairlead.machine import Cpu
from fairlead.services.linux.numbers import name_of
from fairlead.syscall import Pending, Result, Syscall
from fairlead.system import System

__all__ = ["Strace"]

Answer = Result | Pending


class Strace:
    """An observer: prints a call when it is answered, and again when an answer that came later is there."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def attach(self, system: System) -> None:
        self._system = system
        self._now = system.machine.clock.now
        self._name = system.port.call_name or partial(name_of, system.machine.cpu.arch)

    @hookimpl(wrapper=True)
    def syscall(self, cpu: Cpu, call: Syscall) -> Generator[None, Answer, Answer]:
        before = self._now()
        thread = self._system.current.id
        answer = yield
        if isinstance(answer, Pending):
            self._watch(answer, call, before, thread)
        else:
            self._print(call, answer, before, thread)
        return answer

    def _watch(self, pending: Pending, call: Syscall, before: int, thread: int) -> None:
        resume = pending.resume

        def resumed(wake: object) -> Answer:
            answer = resume(wake)  # type: ignore[arg-type]
            if isinstance(answer, Pending):
                self._watch(answer, call, before, thread)
            else:
                self._print(call, answer, before, thread)
            return answer

        pending.resume = resumed

    def _print(self, call: Syscall, result: Result, before: int, thread: int) -> None:
        name = self._name(call.number)
        arguments = ", ".join(hex(each) if each > 9 else str(each) for each in call.arguments)
        if result.resumed:
            value = "?"
        elif result.errno:
            value = f"-1 {errno.errorcode.get(result.errno, result.errno)}"
            value += f" ({result.errstr})" if result.errstr else ""
        else:
            value = hex(result.value) if result.value > 9 else str(result.value)
        spent = self._now() - before
        waited = f" <{spent / 1e9:.6f}>" if spent else ""
        print(f"{before / 1e9:.6f} {thread:#x} {name}({arguments}) = {value}{waited}", file=self._out)
