"""System calls about the process itself, its vcores, events and time (kern/src/syscall.c)."""

from __future__ import annotations

from collections.abc import Callable
from struct import pack
from typing import TYPE_CHECKING, Any

from fairlead.errors import GuestRefusal
from fairlead.services.linux.structures import NANOSECONDS, TIMESPEC, i32, u32
from fairlead.syscall import Pending, Result, Wake
from fairlead_akaros.abi import UWLIM, Errno, Ev, Sys
from fairlead_akaros.kernel.children import own
from fairlead_akaros.kernel.errors import REFUSALS
from fairlead_akaros.kernel.events import Message
from fairlead_akaros.layouts import EVENT_QUEUE

if TYPE_CHECKING:
    from fairlead_akaros.kernel.kernel import Kernel

__all__ = ["HANDLERS"]

_LAST_EVENT = 50  # MAX_NR_EVENT
_MICROSECOND = 1000
_LONGEST = 1 << 62
_WORD = (1 << 64) - 1
_TERMIOS = pack(
    "<IIIIB32s3xII",
    *(0x2D02, 0x0005, 0x04BF, 0x8A3B, 0),
    bytes.fromhex("031c7f15040001ff11131aff120f1716ff"),
    *(0xF, 0xF),
)
"""struct termios (its C library's bits/termios.h) of a terminal as the kernel has seen one."""


def null(kernel: Kernel) -> int:
    return 0


def _sleep(kernel: Kernel, nanoseconds: int, remaining: int = 0) -> Pending:
    clock = kernel.services.machine.clock
    deadline = clock.now() + min(nanoseconds, _LONGEST)

    def resume(wake: Wake) -> Result:
        if wake is Wake.TIMEOUT:
            return Result()
        if remaining:
            left = max(0, deadline - clock.now())
            kernel.memory.write(remaining, TIMESPEC.pack(*divmod(left, NANOSECONDS)))
        return Result(errno=Errno.EINTR)

    return Pending((), resume, deadline)


def block(kernel: Kernel, microseconds: int) -> Pending:
    return _sleep(kernel, microseconds * _MICROSECOND)


def nanosleep(kernel: Kernel, request: int, remaining: int) -> Pending:
    """Rounded up to microseconds, as the kernel does."""
    memory = kernel.memory
    seconds, nanoseconds = memory.unpack(TIMESPEC, request)
    if remaining:
        memory.write(remaining, bytes(TIMESPEC.size))
    if seconds < 0 or not 0 <= nanoseconds < NANOSECONDS:
        raise GuestRefusal(Errno.EINVAL)
    microseconds = -(-nanoseconds // _MICROSECOND)
    return _sleep(kernel, seconds * NANOSECONDS + microseconds * _MICROSECOND, remaining)


def getpcoreid(kernel: Kernel) -> int:
    return 0


def getvcoreid(kernel: Kernel) -> int:
    return kernel.current_vcore()


def proc_yield(kernel: Kernel, being_nice: int) -> int:
    kernel.services.reschedule()
    return 0


def proc_destroy(kernel: Kernel, pid: int, status: int) -> int:
    own(kernel, pid)
    kernel.services.exit(status & 0xFF)
    return 0


def change_to_m(kernel: Kernel) -> int:
    return 0


def change_vcore(kernel: Kernel, vcore: int, enable_my_notif: int) -> int:
    """-EBUSY, without an errno, as the kernel has it: every vcore has a processor already."""
    _vcore(kernel, vcore)
    return -Errno.EBUSY & _WORD


def vc_entry(kernel: Kernel) -> int:
    kernel.events.notify(kernel.current_vcore())
    return 0


def minus_one(kernel: Kernel) -> int:
    """What the kernel gives up on without an errno: shared pages, and halting the core that it runs on."""
    return _WORD


def poke_ksched(kernel: Kernel, pid: int, resource: int) -> int:
    if i32(pid) not in (0, kernel.pid):
        raise GuestRefusal(Errno.ESRCH)
    return 0


def tcgetattr(kernel: Kernel, fd: int, termios: int) -> int:
    """What the kernel makes up for every descriptor."""
    kernel.memory.write(termios, _TERMIOS)
    return 0


def set_id(kernel: Kernel, identifier: int) -> int:
    """Nothing happens: the kernel has no notion of user and group numbers yet."""
    return 0


def _message(kernel: Kernel, ev_type: int, address: int) -> Message:
    """The message at an address, or one with only a type."""
    if address:
        data = kernel.memory.read(address, 24)
        words = (data[0:2], data[2:4], data[4:8], data[8:16], data[16:24])
        message = Message(*(int.from_bytes(each, "little") for each in words))
    else:
        message = Message(u32(ev_type))
    if message.ev_type >= _LAST_EVENT:
        raise GuestRefusal(Errno.EINVAL)
    return message


def _vcore(kernel: Kernel, vcore: int) -> int:
    if u32(vcore) >= kernel.vcores:
        raise REFUSALS["no vcore"](u32(vcore), kernel.vcores)
    return u32(vcore)


def notify(kernel: Kernel, pid: int, ev_type: int, message: int) -> int:
    own(kernel, pid)
    kernel.events.send_kernel_event(_message(kernel, ev_type, message))
    return 0


def self_notify(kernel: Kernel, vcore: int, ev_type: int, message: int, private: int) -> int:
    event = _message(kernel, ev_type, message)
    kernel.events.post_vcore(event, _vcore(kernel, vcore), private=bool(private))
    return 0


def send_event(kernel: Kernel, queue: int, message: int, vcore: int) -> int:
    event = _message(kernel, Ev.NONE, message)
    if queue + EVENT_QUEUE.size > UWLIM:
        raise REFUSALS["event queue"](queue)
    kernel.events.send_event(queue, event, _vcore(kernel, vcore))
    return 0


def abort_sysc(kernel: Kernel, address: int) -> int:
    return int(kernel.kthreads.abort(address))


def abort_sysc_fd(kernel: Kernel, fd: int) -> int:
    names = {number.value: number.name for number in Sys}
    return kernel.kthreads.abort_fd(u32(fd), lambda number: names.get(number, ""))


HANDLERS: dict[int, Callable[..., Any]] = {
    Sys.null: null,
    Sys.block: block,
    Sys.cache_invalidate: null,
    Sys.getpcoreid: getpcoreid,
    Sys.getvcoreid: getvcoreid,
    Sys.proc_destroy: proc_destroy,
    Sys.proc_yield: proc_yield,
    Sys.notify: notify,
    Sys.self_notify: self_notify,
    Sys.send_event: send_event,
    Sys.change_to_m: change_to_m,
    Sys.change_vcore: change_vcore,
    Sys.vc_entry: vc_entry,
    Sys.shared_page_alloc: minus_one,
    Sys.shared_page_free: minus_one,
    Sys.halt_core: minus_one,
    Sys.poke_ksched: poke_ksched,
    Sys.tcgetattr: tcgetattr,
    Sys.tcsetattr: null,
    Sys.abort_sysc: abort_sysc,
    Sys.abort_sysc_fd: abort_sysc_fd,
    Sys.nanosleep: nanosleep,
    Sys.setuid: set_id,
    Sys.setgid: set_id,
}
