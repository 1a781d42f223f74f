"""A port's hooks behind checks: what breaks the contract is one error that names the port and the hook."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from reprlib import repr as shortened
from typing import TypeVar

from fairlead.errors import FairleadError, GuestRefusal, PortError
from fairlead.hooks import RuntimeHooks
from fairlead.machine import Cpu
from fairlead.port import Resume
from fairlead.signal import Signal
from fairlead.syscall import Pending, Result, Syscall
from fairlead.thread import NewThread, Thread
from fairlead.trap import Trap

__all__ = ["CheckedHooks", "answer", "broken", "guarded"]

Answer = TypeVar("Answer")

_ballast = [bytes(4 << 20)]
"""Address space, not memory: thrown off so that running out of memory can be reported."""


def broken(port: str, hook: str, what: str) -> PortError:
    """The error for a port that broke the contract."""
    return PortError(
        f"port {port}: hook {hook} {what}", hint="--debug shows where; the contract is in hookspecs.py"
    )


def guarded(port: str, hook: str, function: Callable[..., object], *arguments: object) -> object:
    """Call into a port; whatever it raises becomes an error that names the hook."""
    try:
        return function(*arguments)
    except FairleadError:
        raise
    except (Exception, SystemExit) as error:
        raise _raised(port, hook, error) from error


def _raised(port: str, hook: str, error: BaseException) -> PortError:
    """The error for whatever else came out of a hook."""
    if isinstance(error, MemoryError):
        _let_go(error)
        return broken(port, hook, "ran out of the host's memory")
    words = " ".join(str(error).split())
    return broken(port, hook, f"raised {type(error).__name__}" + (f": {words}" if words else ""))


def _let_go(error: BaseException) -> None:
    """Give back what the frames that an error came through hold, or there is no memory left to report it."""
    _ballast.clear()
    step = error.__traceback__
    while step is not None:
        try:
            step.tb_frame.clear()
        except RuntimeError:
            pass  # it still runs: ours
        step = step.tb_next


def answer(port: str, hook: str, value: object, kind: type[Answer]) -> Answer:
    """What a port answered, proved to be of the kind that is due."""
    if not isinstance(value, kind):
        raise broken(port, hook, f"answered {shortened(value)} where {kind.__name__} is due")
    return value


class CheckedHooks:
    """The five runtime hooks, typed: the only way to call one."""

    def __init__(
        self,
        port: str,
        implementer: object,
        observers: Iterable[object],
        cpu: Cpu,
        threads: dict[int, Thread],
        *,
        unfinished: bool = False,
    ) -> None:
        hooks = RuntimeHooks(port, implementer, observers, unfinished=unfinished)
        self.observed = hooks.observed
        self._port = port
        self._cpu = cpu
        self._threads = threads
        self._latest = 0
        self.bare_syscall: Callable[[Cpu, Syscall], Result | Pending] = hooks.resolve("syscall")
        """The hook without its checks, for the hot path, which makes them itself."""
        self._handle_trap = hooks.resolve("handle_trap")
        self._newosproc = hooks.resolve("newosproc")
        self._nanotime = hooks.resolve("nanotime")
        self._deliver_signal = hooks.resolve("deliver_signal")

    def newosproc(self, thread: NewThread) -> int:
        """Start a thread; its id, proved to be one of a living thread that was not there before."""
        newest = next(reversed(self._threads), None)
        try:
            value = self._newosproc(thread)
        except (FairleadError, GuestRefusal):
            raise  # out of threads is a refusal: whoever asked hands the error number on
        except (Exception, SystemExit) as error:
            raise self.raised("newosproc", error) from error
        identifier = answer(self._port, "newosproc", value, int)
        if identifier not in self._threads:
            raise broken(self._port, "newosproc", f"answered {identifier:#x}, which is no living thread's id")
        for each in reversed(self._threads):
            if each == newest:
                raise broken(self._port, "newosproc", f"answered {identifier:#x}, an older thread's id")
            if each == identifier:
                break
        return identifier

    def nanotime(self) -> int:
        """Guest time, proved to be above zero and not to go backwards."""
        value = guarded(self._port, "nanotime", self._nanotime)
        time = answer(self._port, "nanotime", value, int)
        if time <= 0:
            raise broken(self._port, "nanotime", f"answered {time}, and time is never zero or less")
        if time < self._latest:
            raise broken(self._port, "nanotime", f"answered {time} after {self._latest}: time went backwards")
        self._latest = time
        return time

    def handle_trap(self, trap: Trap) -> Resume:
        value = guarded(self._port, "handle_trap", self._handle_trap, self._cpu, trap)
        return answer(self._port, "handle_trap", value, Resume)

    def resumed(self, function: Callable[..., object], *arguments: object) -> Result | Pending:
        """The answer of a call that was waited for."""
        return self.result(guarded(self._port, "syscall", function, *arguments))

    def deliver_signal(self, signal: Signal) -> bool:
        value = guarded(self._port, "deliver_signal", self._deliver_signal, self._cpu, signal)
        return answer(self._port, "deliver_signal", value, bool)

    def result(self, value: object) -> Result | Pending:
        """An answer to a system call, proved to be one."""
        if not isinstance(value, (Result, Pending)):
            raise broken(self._port, "syscall", f"answered {shortened(value)} where Result or Pending is due")
        return value

    def raised(self, hook: str, error: BaseException) -> Exception:
        """The error to raise for an exception that came out of a hook."""
        return error if isinstance(error, FairleadError) else _raised(self._port, hook, error)
