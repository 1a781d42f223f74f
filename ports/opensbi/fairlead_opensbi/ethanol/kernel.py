"""The five hooks of the opensbi port."""

from __future__ import annotations

from collections.abc import Sequence
from errno import EEXIST, EFAULT

from fairlead import hookimpl
from fairlead.errors import GuestFault, GuestRefusal, ImageError, PortError
from fairlead.guest.record import Record
from fairlead.machine import Cpu
from fairlead.port import Resume, Services
from fairlead.services.addressspace import AddressSpace
from fairlead.services.linux.files import Files
from fairlead.services.linux.process import Process
from fairlead.services.linux.start import initial_stack
from fairlead.signal import Sig, Signal
from fairlead.syscall import Pending, Result, Syscall
from fairlead.thread import NewThread, Thread
from fairlead.trap import Trap
from fairlead_opensbi.ethanol.bootargs import unpack
from fairlead_opensbi.ethanol.devicetree import Chosen, read_device_tree
from fairlead_opensbi.ethanol.frame import TrapFrame
from fairlead_opensbi.ethanol.ring import Ring

__all__ = ["REGISTER_M", "Ethanol"]

REGISTER_M = 0x1000
"""The one call that is not Linux's: an M asks to be run (overlay/…/fairlead_linux_riscv64.s)."""

_SBI_TIME = 0x5449_4D45
_NANOSECONDS = 1_000_000_000

_TIMER_INTERRUPT = 5

_SEGV_MAPERR, _SEGV_ACCERR = 1, 2
_BUS_ADRALN, _ILL_ILLOPC, _TRAP_BRKPT = 1, 1, 1

_EXCEPTIONS: dict[int, tuple[Sig, int]] = {
    0: (Sig.SIGBUS, _BUS_ADRALN),
    1: (Sig.SIGSEGV, _SEGV_ACCERR),
    2: (Sig.SIGILL, _ILL_ILLOPC),
    3: (Sig.SIGTRAP, _TRAP_BRKPT),
    4: (Sig.SIGBUS, _BUS_ADRALN),
    5: (Sig.SIGSEGV, _SEGV_ACCERR),
    6: (Sig.SIGBUS, _BUS_ADRALN),
    7: (Sig.SIGSEGV, _SEGV_ACCERR),
    12: (Sig.SIGSEGV, _SEGV_MAPERR),
    13: (Sig.SIGSEGV, _SEGV_MAPERR),
    15: (Sig.SIGSEGV, _SEGV_MAPERR),
}
"""Exception code (RISC-V privileged specification, table "Supervisor cause register values") to the signal
and si_code that Linux gives for it on this architecture, and Go's runtime/signal_riscv64.go expects."""


class Ethanol:
    """A kernel of one program, named as the one in the project that first put Go on bare SBI."""

    def __init__(self, services: Services, extension: int) -> None:
        self._services = services
        self._machine = services.machine
        self._record: Record = services.program.image.require_record()
        self._interval = _option(services, "timer-interval")
        firmware = services.machine.firmware
        if firmware is None:
            raise PortError("port opensbi: the board has no SBI firmware", hint="use the board virt")
        self._firmware = firmware
        firmware.register(extension, "fairlead OS calls")
        self.memory = AddressSpace(services.machine)
        self._chosen: Chosen = read_device_tree(services.machine.device_tree())
        self._ring = Ring(self.memory, self._record, _option(services, "lives"))
        pid = self._record.field("m0")  # as on Linux, that of the first thread
        self._process = Process(
            services,
            self.memory,
            "riscv64",
            files=Files.create(services, services.program, pid=pid),
            trampoline=_return_trampoline(extension),
            thread_id_size=8,
            pid=pid,
        )

    # -- the hooks -------------------------------------------------------------------------------------

    @hookimpl
    def newosproc(self, thread: NewThread) -> int:
        """Nobody makes a thread: it is registered, and runs when the ring comes to it."""
        new = self._services.add_thread(thread)
        self._process.thread_added(new, self._services.current)
        self._ring.changed()
        return new.id

    @hookimpl
    def nanotime(self) -> int:
        """TIME in nanoseconds, by the device tree's timebase."""
        return self._ticks() * _NANOSECONDS // self._chosen.timebase

    @hookimpl
    def handle_trap(self, cpu: Cpu, trap: Trap) -> Resume:
        frame = TrapFrame.capture(cpu, trap)
        if frame.is_interrupt:
            return self._interrupt(frame)
        self._exception(frame)
        return Resume.CONTINUE

    @hookimpl
    def syscall(self, cpu: Cpu, call: Syscall) -> Result | Pending:
        if call.number == REGISTER_M:
            return self._register_m(call.arguments[0])
        return self._process.syscall(cpu, call)

    @hookimpl
    def deliver_signal(self, cpu: Cpu, signal: Signal) -> bool:
        return self._process.deliver_signal(cpu, signal)

    # -- what the core asks besides --------------------------------------------------------------------

    def start(self) -> NewThread:
        """Load the image, hand over what the device tree says, arm the timer."""
        image = self._services.program.image
        self.memory.load_image(image)
        self.memory.activate()
        arguments, environment = unpack(self._chosen.bootargs, self._chosen.properties)
        stack = initial_stack(self.memory, arguments, environment, image, seed=self._services.seed)
        try:
            self.memory.write_u64(self._record.field("timebase"), self._chosen.timebase)
            self.memory.write_u64(self._record.field("wallbase"), self._machine.clock.epoch)
        except GuestFault:
            raise ImageError(
                f"{image.path}: the record points outside the image", hint="build the program again"
            ) from None
        self._arm_timer()
        return NewThread(pc=image.entry, sp=stack, id=self._record.field("m0"))

    def pick(self, current: Thread | None, ready: Sequence[Thread]) -> Thread:
        return self._ring.pick(current, ready)

    def ignores(self, signal: Signal) -> bool:
        return self._process.ignores(signal)

    def thread_ended(self, thread: Thread) -> None:
        self._ring.forget(thread)
        self._process.thread_ended(thread)

    def close(self) -> None:
        self._process.close()

    # -- inside ----------------------------------------------------------------------------------------

    def _ticks(self) -> int:
        return self._machine.clock.now() * self._chosen.timebase // _NANOSECONDS

    def _arm_timer(self) -> None:
        self._firmware.call(_SBI_TIME, 0, self._ticks() + self._interval)

    def _interrupt(self, frame: TrapFrame) -> Resume:
        if frame.code != _TIMER_INTERRUPT:
            raise PortError(f"port opensbi: interrupt {frame.code} at {frame.sepc:#x} was never enabled")
        self._arm_timer()
        thread = self._services.current
        self._services.trace("traps", f"ethanol_trap1 {thread.id:#x}")
        return Resume.RESCHEDULE if self._ring.take_life(thread) else Resume.CONTINUE

    def _exception(self, frame: TrapFrame) -> None:
        number, code = _EXCEPTIONS.get(frame.code, (Sig.SIGILL, _ILL_ILLOPC))
        if number is Sig.SIGSEGV and self.memory.is_mapped(frame.stval):
            code = _SEGV_ACCERR
        address = frame.sepc if number in (Sig.SIGILL, Sig.SIGTRAP) else frame.stval
        thread = self._services.current
        self._services.trace(
            "traps", f"exception {frame.code} at {frame.sepc:#x} stval {frame.stval:#x} M {thread.id:#x}"
        )
        self._services.post_signal(thread, Signal(number, code, address, synchronous=True))

    def _register_m(self, m: int) -> Result:
        """Start the M at mstart on its g0's stack, with g in x27 (runtime/asm_riscv64.h)."""
        if self._services.find_thread(m) is not None:
            return Result(errno=EEXIST)
        try:
            g0 = self.memory.read_u64(m + self._record.field("m_g0"))
            stack = self.memory.read_u64(g0 + self._record.field("g_stack_hi"))
            self._services.newosproc(
                NewThread(pc=self._record.field("mstart"), sp=stack, registers={"x27": g0}, id=m)
            )
        except GuestFault:
            return Result(errno=EFAULT)
        except GuestRefusal as refusal:
            return Result(errno=refusal.errno)
        return Result()


def _option(services: Services, name: str) -> int:
    value = services.options[name]
    assert isinstance(value, int)
    return value


def _return_trampoline(extension: int) -> bytes:
    """Code that calls rt_sigreturn (139): addi a6,x0,139; lui a7,extension; ecall."""
    words = (139 << 20 | 16 << 7 | 0x13, extension | 17 << 7 | 0x37, 0x73)
    return b"".join(word.to_bytes(4, "little") for word in words)
