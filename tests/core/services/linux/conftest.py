"""A Linux process on a real machine whose calls the test makes itself, with no guest code in between."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest

from fairlead import hookimpl
from fairlead.machine import PAGE_SIZE, BoardOptions, Machine
from fairlead.plugins import find_board
from fairlead.port import GuestEnv, Port, Program, Resume, Services
from fairlead.services.addressspace import AddressSpace
from fairlead.services.linux.files import Files
from fairlead.services.linux.numbers import NUMBERS
from fairlead.services.linux.process import Process
from fairlead.signal import Signal
from fairlead.syscall import Pending, RegisterABI, Result, Syscall, Wake
from fairlead.system import Exit, System
from fairlead.thread import NewThread, Thread, ThreadState

ABI = RegisterABI("a7", ("a0", "a1", "a2", "a3", "a4", "a5"), "a0")
TRAMPOLINE = bytes.fromhex("9308b008 73000000")  # li a7, 139; ecall
RW = 3


class Kernel:
    """The least that a port does around a Process."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self.memory = AddressSpace(services.machine)
        streams = (None, None, None)
        files = Files(services, streams=streams)
        self.process = Process(services, self.memory, "riscv64", files=files, trampoline=TRAMPOLINE)

    def start(self) -> NewThread:
        self.memory.activate()
        return NewThread(pc=0x10000, sp=0x20000, id=1000)

    def pick(self, current: Thread | None, ready: Sequence[Thread]) -> Thread:
        return ready[0]

    def ignores(self, signal: Signal) -> bool:
        return self.process.ignores(signal)

    def thread_ended(self, thread: Thread) -> None:
        pass

    def close(self) -> None:
        self.process.close()

    @hookimpl
    def newosproc(self, thread: NewThread) -> int:
        new = self.services.add_thread(thread)
        self.process.thread_added(new, self.services.current)
        return new.id

    @hookimpl
    def nanotime(self) -> int:
        return self.services.machine.clock.now()

    @hookimpl
    def handle_trap(self, cpu: Any, trap: Any) -> Resume:
        raise AssertionError(f"no guest code should run: {trap}")

    @hookimpl
    def syscall(self, cpu: Any, call: Syscall) -> Result | Pending:
        return self.process.syscall(cpu, call)

    @hookimpl
    def deliver_signal(self, cpu: Any, signal: Signal) -> bool:
        return self.process.deliver_signal(cpu, signal)


@dataclass
class Desk:
    """Makes calls on behalf of guest threads."""

    system: System
    process: Process
    memory: AddressSpace
    room: int
    """A few writable pages for arguments."""

    @property
    def cpu(self) -> Any:
        return self.system.machine.cpu

    @property
    def now(self) -> int:
        return self.system.machine.clock.now()

    def call(self, name: str, *arguments: int) -> Result | Pending:
        """Make a call as the current thread."""
        padded = tuple(argument & (2**64 - 1) for argument in (*arguments, *(0,) * 6))[:6]
        call = Syscall(NUMBERS["riscv64"][name], padded, self.cpu.pc)
        self.system.current.call = call
        return self.process.syscall(self.cpu, call)

    def value(self, name: str, *arguments: int) -> int:
        """The value of a call that succeeds at once."""
        result = self.call(name, *arguments)
        assert isinstance(result, Result) and not result.errno, result
        return result.value

    def errno(self, name: str, *arguments: int) -> int:
        """The error of a call that fails at once."""
        result = self.call(name, *arguments)
        assert isinstance(result, Result) and result.errno, result
        return result.errno

    def wait(self, name: str, *arguments: int) -> Thread:
        """Make a call that waits; the thread that waits in it."""
        pending = self.call(name, *arguments)
        assert isinstance(pending, Pending), pending
        thread = self.system.current
        self.system.scheduler.park(thread, pending)
        return thread

    def finish(self, thread: Thread) -> Result | Pending:
        """Go on with the call of a thread that was woken."""
        assert thread.state is ThreadState.READY and thread.wake is not None and thread.pending is not None
        pending, wake = thread.pending, thread.wake
        thread.pending = thread.wake = None
        self.be(thread)
        return pending.resume(wake)

    def thread(self) -> Thread:
        """Another thread, as clone makes it."""
        return self.system.scheduler.threads[self.system.newosproc(NewThread(pc=0, sp=0, inherit=True))]

    def be(self, thread: Thread) -> None:
        """Make calls as another thread from now on."""
        self.system.scheduler.ready.pop(thread, None)
        thread.state = ThreadState.RUNNING
        self.system.current = thread

    def pass_time(self, nanoseconds: int) -> None:
        """Let guest time pass, timers going off on the way."""
        end = self.now + nanoseconds
        scheduler = self.system.scheduler
        while (due := scheduler.next_time()) is not None and due <= end:
            self.system.machine.clock.idle_until(due)
            scheduler.fire(self.now)
        self.system.machine.clock.idle_until(end)

    @property
    def ended(self) -> Exit | None:
        return self.system._exit

    @property
    def unknown(self) -> dict[str, int]:
        return self.system.unknown_calls

    def signals(self, thread: Thread | None = None) -> list[Signal]:
        """What is pending, the process's own signals last."""
        thread = thread or self.system.current
        return [*thread.signals.pending.values(), *self.system.shared_pending().values()]


def make_desk(machine: Machine) -> Desk:
    port = Port("desk", "", "virt", 1, GuestEnv("linux", "riscv64", None), ABI, (), Kernel)  # type: ignore[arg-type]
    image = SimpleNamespace(data=b"")
    system = System(port, machine, Program(image, ["/bin/desk"], {}), options={}, seed=7)  # type: ignore[arg-type]
    kernel: Any = system.os
    first = system.add_thread(kernel.start())
    room = kernel.memory.mmap(0, 16 * PAGE_SIZE, RW)
    desk = Desk(system, kernel.process, kernel.memory, room)
    desk.be(first)
    system._loaded = first
    return desk


@pytest.fixture
def desk() -> Iterator[Desk]:
    machine = find_board("virt").build(BoardOptions(console=None, memory=64 << 20))  # type: ignore[arg-type]
    try:
        yield make_desk(machine)
    finally:
        machine.close()


__all__ = ["Desk", "Wake", "desk"]
