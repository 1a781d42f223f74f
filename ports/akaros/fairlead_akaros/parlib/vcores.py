"""Uthreads on vcores: which vcore runs, what it runs, and entering vcore context (user/pthread/pthread.c).

The kernel gives the one CPU to the vcores in turn. A vcore runs its uthread until that blocks, yields or has
had its share while others wait; then it takes the first from the ready queue. In vcore context the scheduler
looks at the vcore's events. That is Python, but for signal handlers: for those each vcore has a thread of the
core's, with the vcore's own stack and TLS, that sits in vcore_entry.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from struct import pack

from fairlead.errors import GuestFault
from fairlead.port import Services
from fairlead.services.addressspace import AddressSpace
from fairlead.signal import Sig
from fairlead.syscall import Pending, Result, Wake
from fairlead.thread import NewThread, Thread, ThreadState, WaitQueue
from fairlead_akaros.abi import PGSIZE, VC_CAN_RCV_MSG
from fairlead_akaros.kernel.events import Events, Message, init_ucq, vcpd
from fairlead_akaros.kernel.kthread import FIRST_KTHREAD
from fairlead_akaros.layouts import PREEMPT_DATA
from fairlead_akaros.parlib.heap import Heap

__all__ = ["QUANTUM", "Vcore", "Vcores"]

QUANTUM = 10_000_000
"""Guest nanoseconds that a uthread runs while others wait for its vcore."""

_STACK_PAGES = 8
_TLS = 64
_TLS_BASE = 16
_IN_VCORE_CONTEXT = 8
"""Offset from the FS base of the word that is not zero in vcore context; uthreads have their m.tls there."""
_RESUMED = Result(resumed=True)


@dataclass(slots=True, eq=False)
class Vcore:
    number: int
    thread: Thread
    """Its vcore context."""
    queue: WaitQueue
    entry: int
    stack: int
    tls: int
    uthread: Thread | None = None


class Vcores:
    def __init__(
        self, services: Services, memory: AddressSpace, heap: Heap, events: Events, count: int, entry: int
    ) -> None:
        """`entry` is the address of vcore_entry."""
        self._services = services
        self._memory = memory
        self._events = events
        self._entry = entry
        self.on_message: dict[int, Callable[[Vcore, Message], None]] = {}
        """What the scheduler does on each kind of event."""
        self._handlers: dict[int, int] = {}
        """Handlers due in vcore context: signals with their handlers' addresses."""
        self.siginfo: Callable[[int], int] = lambda number: 0
        """Makes the siginfo of a signal in vcore context; its address."""
        self.save_uthread: Callable[[Vcore], None] = lambda vcore: None
        """Keeps what a vcore's uthread was doing in the vcore's preempt data."""
        self.vcores = [self._make(heap, number) for number in range(count)]
        self._current = self.vcores[0]
        self._start = services.machine.cpu.batch(("rdi", "rsi", "rdx", "rsp", "rip"))
        self._spent = False
        self._tick: Callable[[], None] | None = None
        self.on_running: Callable[[], None] = lambda: None
        """Called when a uthread is about to run, for timers that count running time."""
        events.notify = self.notify

    def _make(self, heap: Heap, number: int) -> Vcore:
        memory = self._memory
        stack = heap.pages(_STACK_PAGES) + _STACK_PAGES * PGSIZE
        tls = heap.malloc(_TLS) + _TLS_BASE
        memory.write_u64(tls + _IN_VCORE_CONTEXT, 1 + number)
        base = vcpd(number)
        memory.write(
            base + PREEMPT_DATA["vcore_entry"], pack("<QQQQ", self._entry, stack, tls, VC_CAN_RCV_MSG)
        )
        for box in ("ev_mbox_public", "ev_mbox_private"):
            init_ucq(memory, base + PREEMPT_DATA[box], heap.pages(2))
        thread = self._services.add_thread(
            NewThread(self._entry, stack, {"fs_base": tls}, id=FIRST_KTHREAD + number)
        )
        thread.name = f"vcore {number}"
        if number:
            thread.signals.blocked = (1 << 64) - 1
        return Vcore(number, thread, self._services.wait_queue(), self._entry, stack, tls)

    # -- who runs --------------------------------------------------------------------------------------

    def pick(self, current: Thread | None, ready: Sequence[Thread]) -> Thread:
        """The next thread: kernel threads and vcore context first, then the vcores' uthreads in turn."""
        for thread in ready:
            if thread.id >= FIRST_KTHREAD:
                return thread
        self._arm()
        self.on_running()
        vcore = self._current
        spent, self._spent = self._spent, False
        for each in self.vcores:  # what has blocked since has left its vcore
            if each.uthread is not None and each.uthread.state is not ThreadState.READY:
                each.uthread = None
        taken = {each.uthread for each in self.vcores}
        waiting = [thread for thread in ready if thread not in taken]
        if spent and waiting and None not in taken:
            vcore.uthread = None
        for each in self._turns(vcore, spent):
            if each.uthread is None and waiting:
                each.uthread = waiting.pop(0)
                self._trace(each, f"run uthread {each.uthread.id}")
            if each.uthread is not None:
                self._current = each
                return each.uthread
        raise AssertionError("a uthread that is ready is on a vcore or waits for one")

    def _turns(self, vcore: Vcore, spent: bool) -> Sequence[Vcore]:
        """The vcores in the order they are asked."""
        start = vcore.number + (1 if spent else 0)
        return [self.vcores[(start + step) % len(self.vcores)] for step in range(len(self.vcores))]

    def yield_(self) -> None:
        """The current uthread goes to the end of the ready queue."""
        self._spent = True
        self._services.reschedule()

    def current_vcore(self) -> int:
        """The vcore that the running thread is on."""
        identifier = self._services.current.id
        if FIRST_KTHREAD <= identifier < FIRST_KTHREAD + len(self.vcores):
            return identifier - FIRST_KTHREAD
        return self._current.number

    def in_vcore_context(self) -> bool:
        return FIRST_KTHREAD <= self._services.current.id < FIRST_KTHREAD + len(self.vcores)

    def _arm(self) -> None:
        if self._tick is None:
            now = self._services.machine.clock.now()
            self._tick = self._services.call_at(now + QUANTUM, self._quantum)

    def _quantum(self) -> None:
        """A share of the CPU is over; while nobody runs nothing is counted."""
        self._tick = None
        thread = self._services.current
        if thread.state in (ThreadState.RUNNING, ThreadState.READY):
            self._arm()
            self._spent = True
            self._services.reschedule()

    # -- vcore context ---------------------------------------------------------------------------------

    def notify(self, number: int) -> None:
        """An interrupt for a vcore: it enters vcore context and looks at its events."""
        vcore = self.vcores[number]
        self._trace(vcore, "entry")
        try:
            self._memory.write(vcpd(number) + PREEMPT_DATA["notif_disabled"], b"\1")
            for message in self._events.take_vcore(number):
                handler = self.on_message.get(message.ev_type)
                if handler is not None:
                    handler(vcore, message)
            self._memory.write(vcpd(number) + PREEMPT_DATA["notif_disabled"], b"\0")
        except GuestFault:  # a program that spoils what parlib lives on ends as it would by itself
            self._services.exit_by_signal(Sig.SIGSEGV)

    def run_handler(self, vcore: Vcore, number: int, handler: int) -> None:
        """Have a signal handler of the program's run in vcore context."""
        self._handlers[number] = handler
        self.save_uthread(vcore)
        vcore.queue.wake()
        self._services.reschedule()

    def enter(self) -> Result | Pending:
        """vcore_entry of a vcore's own thread: run the next handler, or wait."""
        vcore = self.vcores[self._services.current.id - FIRST_KTHREAD]
        if vcore.number or not self._handlers:
            return Pending((vcore.queue,), self._woken)
        number = next(iter(self._handlers))
        handler = self._handlers.pop(number)
        self._spent = True  # whom the handler wakes comes before whom it interrupted
        self._trace(vcore, f"signal {number} in vcore context")
        top = vcore.stack - 64
        self._memory.write_u64(top - 8, vcore.entry)
        context = vcpd(vcore.number) + PREEMPT_DATA["uthread_ctx"]
        self._start.write((number, self.siginfo(number), context, top - 8, handler))
        return _RESUMED

    @staticmethod
    def _woken(wake: Wake) -> Result:
        """Go round vcore_entry once more; a signal of the process' is taken on the way."""
        return _RESUMED

    def _trace(self, vcore: Vcore, what: str) -> None:
        self._services.trace("sched", f"vcore {vcore.number}: {what}")
