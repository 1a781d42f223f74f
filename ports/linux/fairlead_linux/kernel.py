"""The five hooks of the linux ports."""

from __future__ import annotations

from collections.abc import Sequence

from fairlead import hookimpl
from fairlead.machine import Cpu
from fairlead.port import Resume, Services
from fairlead.services.addressspace import AddressSpace
from fairlead.services.linux.exceptions import Exceptions
from fairlead.services.linux.files import Files
from fairlead.services.linux.process import Process
from fairlead.services.linux.start import initial_stack
from fairlead.signal import Signal
from fairlead.syscall import Pending, Result, Syscall
from fairlead.thread import NewThread, Thread
from fairlead.trap import Trap, TrapKind

__all__ = ["Kernel"]

_PID_MAX = 1 << 22
"""Thread identifiers are below (linux/threads.h, PID_MAX_LIMIT)."""
_FIRST_REUSED = 300
"""Where identifiers begin again (kernel/pid.c, RESERVED_PIDS)."""


class Kernel:
    """A kernel of one process, whose threads share one processor in turn."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._clock = services.machine.clock
        self._arm_timer = services.machine.arm_timer
        self._slice = _option(services, "slice") * 1_000_000
        arch = services.machine.cpu.arch
        self.memory = AddressSpace(services.machine)
        self._process = Process(
            services,
            self.memory,
            arch,
            files=Files.create(services, services.program),
            processors=_option(services, "processors"),
        )
        self._exceptions = Exceptions(arch, self.memory.is_mapped)
        self._last_id = self._process.pid

    # -- the hooks -------------------------------------------------------------------------------------

    @hookimpl
    def newosproc(self, thread: NewThread) -> int:
        """An identifier is used again only once all others have been: late signals reach nobody else."""
        identifier = self._last_id + 1
        while self._services.find_thread(identifier) is not None or identifier >= _PID_MAX:
            identifier = identifier + 1 if identifier < _PID_MAX else _FIRST_REUSED
        new = self._services.add_thread(thread._replace(id=identifier))
        self._last_id = identifier
        return new.id

    @hookimpl
    def nanotime(self) -> int:
        return self._clock.now()

    @hookimpl
    def handle_trap(self, cpu: Cpu, trap: Trap) -> Resume:
        thread = self._services.current
        if trap.kind is TrapKind.TIMER:
            self._services.trace("traps", f"timer: thread {thread.id} has had its slice")
            self._start_slice()
            return Resume.RESCHEDULE
        signal = self._exceptions.signal(cpu, trap)
        self._services.trace(
            "traps", f"{trap.kind.value} at {trap.pc:#x} address {trap.address:#x} thread {thread.id}"
        )
        self._services.post_signal(thread, signal)
        return Resume.CONTINUE

    @hookimpl
    def syscall(self, cpu: Cpu, call: Syscall) -> Result | Pending:
        return self._process.syscall(cpu, call)

    @hookimpl
    def deliver_signal(self, cpu: Cpu, signal: Signal) -> bool:
        return self._process.deliver_signal(cpu, signal)

    # -- what the core asks besides --------------------------------------------------------------------

    def start(self) -> NewThread:
        """Load the program as execve does; its first thread has the process's identifier."""
        program = self._services.program
        image = program.image
        self.memory.load_image(image)
        self.memory.activate()
        stack = initial_stack(
            self.memory, program.arguments, program.environment, image, seed=self._services.seed
        )
        return NewThread(pc=image.entry, sp=stack, id=self._process.pid)

    def pick(self, current: Thread | None, ready: Sequence[Thread]) -> Thread:
        """Round robin: the one that has been ready longest, for a slice of its own."""
        self._start_slice()
        return ready[0]

    def ignores(self, signal: Signal) -> bool:
        return self._process.ignores(signal)

    def thread_ended(self, thread: Thread) -> None:
        self._process.thread_ended(thread)

    def close(self) -> None:
        self._process.close()

    # -- inside ----------------------------------------------------------------------------------------

    def _start_slice(self) -> None:
        self._arm_timer(self._clock.now() + self._slice)


def _option(services: Services, name: str) -> int:
    value = services.options[name]
    assert isinstance(value, int)
    return value
