"""The timers of a process that send signals: setitimer(2) and timer_create(2)."""

from __future__ import annotations

from collections.abc import Callable
from errno import EAGAIN, EINVAL
from functools import partial
from struct import Struct
from typing import TYPE_CHECKING

from fairlead.errors import GuestRefusal
from fairlead.services.linux.siginfo import SI_KERNEL, SI_TIMER
from fairlead.services.linux.structures import KTIME_MAX, i32
from fairlead.services.signals import NSIG, bit
from fairlead.services.timers import IntervalTimer
from fairlead.signal import Sig, Signal
from fairlead.thread import Thread, ThreadState

if TYPE_CHECKING:
    from fairlead.services.linux.process import Process

__all__ = ["CLOCK_MONOTONIC", "CLOCK_REALTIME", "ITIMERS", "CpuTimer", "PosixTimer", "Timers"]

# uapi/linux/time.h
CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID = 0, 1, 2, 3
CLOCK_BOOTTIME, CLOCK_TAI = 7, 11
_CPU_CLOCKS = frozenset({CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID})
_CLOCKS = frozenset({CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_TAI}) | _CPU_CLOCKS

ITIMERS = ((0, Sig.SIGALRM), (1, Sig.SIGVTALRM), (2, Sig.SIGPROF))
"""ITIMER_REAL, ITIMER_VIRTUAL and ITIMER_PROF with their signals; the latter two count processor time."""
_SIGNALS = dict(ITIMERS)

# asm-generic/siginfo.h; sigevent: sigev_value, sigev_signo, sigev_notify, thread
SIGEV_SIGNAL, SIGEV_NONE, SIGEV_THREAD, SIGEV_THREAD_ID = 0, 1, 2, 4
_SIGEVENT = Struct("<QiiQ 40x")
_MAX_TIMERS = 1024
_STILL = frozenset({ThreadState.WAITING, ThreadState.ENDED})


class CpuTimer(IntervalTimer):
    """A timer on processor time, by sampling: it goes off only if what it watches ran until that moment.

    A thread that was preempted just now counts, or slices as long as the period would hide it. While all
    that it watches waits it lies dormant, so that it keeps no idle machine busy.
    """

    def __init__(
        self,
        process: Process,
        expire: Callable[[int], None],
        runs: Callable[[], bool | None],
    ) -> None:
        """`runs` says of what is watched: it ran until now (True), it could but did not, it waits (None)."""
        services = process.services
        super().__init__(services.machine.clock.now, services.call_at, expire)
        self._runs = runs
        self._dormant = process.timers.dormant
        self._period = 0

    def set(self, delay: int, interval: int) -> None:
        super().set(delay, interval)
        self._period = interval or delay

    def disarm(self) -> None:
        self._dormant.pop(self, None)
        super().disarm()

    def remaining(self) -> int:
        return self._period if self in self._dormant else super().remaining()

    def wake(self) -> None:
        """Go on after lying dormant."""
        self._arm(self._now() + self._period)

    def _fire(self) -> None:
        runs = self._runs()
        if runs:
            super()._fire()
        elif runs is None:
            self._cancel = None
            self._dormant[self] = None
        else:
            self._arm(self._now() + self._period)


class PosixTimer:
    """One timer of timer_create(2)."""

    def __init__(self, timer: IntervalTimer, clock: int) -> None:
        self._timer = timer
        self.clock = clock
        self.overrun = 0
        self.set = timer.set
        self.remaining = timer.remaining
        self.disarm = timer.disarm

    @property
    def interval(self) -> int:
        return self._timer.interval


class Timers:
    """All timers of a process, and the clocks they and other waits go by."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._services = process.services
        clock = process.services.machine.clock
        self.now = clock.now
        """Guest nanoseconds that deadlines are given in."""
        self._epoch = clock.epoch
        self._interval_timers: dict[int, IntervalTimer] = {}
        self._posix_timers: dict[int, PosixTimer] = {}
        self._next = 0
        self.dormant: dict[CpuTimer, None] = {}

    def realtime(self) -> int:
        """Nanoseconds since 1970."""
        return self._epoch + self._services.nanotime()

    def deadline(self, time: int, *, realtime: bool) -> int:
        """The guest time of an absolute time on the real or the monotonic clock."""
        clock = self.realtime() if realtime else self._services.nanotime()
        return min(self.now() + time - clock, KTIME_MAX)

    def after(self, delay: int) -> int:
        """The guest time that comes after a delay."""
        return min(self.now() + delay, KTIME_MAX)

    def wake_dormant(self) -> None:
        """A thread goes on after waiting: timers on processor time count again."""
        if self.dormant:
            for timer in tuple(self.dormant):
                del self.dormant[timer]
                timer.wake()

    def interval_timer(self, which: int) -> IntervalTimer:
        """The timer of setitimer(2) with a number; EINVAL if there is none."""
        timer = self._interval_timers.get(which)
        if timer is None:
            number = _SIGNALS.get(which)
            if number is None:
                raise GuestRefusal(EINVAL)
            signal = Signal(number, code=SI_KERNEL)

            def expire(count: int) -> None:
                self._services.post_process_signal(signal)

            def expire_running(count: int) -> None:
                self._post_to_running(signal)

            timer = self._new(expire_running, self._process_runs) if which else self._new(expire, None)
            self._interval_timers[which] = timer
        return timer

    def posix_timer(self, identifier: int) -> PosixTimer:
        timer = self._posix_timers.get(identifier)
        if timer is None:
            raise GuestRefusal(EINVAL)
        return timer

    def create(self, clock: int, event: int) -> int:
        """A timer as the sigevent at `event` wants it; SIGALRM to the process if that is 0."""
        if clock not in _CLOCKS:
            raise GuestRefusal(EINVAL)
        if len(self._posix_timers) >= _MAX_TIMERS:
            raise GuestRefusal(EAGAIN)
        identifier = self._next
        value, number, notify, target = identifier, int(Sig.SIGALRM), SIGEV_SIGNAL, 0
        if event:
            value, number, notify, target = self._process.memory.unpack(_SIGEVENT, event)
        thread = self._target(notify, target)
        if notify != SIGEV_NONE and not 1 <= number <= NSIG:
            raise GuestRefusal(EINVAL)

        def expire(count: int) -> None:
            posix.overrun = count - 1
            if notify == SIGEV_NONE:
                return
            signal = Signal(number, SI_TIMER, pid=identifier, uid=posix.overrun, value=value)
            if thread is None:
                self._services.post_process_signal(signal)
            elif thread.state is ThreadState.ENDED:
                posix.disarm()
            else:
                self._services.post_signal(thread, signal)

        runs = None
        if clock == CLOCK_PROCESS_CPUTIME_ID:
            runs = self._process_runs
        elif clock == CLOCK_THREAD_CPUTIME_ID:
            runs = partial(self._thread_runs, self._services.current)
        posix = PosixTimer(self._new(expire, runs), clock)
        self._posix_timers[identifier] = posix
        while self._next in self._posix_timers:
            self._next = (self._next + 1) & 0x7FFF_FFFF
        return identifier

    def delete(self, identifier: int) -> None:
        self.posix_timer(identifier).disarm()
        del self._posix_timers[identifier]

    def _post_to_running(self, signal: Signal) -> None:
        """Signal a thread that runs, as the kernel's tick does, so that none is woken by being profiled."""
        blocks = bit(signal.number)
        for thread in (self._services.current, *self._services.threads()):
            if thread.state not in _STILL and not thread.signals.blocked & blocks:
                self._services.post_signal(thread, signal)
                return
        self._services.post_process_signal(signal)

    def _new(self, expire: Callable[[int], None], runs: Callable[[], bool | None] | None) -> IntervalTimer:
        if runs is None:
            return IntervalTimer(self.now, self._services.call_at, expire)
        return CpuTimer(self._process, expire, runs)

    def _target(self, notify: int, target: int) -> Thread | None:
        """The thread that a sigevent names; None for the process."""
        if notify in (SIGEV_SIGNAL, SIGEV_NONE, SIGEV_THREAD):
            return None
        if notify != SIGEV_THREAD_ID | SIGEV_SIGNAL:
            raise GuestRefusal(EINVAL)
        identifier = target if self._process.thread_id_size == 8 else i32(target)
        thread = self._services.find_thread(identifier)
        if thread is None:
            raise GuestRefusal(EINVAL)
        return thread

    def _process_runs(self) -> bool | None:
        """With one processor: some thread ran unless all wait."""
        return any(thread.state not in _STILL for thread in self._services.threads()) or None

    def _thread_runs(self, thread: Thread) -> bool | None:
        return None if thread.state in _STILL else thread is self._services.current
