"""Kernel threads: system calls that go on while their caller does something else (kern/src/kthread.c).

One is a thread of the core's that never executes guest code: it waits for what the call waits for, and ends
with it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from fairlead.errors import GuestFault, GuestRefusal
from fairlead.port import Services
from fairlead.syscall import Pending, Result, Syscall, Wake
from fairlead.thread import NewThread, Thread, WaitQueue
from fairlead_akaros.abi import Errno
from fairlead_akaros.kernel.errors import REFUSALS

__all__ = ["FIRST_KTHREAD", "MOST_CALLS", "Kthreads"]

FIRST_KTHREAD = 1 << 40
"""Identifiers of threads that are no uthreads start here."""

MOST_CALLS = 4096
"""System calls of a process that may be under way at once; more fail with EAGAIN."""

_EVERYTHING = (1 << 64) - 1
_RESUMED = Result(resumed=True)
_ABORTED = Result(errno=Errno.EINTR, errstr=REFUSALS["aborted"].text)
_USES_FD = {"read", "write", "close", "fstat", "fcntl", "llseek", "nmount", "fd2path"}


class _Call:
    """A system call under way."""

    __slots__ = ("aborted", "call", "queue")

    def __init__(self, call: Syscall, queue: WaitQueue) -> None:
        self.call = call
        self.queue = queue
        self.aborted = False


class Kthreads:
    def __init__(self, services: Services, complete: Callable[[int, Result], None]) -> None:
        """`complete` writes a result into the structure at an address."""
        self._services = services
        self._complete = complete
        self._running: dict[int, _Call] = {}
        self._next = FIRST_KTHREAD + 0x10000

    def start(self, call: Syscall, pending: Pending) -> None:
        """Let a call go on by itself; out of threads it fails with EAGAIN."""
        self._next += 1
        try:
            if len(self._running) >= MOST_CALLS:
                raise GuestRefusal(Errno.EAGAIN)
            thread = self._services.add_thread(NewThread(pc=0, sp=0, id=self._next))
        except GuestRefusal as refusal:
            self._complete(call.token, Result(errno=refusal.errno, errstr=refusal.errstr))
            return
        thread.name = "kthread"
        thread.signals.blocked = _EVERYTHING
        under_way = _Call(call, self._services.wait_queue())
        self._running[call.token] = under_way
        # It is ready, not waiting: what happens before it runs first it would miss, so it looks once more.
        thread.call = call
        thread.pending = Pending((), lambda wake: self._begin(thread, under_way, pending))
        thread.wake = Wake.EVENT

    def _begin(self, thread: Thread, under_way: _Call, pending: Pending) -> Result | Pending:
        if pending.queues:
            return self._resume(thread, under_way, pending, Wake.EVENT)
        return self._wait(thread, under_way, pending)

    def abort(self, address: int) -> bool:
        """Abort the call whose structure is at an address, if it is one that waits (SYS_abort_sysc)."""
        under_way = self._running.get(address)
        if under_way is None:
            return False
        under_way.aborted = True
        under_way.queue.wake()
        return True

    def abort_fd(self, fd: int, name: Callable[[int], str]) -> int:
        """Abort every waiting call that uses a descriptor; how many there were (SYS_abort_sysc_fd)."""
        users = [
            address
            for address, under_way in self._running.items()
            if name(under_way.call.number) in _USES_FD and under_way.call.arguments[0] & 0xFFFF_FFFF == fd
        ]
        return sum(self.abort(address) for address in users)

    def _wait(self, thread: Thread, under_way: _Call, pending: Pending) -> Result | Pending:
        """Wait as the handler asks, or for an abort."""
        if under_way.aborted:
            return self._end(thread, under_way, _ABORTED)
        resume = partial(self._resume, thread, under_way, pending)
        queues = (*pending.queues, under_way.queue)
        return Pending(queues, resume, pending.deadline, interruptible=False, external=pending.external)

    def _resume(self, thread: Thread, under_way: _Call, pending: Pending, wake: Wake) -> Result | Pending:
        try:
            answer = pending.resume(Wake.SIGNAL if under_way.aborted else wake)
        except GuestFault:
            answer = Result(errno=Errno.EFAULT)
        except GuestRefusal as refusal:
            answer = Result(errno=refusal.errno, errstr=refusal.errstr)
        except OSError as error:
            answer = Result(errno=error.errno or Errno.EIO)
        if isinstance(answer, Pending):
            return self._wait(thread, under_way, answer)
        if under_way.aborted and answer.errno == Errno.EINTR:
            answer = _ABORTED
        return self._end(thread, under_way, answer)

    def _end(self, thread: Thread, under_way: _Call, result: Result) -> Result:
        address = under_way.call.token
        if self._running.get(address) is under_way:
            del self._running[address]
        thread.signals.pending.clear()
        self._complete(address, result)
        self._services.end_thread(thread)
        return _RESUMED
