"""What a conformance check's program asks for by calls of its own: adversity at an exact moment.

The calls are writes to descriptors that nobody has, in words that every convention carries; what they ask for
is done between guest instructions by this observer, with the core's own mechanism only. Without it they fail
with EBADF, and the program says so.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING

from fairlead import hookimpl
from fairlead.errors import GuestRefusal
from fairlead.signal import Sig, Signal
from fairlead.syscall import Result

if TYPE_CHECKING:
    from fairlead.machine import Cpu
    from fairlead.syscall import Pending, Syscall
    from fairlead.system import System
    from fairlead.thread import NewThread, Thread

__all__ = ["Adversity"]

_FIRST = 0x4B49_5400
"""The first descriptor (testing/guest/adversity.go)."""
_EAGAIN = 11
_SI_TKILL = -6
_LAST = 9 * 10**18
"""No leap ends later, in guest nanoseconds: clocks count them in 63 bits."""
_ABSENCE = 20_000_000
"""Guest nanoseconds that the CPU seems to be away: longer than a thread may run while others wait."""


class _Sweep:
    """One round of a sweep after the other: whatever it brings comes `stride` nanoseconds later each time.

    With the instruction counter a nanosecond is one instruction of the guest's.
    """

    def __init__(self, system: System, bring: Callable[[Thread], None]) -> None:
        self._system = system
        self._bring = bring
        self._step = 0
        self._thread: Thread | None = None
        self._cancel: Callable[[], None] | None = None
        self._window = range(0)
        self._places: set[int] = set()

    def begin(self, start: int, end: int) -> int:
        """A round begins; instructions from `start` to before `end` are those that are counted."""
        system = self._system
        self._thread = system.current
        self._window = range(start, end)
        self._cancel = system.call_at(system.machine.clock.now() + self._step, self._now)
        return 0

    def end(self, stride: int) -> int:
        """A round is over: 0 if there are more, else 1 and how many places of the window were interrupted."""
        self._step += max(1, stride)
        if self._cancel is None:
            return 0
        self._cancel()
        self._cancel = None
        return 1 + len(self._places)

    def _now(self) -> None:
        self._cancel = None
        system = self._system
        thread = self._thread
        assert thread is not None
        if system.current is thread and (place := system.machine.cpu.pc) in self._window:
            self._places.add(place)
        self._bring(thread)


class Adversity:
    """The observer; `attach` comes before the first hook is called."""

    def __init__(self) -> None:
        self._refusals = 0
        self._greetings = False
        self._unready = 0

    def attach(self, system: System) -> None:
        self._system = system
        sweeps = [_Sweep(system, each) for each in (self._signal, self._absence)]
        calls: list[Callable[[int, int], int]] = []
        for sweep in sweeps:
            calls += [sweep.begin, lambda stride, _, sweep=sweep: sweep.end(stride)]  # type: ignore[misc]
        self._calls = dict(enumerate([*calls, self._jump, self._refuse, self._greet], _FIRST))

    @hookimpl(wrapper=True)
    def syscall(self, cpu: Cpu, call: Syscall) -> Generator[None, Result | Pending, Result | Pending]:
        answer = yield
        arguments = call.arguments
        if len(arguments) < 3 or arguments[0] not in self._calls:
            return answer
        return Result(self._calls[arguments[0]](arguments[1], arguments[2]))

    @hookimpl(wrapper=True)
    def newosproc(self, thread: NewThread) -> Generator[None, int, int]:
        if self._refusals:
            self._refusals -= 1
            raise GuestRefusal(_EAGAIN)
        identifier = yield
        new = self._system.find_thread(identifier)
        if self._greetings and new is not None:
            self._system.call_at(0, lambda: self._welcome(new))
        return identifier

    # -- what there is to ask for ----------------------------------------------------------------------

    def _signal(self, thread: Thread, number: Sig = Sig.SIGUSR2) -> None:
        """A signal for one thread, as tgkill sends it."""
        self._system.post_signal(thread, Signal(number, _SI_TKILL))

    def _absence(self, _thread: Thread) -> None:
        """Time passes without the guest: whatever a port ends a thread's share of the CPU with is due."""
        clock = self._system.machine.clock
        clock.idle_until(clock.now() + _ABSENCE)

    def _jump(self, nanoseconds: int, _: int) -> int:
        """So much time passes at once, as where a machine was stopped and goes on."""
        clock = self._system.machine.clock
        until = min(clock.now() + nanoseconds, _LAST)

        def pass_time() -> None:
            clock.idle_until(until)

        self._system.call_at(0, pass_time)
        return 0

    def _refuse(self, count: int, _: int) -> int:
        """The next `count` threads are refused."""
        self._refusals = count
        return 0

    def _greet(self, wanted: int, _: int) -> int:
        """Every new thread has a SIGURG waiting before its first instruction; how many took it there."""
        self._greetings = bool(wanted)
        return self._unready

    def _welcome(self, new: Thread) -> None:
        self._unready += not new.signals.blocked >> (Sig.SIGURG - 1) & 1
        self._signal(new, Sig.SIGURG)
