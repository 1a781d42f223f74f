"""The five hooks of the akaros port."""

from __future__ import annotations

from collections.abc import Sequence

from fairlead import hookimpl
from fairlead.errors import GuestFault, GuestRefusal
from fairlead.machine import Cpu
from fairlead.port import Resume, Services
from fairlead.services.addressspace import AddressSpace
from fairlead.services.linux.files import Files
from fairlead.services.linux.process import Process
from fairlead.services.linux.start import initial_stack
from fairlead.signal import Sig, Signal
from fairlead.syscall import Pending, Result, Syscall
from fairlead.thread import NewThread, Thread
from fairlead.trap import Trap, TrapKind
from fairlead_akaros.abi import BRK_END, FASTCALL_SETFSBASE, PGSIZE, ULIM, USTACK_NUM_PAGES, USTACKTOP, Ev
from fairlead_akaros.kernel.convention import GATE, Boundary
from fairlead_akaros.kernel.events import Events, Message
from fairlead_akaros.kernel.kernel import Kernel
from fairlead_akaros.kernel.kthread import FIRST_KTHREAD
from fairlead_akaros.kernel.pages import map_pages
from fairlead_akaros.parlib.moves import CheckedBoundary
from fairlead_akaros.parlib.parlib import Parlib
from fairlead_akaros.parlib.signals import PTHREAD_KILL

__all__ = ["Akaros"]

_PID = 1
"""As on Linux, the identifier of the first thread."""
_TSC_FREQUENCY = 1_000_000_000
"""The board's time-stamp counter counts nanoseconds."""

_SI_USER = 0
_SEGV_MAPERR, _SEGV_ACCERR, _FPE_INTDIV, _ILL_ILLOPN, _TRAP_BRKPT = 1, 2, 1, 2, 1
_SIGNALS: dict[TrapKind, tuple[Sig, int]] = {
    TrapKind.FETCH_FAULT: (Sig.SIGSEGV, _SEGV_MAPERR),
    TrapKind.LOAD_FAULT: (Sig.SIGSEGV, _SEGV_MAPERR),
    TrapKind.STORE_FAULT: (Sig.SIGSEGV, _SEGV_MAPERR),
    TrapKind.PROTECTION: (Sig.SIGSEGV, _SEGV_ACCERR),
    TrapKind.DIVIDE: (Sig.SIGFPE, _FPE_INTDIV),
    TrapKind.ILLEGAL: (Sig.SIGILL, _ILL_ILLOPN),
    TrapKind.BREAKPOINT: (Sig.SIGTRAP, _TRAP_BRKPT),
}
"""What a uthread's fault becomes (pth_thread_refl_hw_fault); for the last two Akaros' pthreads know nothing
better than to exit, and Go expects signals."""


class Akaros:
    def __init__(self, services: Services) -> None:
        self._services = services
        machine = services.machine
        vcores = services.options["vcores"]
        assert isinstance(vcores, int)
        self.memory = AddressSpace(machine, high=ULIM, base=BRK_END)
        kind = CheckedBoundary if "stacks" in services.checks else Boundary
        self.boundary = kind(machine.cpu, self.memory)
        process = Process(
            services,
            self.memory,
            "x86_64",
            files=Files.create(services, services.program, pid=_PID),
            pid=_PID,
            processors=vcores,
            keepcaps_per_thread=False,
        )
        self._process = process
        now = machine.clock.now()
        image = services.program.image
        map_pages(
            self.memory,
            pid=_PID,
            vcores=vcores,
            tsc_freq=_TSC_FREQUENCY,
            now=now,
            walltime=machine.clock.epoch + now,
            program_end=max((each.address + each.size for each in image.segments), default=0),
        )
        events = Events(self.memory, vcores)
        self.kernel = Kernel(services, self.memory, process, self.boundary, events, vcores)
        self.parlib = Parlib(
            services, self.memory, process, self.kernel, self.boundary, vcores, _TSC_FREQUENCY
        )
        self.boundary.on_done = self.parlib.done

    # -- the hooks -------------------------------------------------------------------------------------

    @hookimpl
    def newosproc(self, thread: NewThread) -> int:
        """A uthread, ready to run on any vcore."""
        new = self._services.add_thread(thread)
        self.parlib.added(new, self._services.current)
        return new.id

    @hookimpl
    def nanotime(self) -> int:
        """The time-stamp counter in nanoseconds."""
        return self._services.machine.clock.now()

    @hookimpl
    def handle_trap(self, cpu: Cpu, trap: Trap) -> Resume:
        kind = trap.kind
        if kind is TrapKind.SYSCALL:
            if self.boundary.is_call(trap):
                self._bad_call(cpu, trap)
                return Resume.CONTINUE
            kind, cpu.pc = TrapKind.PROTECTION, trap.pc
        if kind is TrapKind.PROTECTION and self.parlib.usys.fault(cpu, trap.pc):
            return Resume.CONTINUE
        thread = self._services.current
        number, code = _SIGNALS.get(kind, (Sig.SIGILL, _ILL_ILLOPN))
        self._services.trace(
            "traps", f"{kind.value} at {trap.pc:#x} address {trap.address:#x} thread {thread.id}"
        )
        if thread.id >= FIRST_KTHREAD:  # in vcore context nobody can help
            self._services.exit_by_signal(number)
            return Resume.CONTINUE
        address = trap.pc if number in (Sig.SIGILL, Sig.SIGTRAP, Sig.SIGFPE) else trap.address
        self._process.force_signal(thread, Signal(number, code, address, synchronous=True))
        return Resume.CONTINUE

    @hookimpl
    def syscall(self, cpu: Cpu, call: Syscall) -> Result | Pending:
        if call.number >= GATE:
            return self.parlib.functions.call(call)
        return self.kernel.syscall(call)

    @hookimpl
    def deliver_signal(self, cpu: Cpu, signal: Signal) -> bool:
        """One uthread's signals come here as they are; the process' become events for vcore context."""
        if signal.synchronous or signal.code == PTHREAD_KILL:
            return self.parlib.signals.deliver(cpu, signal)
        message = Message(Ev.POSIX_SIGNAL, signal.number)
        if signal.number == Sig.SIGKILL:
            self._services.exit_by_signal(signal.number)
        else:
            self._send(message)
        return False

    # -- what the core asks besides --------------------------------------------------------------------

    def start(self) -> NewThread:
        """Load the image; the first uthread starts on the process' stack."""
        services, program = self._services, self._services.program
        self.memory.load_image(program.image)
        stack = initial_stack(
            self.memory,
            program.arguments,
            program.environment,
            program.image,
            seed=services.seed,
            top=USTACKTOP,
            room=USTACK_NUM_PAGES * PGSIZE,
        )
        self.memory.activate()
        registers = {"fs_base": self.parlib.first_tls}
        return NewThread(program.image.entry, stack, registers, id=self.parlib.next_id())

    def pick(self, current: Thread | None, ready: Sequence[Thread]) -> Thread:
        return self.parlib.vcores.pick(current, ready)

    def ignores(self, signal: Signal) -> bool:
        """SIGPIPE among them where a write brings it: Akaros' kernel only says EPIPE."""
        if signal.number == Sig.SIGPIPE and signal.code == _SI_USER:
            return True
        return self._process.ignores(signal)

    def thread_ended(self, thread: Thread) -> None:
        self.parlib.ended(thread)

    def close(self) -> None:
        self._process.close()

    # -- inside ----------------------------------------------------------------------------------------

    def _send(self, message: Message) -> None:
        """A signal of the process as an event; where nobody listens, what the signal does by default."""
        try:
            sent = self.kernel.events.send_kernel_event(message)
        except (GuestFault, GuestRefusal):  # the process has spoiled its own mailboxes
            sent = False
        if not sent:
            self.parlib.signals.default(message.ev_arg1)

    def _bad_call(self, cpu: Cpu, trap: Trap) -> None:
        """A trap that hands no structure over: the fast call that sets the FS base, or a user's bug."""
        if cpu.get("rdi") == FASTCALL_SETFSBASE:
            cpu.set("fs_base", cpu.get("rsi"))
            return
        self._services.trace("traps", f"call at {trap.pc:#x} hands over no structure")
        self.boundary.refuse(trap)
