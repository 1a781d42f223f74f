"""The OS half: five hooks, and what the core asks besides."""

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


class Kernel:
    def __init__(self, services: Services) -> None:
        self._services = services
        self._machine = services.machine
        milliseconds = services.options["slice"]
        assert isinstance(milliseconds, int)
        self._slice = milliseconds * 1_000_000
        self.memory = AddressSpace(services.machine)
        files = Files.create(services, services.program)
        self._process = Process(services, self.memory, "riscv64", files=files)
        self._exceptions = Exceptions("riscv64", self.memory.is_mapped)

    @hookimpl
    def newosproc(self, thread: NewThread) -> int:
        return self._services.add_thread(thread).id

    @hookimpl
    def nanotime(self) -> int:
        return self._machine.clock.now()

    @hookimpl
    def handle_trap(self, cpu: Cpu, trap: Trap) -> Resume:
        if trap.kind is TrapKind.TIMER:
            self._services.trace("traps", f"timer: thread {self._services.current.id} has had its slice")
            self._arm_timer()
            return Resume.RESCHEDULE
        self._services.post_signal(self._services.current, self._exceptions.signal(cpu, trap))
        return Resume.CONTINUE

    @hookimpl
    def syscall(self, cpu: Cpu, call: Syscall) -> Result | Pending:
        return self._process.syscall(cpu, call)

    @hookimpl
    def deliver_signal(self, cpu: Cpu, signal: Signal) -> bool:
        return self._process.deliver_signal(cpu, signal)

    def start(self) -> NewThread:
        program = self._services.program
        image = program.image
        self.memory.load_image(image)
        self.memory.activate()
        self._arm_timer()
        stack = initial_stack(
            self.memory, program.arguments, program.environment, image, seed=self._services.seed
        )
        return NewThread(pc=image.entry, sp=stack, id=self._process.pid)

    def pick(self, current: Thread | None, ready: Sequence[Thread]) -> Thread:
        return ready[0]  # in the order they became ready: round robin

    def ignores(self, signal: Signal) -> bool:
        return self._process.ignores(signal)

    def thread_ended(self, thread: Thread) -> None:
        self._process.thread_ended(thread)

    def close(self) -> None:
        self._process.close()

    def _arm_timer(self) -> None:
        self._machine.arm_timer(self._machine.clock.now() + self._slice)
