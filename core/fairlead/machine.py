"""What the core asks of an emulated machine: a CPU, RAM, an MMU, a clock and, where there is one, firmware.

A machine knows nothing of Go, of ports or of operating systems. Engines live in other distributions and are
found through `fairlead_boards`; everything here is a protocol or a frozen description.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

from fairlead.tracer import Tracer
from fairlead.trap import Trap

__all__ = [
    "PAGE_SIZE",
    "Batch",
    "Board",
    "BoardOptions",
    "Clock",
    "Console",
    "Context",
    "Cpu",
    "Firmware",
    "Machine",
    "Mmu",
    "Part",
    "Prot",
    "Ram",
    "Stop",
    "TrapHandler",
]

PAGE_SIZE = 4096

Context = Any
"""An engine's saved CPU state: opaque, made by `Cpu.save`, good only for the machine that made it."""

TrapHandler = Callable[[Trap], bool]
"""Called for each trap, with the CPU stopped at it; True goes on with the guest, False makes `run` return."""


class Prot(enum.IntFlag):
    """Page permissions, numbered as PROT_* of mmap(2)."""

    NONE = 0
    READ = 1
    WRITE = 2
    EXEC = 4


class Stop(enum.Enum):
    """Why `Machine.run` returned."""

    DEADLINE = "the deadline passed"
    HANDLER = "a trap handler asked to leave"
    INTERRUPT = "an enabled interrupt is pending"
    WAIT = "the CPU waits for an interrupt"
    HOST = "the host asked to stop"
    SHUTDOWN = "the firmware was asked for a shutdown"


class Batch(Protocol):
    """Registers that are read or written together, prepared once and used often."""

    def read(self) -> Sequence[int]:
        """The registers' values, unsigned, in the order the batch was made with."""

    def write(self, values: Sequence[int]) -> None:
        """Set the registers; values are taken modulo 2**64."""


class Cpu(Protocol):
    """The one hart or core; registers by the names of the architecture's manual.

    RISC-V: x1…x31 and the ABI names (ra, sp, tp, a0…), pc, f0…f31, fcsr, sstatus, satp, stvec, sscratch.
    x86-64: rax…r15, rip, rflags, fs_base, gs_base, xmm0…xmm15, mxcsr, cr2, cr3. Integers are unsigned.
    """

    @property
    def arch(self) -> str:
        """ "riscv64" or "x86_64"."""

    @property
    def pc(self) -> int: ...
    @pc.setter
    def pc(self, value: int) -> None: ...

    def get(self, register: str) -> int: ...

    def set(self, register: str, value: int) -> None: ...

    def batch(self, registers: Sequence[str]) -> Batch:
        """Prepare registers for the hot path."""

    def general(self) -> Sequence[int]:
        """Every general register in the manual's order (RISC-V x1…x31; x86-64 rax, rcx, rdx, rbx, rsp, …)."""

    def save(self, into: Context | None = None) -> Context:
        """The whole user-visible state (general, floating-point, status), into `into` if given."""

    def blank(self) -> Context:
        """A state with every user-visible register zero, status and control registers as a user thread's."""

    def restore(self, context: Context) -> None:
        """Put a saved state back; drops a load reservation, as a context switch on hardware does."""

    def peek(self, context: Context, register: str) -> int:
        """A register of a saved state."""

    def poke(self, context: Context, register: str, value: int) -> None:
        """Change a register of a saved state."""


class Ram(Protocol):
    """Guest physical memory: one host mapping whose untouched pages cost nothing."""

    @property
    def base(self) -> int:
        """Physical address of the first byte."""

    @property
    def size(self) -> int: ...

    @property
    def view(self) -> memoryview:
        """All of it, writable, one byte an item; index = physical address - base."""

    def zero(self, address: int, size: int) -> None:
        """Fill a physical range with zeroes, giving whole pages back to the host where that is cheaper."""

    def code_written(self, address: int, size: int) -> None:
        """Tell that instructions in a physical range were changed from outside the guest."""


class Mmu(Protocol):
    """Page tables in guest RAM, in the architecture's own format; all ranges are in whole pages."""

    def map(self, virtual: int, physical: int, size: int, prot: Prot) -> None:
        """Map a range, with large pages where alignment allows; what was mapped there is replaced."""

    def unmap(self, virtual: int, size: int) -> None:
        """Remove a range; pages not mapped are passed over."""

    def protect(self, virtual: int, size: int, prot: Prot) -> None:
        """Change the permissions of the mapped pages of a range; Prot.NONE makes every access fault."""

    def activate(self) -> None:
        """Make these tables the CPU's."""


class Clock(Protocol):
    """Guest time. `now` starts above zero and never goes backwards."""

    @property
    def kind(self) -> str:
        """What counts: "blocks", "instructions" or "host". Times of unlike kinds are not comparable."""

    @property
    def epoch(self) -> int:
        """Real time at `now` = 0, in nanoseconds since 1970-01-01 UTC."""

    @property
    def work(self) -> int:
        """Blocks or instructions, as `kind` says, that the guest has executed; 0 with the host's time.

        What `charge` adds and idle time are no work."""

    def now(self) -> int:
        """Monotonic nanoseconds since the machine was made."""

    def idle_until(self, time: int | None) -> bool:
        """Let time pass with the CPU idle: skipped if virtual, slept if host time.

        None waits for the host alone. False if the host asked to stop meanwhile.
        """

    def charge(self, nanoseconds: int) -> None:
        """Let guest time pass for work that the guest did not execute itself."""


class Console(Protocol):
    """Where a board's serial port leads."""

    def write(self, data: bytes) -> None: ...

    def read(self, limit: int) -> bytes | None:
        """At most `limit` bytes that are there now; b"" at the end of input, None when there are none yet."""


class Firmware(Protocol):
    """Machine-mode services under the guest (SBI)."""

    def register(self, extension: int, name: str) -> None:
        """Make the base extension's probe find an extension that a port serves."""

    def call(self, extension: int, function: int, *arguments: int) -> tuple[int, int]:
        """Make a call as the guest would: (error, value)."""


class Machine(Protocol):
    """A board's parts, put together and powered on."""

    cpu: Cpu
    ram: Ram
    clock: Clock
    firmware: Firmware | None
    console: Console
    """The board's serial port, for an OS half that drives it itself."""
    time_source: Callable[[], int] | None
    """Answers the guest's own time reads in nanoseconds, when set; else the machine serves `clock.now()`."""

    def new_mmu(self, allocate: Callable[[int], int]) -> Mmu:
        """Empty page tables; `allocate(size)` hands out zeroed physical memory, size-aligned."""

    def run(self, deadline: int, on_trap: TrapHandler) -> Stop:
        """Run the guest until guest time `deadline` or an earlier reason to stop.

        Traps reach `on_trap` while the engine stands still at them: `pc` is at the trapping instruction, for
        SYSCALL and for x86's trap-class exceptions (int3, `int 4`, a single step) after it; `Trap.pc` is the
        instruction's own address, of a single step's the next one's. A SYSCALL trap that is a firmware call,
        and a time read, are served by the machine and do not reach it. An exception from `on_trap` ends the
        run and comes out of here.
        """

    def trace(self, on_halt: Callable[[], bool]) -> Tracer:
        """The machine's one tracer; nobody pays for it before this.

        `on_halt` is called within `run` where the tracer stops the guest; False makes `run` return
        Stop.HANDLER. It may change registers and memory, as `on_trap` may.
        """

    def pending_interrupt(self) -> Trap | None:
        """The interrupt that made `run` stop, if one is pending and enabled; it stays pending until its
        source is served (a new timer compare value, say)."""

    def arm_timer(self, time: int | None) -> None:
        """Make the board's timer interrupt pending from guest time `time` on, or never."""

    def request_stop(self) -> None:
        """Make `run` or `idle_until` return soon (Stop.HOST); safe in a host signal handler, sets a flag."""

    def device_tree(self) -> bytes:
        """The flattened device tree handed to the guest; b"" on boards without."""

    def close(self) -> None:
        """Free the engine and the RAM; the machine is of no use after."""


class Part(NamedTuple):
    """One device of a board."""

    name: str
    address: int
    size: int
    interrupt: int | None = None


class BoardOptions(NamedTuple):
    """What a machine is made with."""

    console: Console
    memory: int = 4 << 30
    """RAM in bytes, a multiple of 2 MiB."""
    clock: str = "virtual"
    """"virtual" or "host"."""
    epoch: int = 1_767_225_600_000_000_000
    """Real time at power-on, ns since 1970-01-01 UTC; the default is 2026-01-01T00:00:00Z."""
    bootargs: str = ""
    properties: Mapping[str, bytes] = MappingProxyType({})
    """Further raw properties of the device tree's /chosen node."""
    seed: int = 0
    user: bool = False
    """The program runs in user mode, as under a kernel: its calls and faults are for the OS half alone.

    A board whose guests run in user mode anyway takes no notice."""
    counter: str = "auto"
    """"blocks" (native block counter), "instructions" (count=), or "auto": blocks where the host can."""


class Board(NamedTuple):
    """A kind of machine: parts with addresses, and how to build one."""

    name: str
    arch: str
    summary: str
    parts: tuple[Part, ...]
    build: Callable[[BoardOptions], Machine]
