"""Alarms: calls at a time, such as those that abort a system call; and the profiling alarm.

`struct alarm_waiter` (user/parlib/include/parlib/alarm.h) is in the process' heap; the kernel's alarm device
is the core's timers.
"""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct

from fairlead.port import Services
from fairlead.services.addressspace import AddressSpace
from fairlead.thread import Thread, ThreadState
from fairlead_akaros.kernel.kthread import FIRST_KTHREAD
from fairlead_akaros.parlib.heap import Heap

__all__ = ["Alarms", "ProfilingAlarm"]

_WAITER = Struct("<QQQQQB7x")
"""wake_up_time, func, data, next (two words), on_tchain."""
_MICROSECOND = 1000
_NEVER = 1 << 62
_MOST = 1 << 16
"""Alarms that may be set at a time."""
_AGAIN = 10_000 * _MICROSECOND
"""When an abort that came to nothing is tried again: 10000 µs (alarm_abort_sysc)."""


class Alarms:
    def __init__(
        self, services: Services, memory: AddressSpace, heap: Heap, abort: Callable[[Thread], bool]
    ) -> None:
        """`abort` ends the system call that a uthread is blocked in; False if there is none."""
        self._services = services
        self._memory = memory
        self._heap = heap
        self._abort = abort
        self._set: dict[int, Callable[[], None]] = {}

    def abort_syscall_at_abs_unix(self, deadline: int) -> int:
        """Abort what the current uthread will be blocked in at `deadline`, µs since 1970; the waiter."""
        clock = self._services.machine.clock
        time = min(max(deadline * _MICROSECOND - clock.epoch, 0), _NEVER)
        waiter = self._heap.malloc(_WAITER.size) if len(self._set) < _MOST else 0
        if not waiter:
            return 0
        thread = self._services.current
        self._memory.write(waiter, _WAITER.pack(time, 0, thread.id, 0, 0, 1))
        self._arm(waiter, time, thread)
        return waiter

    def unset_alarm_with_free(self, waiter: int) -> int:
        """Was it still to come? It is gone now, and its memory with it."""
        cancel = self._set.pop(waiter, None)
        if cancel is not None:
            cancel()
        self._heap.free(waiter)
        return int(cancel is not None)

    def _arm(self, waiter: int, time: int, thread: Thread) -> None:
        self._set[waiter] = self._services.call_at(time, lambda: self._fire(waiter, thread))

    def _fire(self, waiter: int, thread: Thread) -> None:
        del self._set[waiter]
        self._services.trace("sched", f"alarm {waiter:#x} for uthread {thread.id}")
        if thread.state is not ThreadState.ENDED and not self._abort(thread):
            self._arm(waiter, self._services.machine.clock.now() + _AGAIN, thread)


class ProfilingAlarm:
    """enable_profalarm: SIGPROF for whatever uthread runs, every so often of running time (profalarm.c)."""

    def __init__(self, services: Services, signal: Callable[[Thread], None]) -> None:
        self._services = services
        self._signal = signal
        self._interval = 0
        self._cancel: Callable[[], None] | None = None

    def enable(self, microseconds: int) -> int:
        self.disable()
        self._interval = microseconds * _MICROSECOND
        self.running()
        return 0

    def disable(self) -> int:
        if self._cancel is not None:
            self._cancel()
        self._cancel, self._interval = None, 0
        return 0

    def running(self) -> None:
        """A uthread runs: count again if counting had stopped for want of one."""
        if self._interval and self._cancel is None:
            now = self._services.machine.clock.now()
            self._cancel = self._services.call_at(now + self._interval, self._fire)

    def _fire(self) -> None:
        self._cancel = None
        thread = self._services.current
        if thread.state in (ThreadState.RUNNING, ThreadState.READY):
            self.running()
            if thread.id < FIRST_KTHREAD:
                self._signal(thread)
