"""One Linux process: what its threads share, and the way from a call's number to its handler."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from errno import EFAULT, EIO, ENOSYS
from functools import partial
from typing import TYPE_CHECKING

from fairlead.errors import GuestFault, GuestRefusal
from fairlead.machine import PAGE_SIZE, Cpu, Prot
from fairlead.services.futex import FutexTable
from fairlead.services.linux.calls import find_handler
from fairlead.services.linux.delivery import Delivery
from fairlead.services.linux.handler import Handler
from fairlead.services.linux.limits import RLIMIT_NOFILE, default_limits
from fairlead.services.linux.numbers import name_of
from fairlead.services.linux.structures import i32, i64
from fairlead.services.linux.timers import Timers
from fairlead.services.randomness import Randomness
from fairlead.services.signals import AltStack, SignalTable
from fairlead.signal import Signal
from fairlead.syscall import Pending, Result, Syscall, Wake

if TYPE_CHECKING:
    from fairlead.port import Services
    from fairlead.services.addressspace import AddressSpace
    from fairlead.services.linux.files import Files
    from fairlead.thread import Thread

__all__ = ["Process", "ThreadData"]

_FAULT = Result(errno=EFAULT)
_NO_CALL = Result(errno=ENOSYS)
_TRAMPOLINES = {"riscv64": bytes.fromhex("9308b008 73000000"), "x86_64": b""}
"""addi a7, x0, 139 (rt_sigreturn); ecall. On x86-64 every sigaction says where to return to (SA_RESTORER)."""
_SMALL = tuple(Result(value) for value in range(4096))


@dataclass(slots=True)
class ThreadData:
    """What a Linux thread has beyond its registers and signals."""

    altstack: AltStack = field(default_factory=AltStack)
    clear_child_tid: int = 0
    saved_mask: int | None = None
    """The mask to come back after a handler that interrupted a call with a mask of its own."""
    name: bytes = b""
    keepcaps: int = 0
    """What prctl(PR_SET_KEEPCAPS) said, which Go's library sets on all threads to see that it can."""


class Process:
    """The state behind the Linux calls of one program, and their dispatch.

    A port calls `syscall`, `deliver_signal`, `ignores`, `thread_added` and `thread_ended` from its hooks.
    Handlers take the process and the call's unsigned arguments; they raise GuestFault for EFAULT and
    GuestRefusal or OSError for any other error.
    """

    def __init__(
        self,
        services: Services,
        memory: AddressSpace,
        arch: str,
        *,
        files: Files,
        trampoline: bytes | None = None,
        thread_id_size: int = 4,
        pid: int = 1000,
        processors: int = 1,
        keepcaps_per_thread: bool = True,
    ) -> None:
        """`trampoline` is code that calls rt_sigreturn, for architectures whose handlers return to the vDSO;
        None for the one in Linux' vDSO.

        `thread_id_size` is the width in bytes of a thread's identifier where calls pass it in memory.
        `keepcaps_per_thread` is whether what prctl(PR_SET_KEEPCAPS) says is for one thread, as on Linux.
        """
        self.services = services
        self.memory = memory
        self.arch = arch
        self.files = files
        self.pid = pid
        self.processors = processors
        self.thread_id_size = thread_id_size
        self.cpu: Cpu = services.machine.cpu
        self.actions = SignalTable()
        self.futexes = FutexTable(memory, services.wait_queue)
        self.random = Randomness(services.seed, "getrandom")
        self.limits = default_limits()
        self.limits[RLIMIT_NOFILE] = (files.table.limit, files.table.hard)
        self.timers = Timers(self)
        self.brk_start = self.brk = 0
        self._threads: dict[int, ThreadData] = {}
        self._shared = None if keepcaps_per_thread else ThreadData()
        code = _TRAMPOLINES[arch] if trampoline is None else trampoline
        self._vdso = self._map_trampoline(code) if code else 0
        self.delivery = Delivery(self, self._vdso)
        self._handlers: dict[int, tuple[Handler, int]] = {}
        self.deliver_signal = self.delivery.deliver
        files.add_proc_file(b"maps", self._maps)

    def number(self, value: int) -> int:
        """A process identifier as calls pass it: an int, or as wide as this process' threads have it."""
        return i64(value) if self.thread_id_size == 8 else i32(value)

    # -- what the port's hooks call ---------------------------------------------------------------------

    def syscall(self, cpu: Cpu, call: Syscall) -> Result | Pending:
        """Serve a call; never raises for anything that a guest can do."""
        known = self._handlers.get(call.number) or self._find(call.number)
        if known is None:
            return _NO_CALL
        handler, arity = known
        try:
            answer = handler(self, *call.arguments[:arity])
        except GuestFault:
            return _FAULT
        except GuestRefusal as refusal:
            return Result(errno=refusal.errno, errstr=refusal.errstr)
        except OSError as error:
            return Result(errno=error.errno or EIO)
        if type(answer) is int:
            return _SMALL[answer] if answer < 4096 else Result(answer)
        if type(answer) is Pending:
            answer.resume = partial(self._resume, answer.resume)
        return answer  # type: ignore[return-value]

    def _find(self, number: int) -> tuple[Handler, int] | None:
        """A call's handler and how many arguments it takes, when it is first made; None if not served."""
        name = name_of(self.arch, number)
        handler = find_handler(name)
        if handler is None:
            self.services.note_unknown_call(name)
            return None
        known = self._handlers[number] = (handler, handler.__code__.co_argcount - 1)
        return known

    def ignores(self, signal: Signal) -> bool:
        """Would this signal do nothing at all?"""
        return self.actions.ignores(signal.number)

    def force_signal(self, thread: Thread, signal: Signal) -> None:
        """Post what an instruction of the thread's caused: blocked or ignored, it ends the process."""
        self.delivery.force(thread, signal)

    def thread_added(self, thread: Thread, creator: Thread | None = None) -> None:
        """A thread was made: it starts with its creator's signal mask and no alternate stack."""
        data = self._threads[thread.id] = ThreadData()
        if creator is not None:
            thread.signals.blocked = creator.signals.blocked
            data.name, data.keepcaps = self.thread_data(creator).name, self.thread_data(creator).keepcaps

    def thread_ended(self, thread: Thread) -> None:
        """A thread is gone: tell who waits for it (set_tid_address(2)), drop what was its own."""
        data = self._threads.pop(thread.id, None)
        if data is not None and data.clear_child_tid:
            try:
                self.memory.write_u32(data.clear_child_tid, 0)
                self.futexes.wake(data.clear_child_tid, 1)
            except (GuestFault, GuestRefusal):
                pass

    def close(self) -> None:
        """Let go of host resources."""
        self.files.close()

    # -- what handlers ask ------------------------------------------------------------------------------

    @property
    def thread(self) -> ThreadData:
        """The current thread's data."""
        return self.thread_data(self.services.current)

    @property
    def capabilities(self) -> ThreadData:
        """Where the current thread's keepcaps is: its own data, or what all threads share."""
        return self.thread if self._shared is None else self._shared

    def thread_data(self, thread: Thread) -> ThreadData:
        data = self._threads.get(thread.id)
        if data is None:
            data = self._threads[thread.id] = ThreadData()
        return data

    def name_of(self, number: int) -> str:
        """A call's name."""
        return name_of(self.arch, number)

    def set_mask(self, thread: Thread, mask: int) -> None:
        """Change which signals a thread blocks; what that lets through is delivered before it goes on."""
        self.delivery.set_mask(thread, mask)

    def _resume(self, resume: Callable[[Wake], Result | Pending], wake: Wake) -> Result | Pending:
        """Go on with a call that waited, its errors translated as in `syscall`."""
        self.timers.wake_dormant()
        try:
            answer = resume(wake)
        except GuestFault:
            return _FAULT
        except GuestRefusal as refusal:
            return Result(errno=refusal.errno, errstr=refusal.errstr)
        except OSError as error:
            return Result(errno=error.errno or EIO)
        if type(answer) is Pending:
            answer.resume = partial(self._resume, answer.resume)
        return answer

    def _maps(self) -> bytes:
        from fairlead.services.linux.procmaps import maps_text

        image = self.services.program.image
        segments = image.segments if image else ()
        return maps_text(self.memory.regions(), segments, self.files.program, self._vdso)

    def _map_trampoline(self, code: bytes) -> int:
        """Map the page that handlers return to; its address."""
        address = self.memory.mmap(0, PAGE_SIZE, Prot.READ | Prot.EXEC)
        self.memory.install(address, code)
        return address
