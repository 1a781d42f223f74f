"""Signal delivery: default actions, frames and handlers, alternate stacks, and the way back."""

from __future__ import annotations

from errno import EINTR
from typing import TYPE_CHECKING, Protocol

from fairlead.errors import GuestFault, GuestRefusal
from fairlead.machine import Cpu
from fairlead.services.guestmemory import GuestMemory
from fairlead.services.linux import sigframe_riscv64, sigframe_x86_64
from fairlead.services.linux.siginfo import SI_KERNEL
from fairlead.services.signals import (
    SA_NODEFER,
    SA_ONSTACK,
    SA_RESETHAND,
    SA_RESTART,
    SIG_DFL,
    SIG_IGN,
    SS_AUTODISARM,
    SS_DISABLE,
    UNBLOCKABLE,
    bit,
)
from fairlead.signal import Action, Sig, Signal
from fairlead.syscall import Result

if TYPE_CHECKING:
    from fairlead.services.linux.process import Process
    from fairlead.thread import Thread

__all__ = ["Delivery"]

_SEGMENTATION_FAULT = Signal(Sig.SIGSEGV, code=SI_KERNEL, synchronous=True)
_RESUMED = Result(resumed=True)


class _Frame(Protocol):
    """What an architecture's frame module offers."""

    stack: str
    result: str
    red_zone: int

    def place(self, top: int) -> int: ...

    def push(
        self,
        at: int,
        signal: Signal,
        action: Action,
        return_to: int,
        mask: int,
        altstack: tuple[int, int, int],
    ) -> None: ...

    def pop(self) -> tuple[int, tuple[int, int, int]]: ...


def _frame(cpu: Cpu, memory: GuestMemory) -> _Frame:
    if cpu.arch == "riscv64":
        return sigframe_riscv64.SignalFrame(cpu, memory)
    return sigframe_x86_64.SignalFrame(cpu, memory)


class Delivery:
    """Delivers to the threads of one process."""

    def __init__(self, process: Process, return_to: int) -> None:
        """`return_to` is the address that handlers return to where the architecture has no restorer."""
        self._process = process
        self._services = process.services
        self._actions = process.actions
        self._return_to = return_to
        self._frame = _frame(process.cpu, process.memory)

    def deliver(self, cpu: Cpu, signal: Signal) -> bool:
        """The `deliver_signal` hook."""
        number = signal.number
        action = self._actions[number]
        thread = self._services.current
        forced = signal.synchronous and (action.handler == SIG_IGN or thread.signals.blocked & bit(number))
        if forced or number == Sig.SIGKILL:
            self._services.exit_by_signal(number)
            return False
        if action.handler == SIG_DFL:
            if self._actions.ends(number):
                self._services.exit_by_signal(number)
            return False
        if action.handler == SIG_IGN:
            return False
        if thread.restart:
            self._end_call(cpu, thread, action)
        return self._enter(cpu, thread, signal, action)

    def force(self, thread: Thread, signal: Signal) -> None:
        """Post a signal that cannot be put off: blocked or ignored, it ends the process."""
        number = signal.number
        if self._actions[number].handler == SIG_IGN or thread.signals.blocked & bit(number):
            self._services.exit_by_signal(number)
        else:
            self._services.post_signal(thread, signal)

    def set_mask(self, thread: Thread, mask: int) -> None:
        """Change a mask; what it lets through is posted again, so that the core looks at it at once."""
        signals = thread.signals
        signals.blocked = mask & ~UNBLOCKABLE
        if signals.pending:
            signal = signals.deliverable()
            if signal is not None:
                self._services.post_signal(thread, signal)
        for number, shared in self._services.shared_pending().items():
            if not signals.blocked & bit(number):
                self._services.post_process_signal(shared)
                break

    def end_own_mask(self, thread: Thread, mask: int) -> None:
        """Go back to `mask` after a call that waited with another, once handlers have run that it let in."""
        blocked = thread.signals.blocked
        shared = self._services.shared_pending()
        if thread.signals.deliverable() or any(not blocked & bit(number) for number in shared):
            self._process.thread_data(thread).saved_mask = mask
        else:
            thread.signals.blocked = mask

    def sigreturn(self) -> Result:
        """rt_sigreturn(2): take down the frame that the stack pointer shows."""
        thread = self._services.current
        try:
            mask, (base, flags, size) = self._frame.pop()
        except (GuestFault, GuestRefusal):
            self.force(thread, _SEGMENTATION_FAULT)
            return _RESUMED
        altstack = self._process.thread_data(thread).altstack
        if (altstack.base, altstack.size) != (base, size) or altstack.flags != flags & SS_AUTODISARM:
            try:
                altstack.set(base, size, flags, self._process.cpu.get(self._frame.stack))
            except GuestRefusal:
                pass  # as the kernel does: the frame's wish is not the call's error
        self.set_mask(thread, mask)
        return _RESUMED

    def _end_call(self, cpu: Cpu, thread: Thread, action: Action) -> None:
        """An interrupted call: back to before it (SA_RESTART), or EINTR."""
        if action.flags & SA_RESTART and thread.call is not None:
            cpu.pc = thread.call.token
        else:
            cpu.set(self._frame.result, -EINTR & 0xFFFF_FFFF_FFFF_FFFF)
        thread.restart = False

    def _enter(self, cpu: Cpu, thread: Thread, signal: Signal, action: Action) -> bool:
        """Build the frame and start the handler."""
        number = signal.number
        data = self._process.thread_data(thread)
        altstack = data.altstack
        sp = cpu.get(self._frame.stack)
        blocked = thread.signals.blocked
        inside = altstack.holds(sp)
        if action.flags & SA_ONSTACK and altstack.size and not inside:
            at = self._frame.place(altstack.base + altstack.size)
            inside = True
        else:
            at = self._frame.place(sp - self._frame.red_zone)
        flags = altstack.flags if altstack.size else SS_DISABLE
        mask = blocked if data.saved_mask is None else data.saved_mask
        try:
            if at < 0 or (inside and at < altstack.base):
                raise GuestFault(at, write=True)
            self._frame.push(
                at, signal, action, self._return_to, mask, (altstack.base, flags, altstack.size)
            )  # fmt: skip
        except (GuestFault, GuestRefusal):
            if number == Sig.SIGSEGV:
                self._services.exit_by_signal(number)
                return False
            return self.deliver(cpu, _SEGMENTATION_FAULT)
        data.saved_mask = None
        if altstack.flags & SS_AUTODISARM:
            altstack.base = altstack.size = altstack.flags = 0
        if action.flags & SA_RESETHAND:
            self._actions[number] = Action()
        own = 0 if action.flags & SA_NODEFER else bit(number)
        thread.signals.blocked = (blocked | action.mask | own) & ~UNBLOCKABLE
        return True
