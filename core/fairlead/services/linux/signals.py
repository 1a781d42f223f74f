"""Signal calls: rt_sigaction(2), rt_sigprocmask(2), sigaltstack(2), kill(2), tgkill(2) and their kin."""

from __future__ import annotations

from errno import EINTR, EINVAL, ESRCH
from struct import Struct
from typing import TYPE_CHECKING

from fairlead.errors import GuestRefusal
from fairlead.services.linux.handler import Handlers
from fairlead.services.linux.siginfo import SI_TKILL, SI_USER
from fairlead.services.linux.structures import STACK_T, i32
from fairlead.services.signals import NSIG, UNBLOCKABLE, bit
from fairlead.signal import Action, Sig, Signal
from fairlead.syscall import Pending, Result, Wake

if TYPE_CHECKING:
    from fairlead.services.linux.process import Process
    from fairlead.thread import Thread

__all__ = ["HANDLERS"]

_SET = 8  # bytes of the kernel's sigset_t
_ACTIONS = {"riscv64": Struct("<QQQ"), "x86_64": Struct("<QQQQ")}
"""struct sigaction: handler, flags, mask; on x86-64 handler, flags, restorer, mask."""
_UNCATCHABLE = frozenset({Sig.SIGKILL, Sig.SIGSTOP})
_SIG_BLOCK, _SIG_UNBLOCK, _SIG_SETMASK = 0, 1, 2


def rt_sigaction(process: Process, number: int, new: int, old: int, size: int) -> int:
    number = i32(number)
    if size != _SET or not 1 <= number <= NSIG or (new and number in _UNCATCHABLE):
        raise GuestRefusal(EINVAL)
    layout = _ACTIONS[process.arch]
    restorable = process.arch == "x86_64"
    before = process.actions[number]
    action = None
    if new:
        fields = process.memory.unpack(layout, new)
        handler, flags, mask = fields[0], fields[1], fields[-1]
        action = Action(handler, flags, mask & ~UNBLOCKABLE, fields[2] if restorable else 0)
    if old:
        restorer = (before.restorer,) if restorable else ()
        process.memory.write(old, layout.pack(before.handler, before.flags, *restorer, before.mask))
    if action is not None:
        process.actions[number] = action
        if process.actions.ignores(number):
            for thread in process.services.threads():
                thread.signals.pending.pop(number, None)
    return 0


def rt_sigprocmask(process: Process, how: int, new: int, old: int, size: int) -> int:
    if size != _SET:
        raise GuestRefusal(EINVAL)
    thread = process.services.current
    before = mask = thread.signals.blocked
    if new:
        given = process.memory.read_u64(new)
        how = i32(how)
        if how == _SIG_BLOCK:
            mask = before | given
        elif how == _SIG_UNBLOCK:
            mask = before & ~given
        elif how == _SIG_SETMASK:
            mask = given
        else:
            raise GuestRefusal(EINVAL)
    if old:
        process.memory.write_u64(old, before)
    if mask != before:
        process.set_mask(thread, mask)
    return 0


def rt_sigpending(process: Process, address: int, size: int) -> int:
    if size > _SET:
        raise GuestRefusal(EINVAL)
    signals = process.services.current.signals
    numbers = {*signals.pending, *process.services.shared_pending()}
    mask = sum(bit(number) for number in numbers) & signals.blocked
    process.memory.write(address, mask.to_bytes(_SET, "little")[:size])
    return 0


def rt_sigreturn(process: Process) -> Result:
    return process.delivery.sigreturn()


def rt_sigsuspend(process: Process, address: int, size: int) -> Pending:
    if size != _SET:
        raise GuestRefusal(EINVAL)
    thread = process.services.current
    before = thread.signals.blocked
    process.set_mask(thread, process.memory.read_u64(address))

    def resume(wake: Wake) -> Result:
        process.delivery.end_own_mask(thread, before)
        return Result(errno=EINTR)

    return Pending((), resume)


def pause(process: Process) -> Pending:
    return Pending((), lambda wake: Result(errno=EINTR))


def sigaltstack(process: Process, new: int, old: int) -> int:
    memory = process.memory
    altstack = process.thread.altstack
    sp = process.cpu.get("sp" if process.arch == "riscv64" else "rsp")
    wanted = memory.unpack(STACK_T, new) if new else None
    before = STACK_T.pack(altstack.base, altstack.state(sp), 0, altstack.size)
    if wanted is not None:
        base, flags, _, size = wanted
        altstack.set(base, size, flags, sp)
    if old:
        memory.write(old, before)
    return 0


def _check(number: int) -> int:
    number = i32(number)
    if not 0 <= number <= NSIG:
        raise GuestRefusal(EINVAL)
    return number


def kill(process: Process, pid: int, number: int) -> int:
    """To the process itself, by its number, as its group or as "my group"; there is no other."""
    if process.number(pid) not in (process.pid, 0, -process.pid):
        _check(number)
        raise GuestRefusal(ESRCH)
    number = _check(number)
    if number == Sig.SIGKILL:
        process.services.exit_by_signal(number)
    elif number:
        process.services.post_process_signal(
            Signal(number, SI_USER, pid=process.pid, uid=process.files.user.uid)
        )
    return 0


def _to_thread(process: Process, identifier: int, number: int) -> int:
    number = _check(number)
    thread: Thread | None = process.services.find_thread(identifier)
    if thread is None:
        raise GuestRefusal(ESRCH)
    if number == Sig.SIGKILL:
        process.services.exit_by_signal(number)
    elif number:
        uid = process.files.user.uid
        process.services.post_signal(thread, Signal(number, SI_TKILL, pid=process.pid, uid=uid))
    return 0


def tgkill(process: Process, pid: int, identifier: int, number: int) -> int:
    pid = process.number(pid)
    if pid <= 0 or not identifier:
        raise GuestRefusal(EINVAL)
    if pid != process.pid:
        raise GuestRefusal(ESRCH)
    return _to_thread(process, identifier, number)


def tkill(process: Process, identifier: int, number: int) -> int:
    if not identifier:
        raise GuestRefusal(EINVAL)
    return _to_thread(process, identifier, number)


HANDLERS: Handlers = {
    "kill": kill,
    "pause": pause,
    "rt_sigaction": rt_sigaction,
    "rt_sigpending": rt_sigpending,
    "rt_sigprocmask": rt_sigprocmask,
    "rt_sigreturn": rt_sigreturn,
    "rt_sigsuspend": rt_sigsuspend,
    "sigaltstack": sigaltstack,
    "tgkill": tgkill,
    "tkill": tkill,
}
