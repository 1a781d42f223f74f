"""Errors a user can meet; each says what happened, where, and how to mend it."""

from __future__ import annotations

__all__ = [
    "DeadlockError",
    "FairleadError",
    "GuestFault",
    "GuestRefusal",
    "ImageError",
    "LimitError",
    "MachineError",
    "PortError",
    "TimeLimitError",
    "ToolError",
    "UsageError",
]


class FairleadError(Exception):
    """Base of every error reported as one `fairlead: …` line; `exit_code` is what the process ends with."""

    exit_code = 125

    def __init__(self, what: str, *, hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint

    def line(self) -> str:
        return f"fairlead: {self.what}" + (f"; {self.hint}" if self.hint else "")


class UsageError(FairleadError):
    """A wrong option or argument, found before a guest starts."""

    exit_code = 2


class ImageError(FairleadError):
    """A file that is not an image this port can run."""


class ToolError(FairleadError):
    """A tool (the Go toolchain, a peer) is missing or refused."""


class PortError(FairleadError):
    """A port broke the contract; names the port and the hook."""


class MachineError(FairleadError):
    """The emulated machine cannot go on (double fault, physical hole, engine fault)."""


class LimitError(FairleadError):
    """The guest ran past a resource limit."""

    exit_code = 123


class DeadlockError(FairleadError):
    """Every thread waits and nothing can wake one."""

    exit_code = 123


class TimeLimitError(FairleadError):
    """The guest ran past --max-time."""

    exit_code = 124


class GuestFault(Exception):
    """A guest address that cannot be read or written; system calls turn it into EFAULT."""

    def __init__(self, address: int, *, write: bool = False) -> None:
        super().__init__(f"{'write to' if write else 'read of'} guest address {address:#x}")
        self.address = address
        self.write = write


class GuestRefusal(Exception):
    """A request of the guest's that is refused with an error number (errno(3), Linux asm-generic values)."""

    def __init__(self, errno: int, errstr: str = "") -> None:
        super().__init__(f"errno {errno}" + (f": {errstr}" if errstr else ""))
        self.errno = errno
        self.errstr = errstr
