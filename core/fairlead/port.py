"""What a port is: a frozen description, and the system it is booted on as it sees it."""

from __future__ import annotations

import enum
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple, Protocol

from fairlead.machine import BoardOptions, Machine
from fairlead.signal import Signal
from fairlead.syscall import Convention
from fairlead.thread import NewThread, Thread, WaitQueue

if TYPE_CHECKING:
    from fairlead.guest.image import Image
    from fairlead.services.addressspace import AddressSpace

__all__ = ["GuestEnv", "Mount", "Option", "Port", "PortObject", "Program", "Resume", "Services"]


class Resume(enum.Enum):
    """What the core does when `handle_trap` has answered."""

    CONTINUE = "go on with the thread that was interrupted"
    RESCHEDULE = "run the thread that the port's policy picks next"


class Option(NamedTuple):
    """An option of a port's own, given as --set NAME=VALUE; `parse` raises ValueError with a sentence."""

    name: str
    default: str
    parse: Callable[[str], object]
    help: str


class Mount(NamedTuple):
    """A host folder or file seen by the guest at `guest`."""

    host: Path
    guest: str
    writable: bool = False
    overlay: bool = False
    """Writes go to a layer in memory that is thrown away; the host is only read."""


class Program(NamedTuple):
    """What to run: an image with its arguments (argv[0] first), environment and view of the file system."""

    image: Image
    arguments: Sequence[str]
    environment: Mapping[str, str]
    mounts: Sequence[Mount] = ()
    cwd: str = "/"


class Services(Protocol):
    """The system as a port's OS half sees it: the narrow way to the core's mechanism."""

    machine: Machine
    program: Program
    options: Mapping[str, object]
    """The port's options, parsed."""
    checks: Collection[str]
    """Which of the port's checks are wanted (`Port.checks`)."""
    seed: int
    current: Thread
    """The thread whose registers the CPU holds."""

    # the typed way to the hooks, for a hook that is called from inside another
    def newosproc(self, thread: NewThread) -> int: ...
    def nanotime(self) -> int: ...

    # mechanism
    def threads(self) -> Sequence[Thread]:
        """Threads that have not ended, in the order they were made."""

    def add_thread(self, thread: NewThread) -> Thread:
        """Make a READY thread; what `newosproc` does once the port has decided its id."""

    def find_thread(self, id: int) -> Thread | None: ...

    def end_thread(self, thread: Thread) -> None:
        """Drop a thread; a current one is not run again once the hook returns."""

    def wait_queue(self) -> WaitQueue: ...

    def call_at(self, time: int, action: Callable[[], None]) -> Callable[[], None]:
        """Run `action` between guest instructions once `Clock.now` reaches `time`; returns a cancel."""

    def reschedule(self) -> None:
        """Let the port's policy pick again as soon as the current hook returns (sched_yield)."""

    def post_signal(self, thread: Thread, signal: Signal) -> None:
        """Make a signal pending for one thread; it is delivered by `deliver_signal` when that thread next
        runs with it unblocked, and interrupts an interruptible wait."""

    def post_process_signal(self, signal: Signal) -> None:
        """Make a signal pending for the process (kill): the first thread that does not block it takes it."""

    def shared_pending(self) -> Mapping[int, Signal]:
        """Signals pending for the process as a whole."""

    def exit(self, status: int) -> None:
        """End the guest: 0…255 its exit code."""

    def exit_by_signal(self, number: int) -> None:
        """End the guest as killed by a signal; the command's exit code is 128 + number."""

    def stop_requested(self) -> bool:
        """Has the host asked to stop (Ctrl-C)? Long work inside a hook looks now and then."""

    def note_unknown_call(self, name: str) -> None:
        """Count a call answered ENOSYS, for the one summary line."""

    def trace(self, kind: str, line: str) -> None:
        """A line of the port's own for --trace KIND; free when nobody traces."""


class PortObject(Protocol):
    """What `Port.boot` returns: the hooks' implementer, with its scheduling policy and first thread.

    Its methods marked with `hookimpl` are the five runtime hooks.
    """

    @property
    def memory(self) -> AddressSpace:
        """The guest program's address space."""

    def start(self) -> NewThread:
        """Load the program; the first thread."""

    def pick(self, current: Thread | None, ready: Sequence[Thread]) -> Thread:
        """The next thread to run, one of `ready` (never empty; in the order they became ready)."""

    def ignores(self, signal: Signal) -> bool:
        """Would this signal do nothing at all (SIG_IGN, or ignored by default)? Then it wakes nobody."""

    def thread_ended(self, thread: Thread) -> None:
        """A thread is gone."""

    def close(self) -> None:
        """Let go of host resources (open files)."""


class GuestEnv(NamedTuple):
    """How programs are built for a port."""

    goos: str
    goarch: str
    overlay: Path | None
    """Folder with edits.toml and the files mirrored on GOROOT paths under files/; None for stock programs."""
    link_flags: tuple[str, ...] = ()
    env: Mapping[str, str] = MappingProxyType({})


class Port(NamedTuple):
    """A runtime port."""

    name: str
    summary: str
    board: str
    abi: int
    """Version of the seam between the guest half and the OS half; stands in every image's record."""
    guest: GuestEnv
    convention: Convention
    options: tuple[Option, ...]
    boot: Callable[[Services], PortObject]
    configure: Callable[[Program, BoardOptions], BoardOptions] | None = None
    """Changes what the machine is made with (boot arguments, say), before it is made."""
    call_name: Callable[[int], str] | None = None
    """What a call's number is called in traces and results; where None, Linux' names are used."""
    checks: tuple[str, ...] = ()
    """Checks of guests that it offers for --check, by name; what they cost is paid only when wanted."""
