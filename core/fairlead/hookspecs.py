"""The contract: every hook, in call order. Read this file first.

A port is a plugin: a module named by an entry point of the group `fairlead`. It answers the *discovery*
hooks with frozen descriptions. When a system is booted from a port and a board, the object that `Port.boot`
returns answers the five *runtime* hooks; observers wrap them (`hookimpl(wrapper=True)`).

Hooks run on the host, between two guest instructions, one at a time. `cpu` holds the registers of the
current thread; a hook may read and write them and guest memory, and must not keep `cpu` for later, run the
machine, or block the host (a call that cannot finish answers `Pending`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from fairlead.machine import Board, Cpu
    from fairlead.port import Port, Resume
    from fairlead.signal import Signal
    from fairlead.syscall import Pending, Result, Syscall
    from fairlead.thread import NewThread
    from fairlead.trap import Trap

__all__ = ["DiscoverySpec", "RuntimeSpec", "hookimpl", "hookspec"]

hookspec = pluggy.HookspecMarker("fairlead")
hookimpl = pluggy.HookimplMarker("fairlead")


class DiscoverySpec:
    """Asked of every installed plugin; all answers are kept."""

    @hookspec
    def fairlead_ports(self) -> Iterable[Port]:  # type: ignore[empty-body]
        """Ports this plugin offers. Called by `fairlead ports` and whenever a port is looked up by name.
        Must be cheap: import nothing heavy, touch no file."""

    @hookspec
    def fairlead_boards(self) -> Iterable[Board]:  # type: ignore[empty-body]
        """Boards this plugin offers. Same rules."""


class RuntimeSpec:
    """Asked of the one port of a booted system: the first answer that is not None, and there must be one."""

    @hookspec(firstresult=True)
    def newosproc(self, thread: NewThread) -> int:  # type: ignore[empty-body]
        """Start an OS thread; its identifier.

        Called when the runtime's newosproc (runtime/os_*.go) asks for a thread for an M, on the asking
        thread's system stack (g0). The identifier is never 0, unique among living threads, stable for the
        thread's life, and the same that m.procid, gettid, tgkill and timers use. The new thread may run at
        once or later, with the stack and registers given; it must not run before this returns. Out of
        threads is `GuestRefusal` with EAGAIN, which the runtime reports as a failed newosproc.
        """

    @hookspec(firstresult=True)
    def nanotime(self) -> int:  # type: ignore[empty-body]
        """Monotonic guest time in nanoseconds, 64 bits.

        Called for every time the guest reads its clock (runtime.nanotime, runtime/time_nofake.go) while an
        observer is registered; otherwise the machine may serve the value by itself, and a conformance
        check proves both equal. Never 0 (runtime.main throws "nanotime returning zero"), never smaller than
        an earlier answer on any thread. It must not change guest state.
        """

    @hookspec(firstresult=True)
    def handle_trap(self, cpu: Cpu, trap: Trap) -> Resume:  # type: ignore[empty-body]
        """Deal with an exception or interrupt that is not a call.

        Called on the thread that trapped, its registers whole in `cpu`, pc at the trapping instruction (an
        interrupt: at the next one). An exception becomes what the runtime's signal_*.go expects
        (`Services.post_signal`, synchronous) or is mended so that the instruction can run again. A timer
        interrupt must be re-armed, or time-sharing ends. RESCHEDULE gives the CPU to the thread that the
        port's `pick` names.
        """

    @hookspec(firstresult=True)
    def syscall(self, cpu: Cpu, call: Syscall) -> Result | Pending:  # type: ignore[empty-body]
        """Serve a system call.

        Called on the calling thread after the port's convention has decoded the call. Bad guest pointers
        are EFAULT, never an exception; an unknown number is ENOSYS and is noted
        (`Services.note_unknown_call`). A call that must wait answers Pending; nothing it did so far may
        need undoing if a signal ends the wait.
        """

    @hookspec(firstresult=True)
    def deliver_signal(self, cpu: Cpu, signal: Signal) -> bool:  # type: ignore[empty-body]
        """Deliver one unblocked signal to the current thread, just before it runs again.

        Called with the thread's registers in `cpu`, no call in progress (a call to be made again has
        `Services.current.restart` set, and is rewound or answered EINTR here). Runs the handler the program
        set by building the frame that runtime/signal_*.go and sigtramp expect, on the alternate stack if
        asked for, with the mask changed as sigaction says; or takes the default action. True if the thread's
        registers were changed. It must never touch the interrupted stack where an alternate one is set.
        """
