"""The kernel of one process: what its calls share, and the way from a call's number to its handler."""

from __future__ import annotations

from collections.abc import Callable

from fairlead.errors import GuestFault, GuestRefusal
from fairlead.port import Services
from fairlead.services.addressspace import AddressSpace
from fairlead.services.linux.process import Process
from fairlead.services.vfs import Directory, Node
from fairlead.syscall import Pending, Result, Syscall
from fairlead_akaros.abi import Errno, Sys
from fairlead_akaros.kernel import children, files, memory, mounts, paths, processes, taps, wstat
from fairlead_akaros.kernel.convention import STARTED, Boundary
from fairlead_akaros.kernel.events import Events
from fairlead_akaros.kernel.kthread import Kthreads

__all__ = ["Kernel", "call_name"]

_FAULT = Result(errno=Errno.EFAULT)
_REFUSED = Result((1 << 64) - 1)
"""What a number that is no call gives: -1 with no error number and no words (kern/src/syscall.c, syscall)."""
_NAMES = {number.value: number.name for number in Sys}
_SMALL = tuple(Result(value) for value in range(4096))

Handler = Callable[..., int | Result | Pending]


def call_name(number: int) -> str:
    return _NAMES.get(number, f"syscall_{number}")


class Kernel:
    def __init__(
        self,
        services: Services,
        memory_: AddressSpace,
        process: Process,
        boundary: Boundary,
        events: Events,
        vcores: int,
    ) -> None:
        """`process` is where the descriptors and the names are; its calls are parlib's, by Linux' numbers."""
        self.services = services
        self.memory = memory_
        self.process = process
        self.events = events
        self.vcores = vcores
        self.pid = process.pid
        self.kthreads = Kthreads(services, boundary.complete)
        self.binds: dict[tuple[Directory, bytes], Node] = {}
        """What nbind and nmount have put where."""
        self.taps = taps.Taps(process.files, events)
        self.current_vcore: Callable[[], int] = lambda: 0
        self._handlers: dict[int, tuple[Handler, int]] = {
            number: (handler, handler.__code__.co_argcount - 1)
            for module in (children, files, memory, mounts, paths, processes, taps, wstat)
            for number, handler in module.HANDLERS.items()
        }

    def syscall(self, call: Syscall) -> Result:
        """Serve a call; one that has to wait goes on by itself. Nothing a guest does raises."""
        known = self._handlers.get(call.number)
        if known is None:
            self.services.note_unknown_call(call_name(call.number))
            return _REFUSED
        handler, arity = known
        try:
            answer = handler(self, *call.arguments[:arity])
        except GuestFault:
            return _FAULT
        except GuestRefusal as refusal:
            return Result(errno=refusal.errno, errstr=refusal.errstr)
        except OSError as error:
            return Result(errno=error.errno or Errno.EIO)
        if type(answer) is int:
            return _SMALL[answer] if answer < 4096 else Result(answer)
        if not isinstance(answer, Pending):
            assert isinstance(answer, Result)
            return answer
        self.kthreads.start(call, answer)
        return STARTED
