"""Parlib on the OS half's side: uthreads, the scheduler's answer to faults and finished system calls."""

from __future__ import annotations

from struct import Struct

from fairlead.errors import GuestFault, GuestRefusal
from fairlead.machine import Prot
from fairlead.port import Services
from fairlead.services.addressspace import AddressSpace
from fairlead.services.linux.process import Process
from fairlead.signal import Sig
from fairlead.syscall import Pending, Result, Syscall, Wake
from fairlead.thread import Thread, WaitQueue
from fairlead_akaros.abi import (
    EVENT_INDIR,
    EVENT_IPI,
    EVENT_SPAM_INDIR,
    EVENT_WAKEUP,
    SC_DONE,
    SC_UEVENT,
    UDATA,
    Ev,
)
from fairlead_akaros.kernel.convention import POSIX, Boundary
from fairlead_akaros.kernel.events import Message, init_ucq
from fairlead_akaros.kernel.kernel import Kernel
from fairlead_akaros.kernel.kthread import FIRST_KTHREAD
from fairlead_akaros.layouts import EVENT_QUEUE_BIG, PROCDATA, SIGINFO, SYSCALL
from fairlead_akaros.parlib.alarms import Alarms, ProfilingAlarm
from fairlead_akaros.parlib.code import DOORS, INTERNAL, assemble
from fairlead_akaros.parlib.functions import Functions
from fairlead_akaros.parlib.heap import Heap
from fairlead_akaros.parlib.moves import CheckedBoundary, Moves
from fairlead_akaros.parlib.posix import tell, words
from fairlead_akaros.parlib.signals import Signals, Uthread
from fairlead_akaros.parlib.stacks import StackGuard
from fairlead_akaros.parlib.usys import UsysTables
from fairlead_akaros.parlib.vcores import Vcore, Vcores

__all__ = ["Parlib"]

_RESUMED = Result(resumed=True)
_FLAGS, _RETVAL, _ERR = SYSCALL["flags"], SYSCALL["retval"], SYSCALL["err"]
_EVENT_QUEUE = Struct("<Qi4xI4xQQ")
_DENIED = frozenset({9, 10, 11, 12, 13, 14, 15, 25, 56, 57, 58, 59, 130, 131, 435})
"""Linux calls that are the kernel's and the scheduler's alone: memory, signals, threads and processes."""


class Parlib:
    def __init__(
        self,
        services: Services,
        memory: AddressSpace,
        process: Process,
        kernel: Kernel,
        boundary: Boundary,
        vcores: int,
        tsc_freq: int,
    ) -> None:
        self.services = services
        self.memory = memory
        self.process = process
        self.kernel = kernel
        self.heap = Heap(memory)
        self.uthreads: dict[int, Uthread] = {}
        self._last_id = 0
        self._blocked: dict[int, WaitQueue] = {}
        """Uthreads that are blocked on a system call, by the address of its structure."""
        self._sysc: dict[Thread, int] = {}
        code, offsets = assemble()
        base = memory.mmap(0, len(code), Prot.READ | Prot.EXEC)
        memory.install(base, code)
        self.code = boundary.code = range(base, base + len(code))
        process.files.add_proc_file(b"maps", self._maps)
        functions = {name: base + offset for name, offset in offsets.items()}
        self.vcores = Vcores(services, memory, self.heap, kernel.events, vcores, functions["vcore_entry"])
        kernel.current_vcore = self.vcores.current_vcore
        self.vcores.on_message[Ev.SYSCALL] = self._on_syscall
        self._queues = [self._event_queue(number) for number in range(vcores)]
        memory.write_u64(UDATA + PROCDATA["kernel_evts"] + 8 * Ev.POSIX_SIGNAL, self._event_queue(0))
        self.signals = Signals(
            services,
            memory,
            process.actions,
            self.vcores,
            self.uthread,
            functions["exit_sighandler"],
            self.heap.malloc(SIGINFO.size),
        )
        self.alarms = Alarms(services, memory, self.heap, self._abort)
        self.profiling = ProfilingAlarm(services, self._profile)
        self.vcores.on_running = self.profiling.running
        self.moves = Moves(services, memory)
        self.functions = Functions(self)
        boundary.doors = {functions[name] + offset: due for name, (offset, due) in DOORS.items()}
        self._guard = StackGuard(memory, services.program, boundary, functions, frozenset(INTERNAL))
        if isinstance(boundary, CheckedBoundary):
            boundary.moves = self.moves
        constants = {
            "TSC_FREQUENCY": tsc_freq,
            "MAX_VCORES": vcores,
            "CHECK_STACKS": int("stacks" in services.checks),
        }
        self.usys = UsysTables(memory, functions, constants)
        self.first_tls = self.heap.malloc(64) + 16

    def _event_queue(self, vcore: int) -> int:
        """An event queue with a mailbox of its own, whose messages interrupt a vcore (get_eventq)."""
        memory = self.memory
        queue = self.heap.malloc(EVENT_QUEUE_BIG.size)
        mbox = queue + EVENT_QUEUE_BIG["ev_imbox"]
        flags = EVENT_IPI | EVENT_INDIR | EVENT_SPAM_INDIR | EVENT_WAKEUP
        memory.write(queue, _EVENT_QUEUE.pack(mbox, flags, vcore, 0, 0))
        init_ucq(memory, mbox, self.heap.pages(2))
        return queue

    # -- uthreads --------------------------------------------------------------------------------------

    def next_id(self) -> int:
        self._last_id += 1
        return self._last_id

    def uthread(self, thread: Thread) -> Uthread:
        """What is known of a uthread; the first one is not made by anyone."""
        found = self.uthreads.get(thread.id)
        if found is None:
            found = self.uthreads[thread.id] = Uthread(thread)
        return found

    def find(self, identifier: int) -> Thread | None:
        uthread = self.uthreads.get(identifier)
        return None if uthread is None else uthread.thread

    def added(self, thread: Thread, creator: Thread | None) -> None:
        """A uthread was made; it blocks the signals that its creator does."""
        parent = self.uthread(creator) if creator is not None and creator.id < FIRST_KTHREAD else None
        uthread = Uthread(thread, mask=parent.mask if parent is not None else 0)
        thread.signals.blocked = uthread.mask
        self.uthreads[thread.id] = uthread
        self.process.thread_added(thread)

    def ended(self, thread: Thread) -> None:
        if self.uthreads.pop(thread.id, None) is not None:
            self.process.thread_ended(thread)
            self._sysc.pop(thread, None)
            self._guard.forget()

    # -- system calls ----------------------------------------------------------------------------------

    def blockon_sysc(self, address: int) -> Result | Pending:
        """Block the current uthread until its system call is done (pth_thread_blockon_sysc)."""
        memory = self.memory
        flags = memory.read_u64(address + _FLAGS)
        if flags & SC_DONE:
            return self._answer(address)
        thread = self.services.current
        vcore = self.vcores.current_vcore()
        memory.write_u64(address + SYSCALL["ev_q"], self._queues[vcore])
        memory.write_u64(address + SYSCALL["u_data"], thread.id)
        memory.write_u64(address + _FLAGS, flags | SC_UEVENT)
        queue = self._blocked[address] = self.services.wait_queue()
        self._sysc[thread] = address
        self.services.trace("sched", f"uthread {thread.id} blocks on syscall {address:#x}")

        def resume(wake: Wake) -> Result:
            self._sysc.pop(thread, None)
            return self._answer(address)

        return Pending((queue,), resume)

    def _answer(self, address: int) -> Result:
        """What the finished call came to, for traces; the program reads its structure."""
        try:
            errno = self.memory.read_i32(address + _ERR)
            value = self.memory.read_u64(address + _RETVAL)
        except GuestFault:
            return _RESUMED
        return Result(value) if errno == 0 else Result(errno=errno)

    def done(self, address: int, flags: int) -> None:
        """A finished system call whose owner wants an event (__signal_syscall)."""
        if flags & SC_UEVENT:
            try:
                queue = self.memory.read_u64(address + SYSCALL["ev_q"])
                if queue:
                    self.kernel.events.send_event(queue, Message(Ev.SYSCALL, ev_arg3=address))
            except (GuestFault, GuestRefusal):
                pass  # a queue that is none: the kernel says so and goes on

    def _on_syscall(self, vcore: Vcore, message: Message) -> None:
        """EV_SYSCALL: make runnable who is blocked on the call (pth_handle_syscall)."""
        queue = self._blocked.pop(message.ev_arg3, None)
        self.services.trace("sched", f"vcore {vcore.number}: EV_SYSCALL {message.ev_arg3:#x}")
        if queue is not None:
            queue.wake()

    def _abort(self, thread: Thread) -> bool:
        address = self._sysc.get(thread)
        return address is not None and self.kernel.kthreads.abort(address)

    def posix_call(self, call: Syscall) -> Result | Pending:
        """A call that Akaros has no counterpart of, served by Linux' number."""
        number = call.number - POSIX
        if number in _DENIED:
            self.services.note_unknown_call(self.process.name_of(number))
            return Result(errno=38)
        answer = self.process.syscall(self.process.cpu, Syscall(number, call.arguments, call.token))
        return self._worded(call, answer)

    def _worded(self, call: Syscall, answer: Result | Pending) -> Result | Pending:
        """An answer, now or later; why a call is refused goes where its frame wants the words."""
        if isinstance(answer, Result):
            if answer.errno and not answer.errstr:
                said = words(
                    self.kernel, self.process.name_of(call.number - POSIX), call.arguments, answer.errno
                )
                if said:
                    tell(self.kernel, call.token, said)
                    return answer._replace(errstr=said)
            return answer
        resume = answer.resume
        answer.resume = lambda wake: self._worded(call, resume(wake))
        return answer

    # -- the rest --------------------------------------------------------------------------------------

    def _profile(self, thread: Thread) -> None:
        self.signals.pthread_kill(thread, Sig.SIGPROF)

    def _maps(self) -> bytes:
        """/proc/self/maps: parlib's code is to profiles what Linux' vDSO is, code of no file's."""
        from fairlead.services.linux.procmaps import maps_text

        segments = self.services.program.image.segments
        return maps_text(self.memory.regions(), segments, self.process.files.program, self.code.start)

    def print(self, text: str) -> None:
        """printf: to descriptor 1, as far as that takes it at once."""
        try:
            self.process.files.description(1).write([memoryview(bytearray(text.encode()))])
        except (GuestRefusal, OSError):
            pass
