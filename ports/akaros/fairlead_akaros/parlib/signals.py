"""POSIX signals as parlib has them (user/parlib/signal.c): the process' in vcore context, a uthread's on it.

The interrupted registers, their floating-point state and the siginfo go below the interrupted stack pointer,
even where the uthread has a signal stack for its handlers. While one runs no other is started.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from struct import Struct

from fairlead.errors import GuestFault, GuestRefusal
from fairlead.machine import Context, Cpu
from fairlead.port import Services
from fairlead.services.addressspace import AddressSpace
from fairlead.services.signals import MINSIGSTKSZ, NSIG, SIG_DFL, SIG_IGN, UNBLOCKABLE, SignalTable, bit
from fairlead.signal import Action, Sig, Signal
from fairlead.syscall import Result
from fairlead.thread import Thread
from fairlead_akaros.abi import ROS_HW_CTX, Errno, Ev
from fairlead_akaros.kernel.events import Message, vcpd
from fairlead_akaros.layouts import HW_TRAPFRAME, PREEMPT_DATA, SIGDATA, SIGINFO, USER_CONTEXT
from fairlead_akaros.parlib.floats import load, saved
from fairlead_akaros.parlib.vcores import Vcore, Vcores

__all__ = ["PTHREAD_KILL", "Signals", "Uthread"]

PTHREAD_KILL = -6
"""`Signal.code` of a signal for one uthread; the handler sees 0, as pthread_kill carries nothing."""

_CONTEXT = Struct("<iI17QIIIIQHHIQQHHI")
_REGISTERS = (
    *("gs_base", "fs_base", "rax", "rbx", "rcx", "rdx", "rbp", "rsi", "rdi"),
    *(f"r{number}" for number in range(8, 16)),
)
_ACTION = Struct("<QQiIQ")
_STACK = Struct("<QQi4x")
_INFO = Struct("<iiiii4xQ")
_EVERYTHING = (1 << 64) - 1
_ALIGNMENT = 64
_USER_CS, _USER_SS = 0x33, 0x2B
_DF = 0x400
_RESUMED = Result(resumed=True)
_BLOCK, _UNBLOCK, _SETMASK = 0, 1, 2


@dataclass(slots=True, eq=False)
class Uthread:
    """What the scheduler knows of a uthread beyond its registers: `struct sigstate`."""

    thread: Thread
    mask: int = 0
    sigalt_stacktop: int = 0
    data: int = 0
    """Address of its `struct sigdata` while a handler runs."""
    saved: Context | None = field(default=None, repr=False)
    """Its x87 state meanwhile, which the ancillary state does not have."""
    fault: int = 0
    """Where it trapped, for faults."""


class Signals:
    def __init__(
        self,
        services: Services,
        memory: AddressSpace,
        actions: SignalTable,
        vcores: Vcores,
        uthread: Callable[[Thread], Uthread],
        return_to: int,
        info: int,
    ) -> None:
        """`return_to` is the address of exit_sighandler, `info` room for a siginfo in vcore context."""
        self._services = services
        self._memory = memory
        self._actions = actions
        self._vcores = vcores
        self._uthread = uthread
        self._return_to = return_to
        self._info = info
        cpu = services.machine.cpu
        self._registers = cpu.batch((*_REGISTERS, "rip", "rflags", "rsp"))
        self._start = cpu.batch(("rdi", "rsi", "rdx", "rsp", "rip", "rflags"))
        vcores.on_message[Ev.POSIX_SIGNAL] = self._on_event
        vcores.siginfo = self._siginfo
        vcores.save_uthread = self._save_uthread

    # -- delivery --------------------------------------------------------------------------------------

    def _on_event(self, vcore: Vcore, message: Message) -> None:
        """A signal of the process' in vcore context: its handler runs there (pth_got_posix_signal)."""
        number = message.ev_arg1
        self._services.trace("sched", f"vcore {vcore.number}: EV_POSIX_SIGNAL {number}")
        if not 1 <= number <= NSIG:
            return
        action = self._actions[number]
        if action.handler in (SIG_DFL, SIG_IGN):
            self.default(number)
            return
        self._vcores.run_handler(vcore, number, action.handler)

    def _siginfo(self, number: int) -> int:
        self._memory.write(self._info, _INFO.pack(number, 0, 0, 0, 0, 0).ljust(SIGINFO.size, b"\0"))
        return self._info

    def _save_uthread(self, vcore: Vcore) -> None:
        """The interrupted uthread's registers, if there is one, go into the vcore's preempt data."""
        if self._services.current is vcore.uthread:
            self._memory.write(vcpd(vcore.number) + PREEMPT_DATA["uthread_ctx"], self._context())

    def _context(self) -> bytes:
        """The running thread's registers as a struct user_context."""
        *registers, rip, rflags, rsp = self._registers.read()
        return _CONTEXT.pack(
            ROS_HW_CTX, 0, *registers, 0, 0, 0, 0, rip, _USER_CS, 0, 0, rflags, rsp, _USER_SS, 0, 0
        )

    def deliver(self, cpu: Cpu, signal: Signal) -> bool:
        """Run a uthread's handler; True if its registers were changed."""
        number = signal.number
        action = self._actions[number]
        if action.handler in (SIG_DFL, SIG_IGN):
            self.default(number)
            return False
        thread = self._services.current
        uthread = self._uthread(thread)
        *_, rip, rflags, rsp = self._registers.read()
        stack = (rsp - SIGDATA.size) & ~(_ALIGNMENT - 1)
        code = 0 if signal.code == PTHREAD_KILL else signal.code
        info = _INFO.pack(number, 0, code, 0, 0, signal.address)
        top = (uthread.sigalt_stacktop or stack) & ~15
        try:
            self._memory.write(stack + SIGDATA["u_ctx"], self._context())
            self._memory.write(stack + SIGDATA["as"], saved(cpu))
            self._memory.write(stack + SIGDATA["info"], info.ljust(SIGINFO.size, b"\0"))
            self._memory.write_u64(top - 8, self._return_to)
        except GuestFault:
            self._services.exit_by_signal(Sig.SIGSEGV)
            return False
        uthread.data = stack
        uthread.saved = cpu.save(uthread.saved)
        thread.signals.blocked = _EVERYTHING
        self._services.trace("sched", f"uthread {thread.id}: signal {number} at {rip:#x}")
        self._start.write(
            (
                number,
                stack + SIGDATA["info"],
                stack + SIGDATA["u_ctx"],
                top - 8,
                action.handler,
                rflags & ~_DF,
            )
        )
        return True

    def exit_sighandler(self) -> Result:
        """A handler has returned: back to what it interrupted, with what it changed there."""
        thread = self._services.current
        uthread = self._uthread(thread)
        if not uthread.data or uthread.saved is None:
            self._services.exit_by_signal(Sig.SIGSEGV)
            return _RESUMED
        cpu = self._services.machine.cpu
        try:
            values = self._memory.unpack(_CONTEXT, uthread.data + SIGDATA["u_ctx"])
            cpu.restore(uthread.saved)
            load(cpu, self._memory, uthread.data + SIGDATA["as"])
        except GuestFault:
            self._services.exit_by_signal(Sig.SIGSEGV)
            return _RESUMED
        count = len(_REGISTERS)
        rip, rflags, rsp = values[2 + count + 4], values[2 + count + 8], values[2 + count + 9]
        self._registers.write((*values[2 : 2 + count], rip, rflags, rsp))
        uthread.data = 0
        self._set_mask(uthread)
        return _RESUMED

    def default(self, number: int) -> None:
        if self._actions[number].handler == SIG_DFL and self._actions.ends(number):
            self._services.exit_by_signal(number)

    # -- what programs ask -----------------------------------------------------------------------------

    def pthread_kill(self, thread: Thread, number: int) -> int:
        if not 1 <= number <= NSIG:
            raise GuestRefusal(Errno.EINVAL)
        action = self._actions[number]
        uthread = self._uthread(thread)
        self._services.trace("sched", f"pthread_kill uthread {thread.id} signal {number}")
        if action.handler == SIG_DFL and self._actions.ends(number) and not uthread.mask & bit(number):
            self._services.exit_by_signal(number)
        else:
            self._services.post_signal(thread, Signal(number, code=PTHREAD_KILL))
        return 0

    def sigaction(self, number: int, new: int, old: int) -> int:
        memory = self._memory
        number &= 0xFFFF_FFFF
        if not 1 <= number <= NSIG or (new and bit(number) & UNBLOCKABLE):
            raise GuestRefusal(Errno.EINVAL)
        before = self._actions[number]
        if new:
            handler, mask, flags, _, restorer = memory.unpack(_ACTION, new)
            after = Action(handler, flags & 0xFFFF_FFFF, mask, restorer)
        if old:
            flags = before.flags - (1 << 32) if before.flags >> 31 else before.flags
            memory.write(old, _ACTION.pack(before.handler, before.mask, flags, 0, before.restorer))
        if new:
            self._actions[number] = after
        return 0

    def sigaltstack(self, new: int, old: int) -> int:
        base, size, flags = self._memory.unpack(_STACK, new)
        if flags or old:
            raise GuestRefusal(Errno.EINVAL)
        if size < MINSIGSTKSZ:
            raise GuestRefusal(Errno.ENOMEM)
        self._uthread(self._services.current).sigalt_stacktop = (base + size) & _EVERYTHING
        return 0

    def pthread_sigmask(self, how: int, new: int, old: int) -> int:
        if self._vcores.in_vcore_context():
            raise GuestRefusal(Errno.ENOENT)
        uthread = self._uthread(self._services.current)
        mask = self._memory.read_u64(new) if new else 0
        if new and how & 0xFFFF_FFFF not in (_BLOCK, _UNBLOCK, _SETMASK):
            raise GuestRefusal(Errno.EINVAL)
        if old:
            self._memory.write_u64(old, uthread.mask)
        if new:
            changed = {_BLOCK: uthread.mask | mask, _UNBLOCK: uthread.mask & ~mask, _SETMASK: mask}
            uthread.mask = changed[how & 0xFFFF_FFFF] & ~UNBLOCKABLE
            self._set_mask(uthread)
        return 0

    def _set_mask(self, uthread: Uthread) -> None:
        """Let the core know which signals a uthread takes now."""
        thread = uthread.thread
        thread.signals.blocked = _EVERYTHING if uthread.data else uthread.mask
        due = thread.signals.deliverable()
        if due is not None:
            self._services.post_signal(thread, due)


assert _CONTEXT.size == USER_CONTEXT["tf"] + HW_TRAPFRAME.size
assert _INFO.size == SIGINFO["si_addr"] + 8
