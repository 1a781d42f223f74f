"""Extended attributes (xattr(7)): no file has any, and none can be given one."""

from __future__ import annotations

from errno import ENODATA, ENOTSUP
from typing import TYPE_CHECKING

from fairlead.errors import GuestRefusal
from fairlead.services.flags import AT_FDCWD
from fairlead.services.linux.handler import Handlers
from fairlead.services.linux.paths import node_at
from fairlead.services.linux.structures import u32

if TYPE_CHECKING:
    from fairlead.services.linux.process import Process

__all__ = ["HANDLERS"]

_HERE = AT_FDCWD & 0xFFFF_FFFF


def setxattr(process: Process, path: int) -> int:
    node_at(process, _HERE, path, follow=True)
    raise GuestRefusal(ENOTSUP)


def lsetxattr(process: Process, path: int) -> int:
    node_at(process, _HERE, path, follow=False)
    raise GuestRefusal(ENOTSUP)


def fsetxattr(process: Process, fd: int) -> int:
    process.files.description(u32(fd))
    raise GuestRefusal(ENOTSUP)


def getxattr(process: Process, path: int) -> int:
    node_at(process, _HERE, path, follow=True)
    raise GuestRefusal(ENODATA)


def lgetxattr(process: Process, path: int) -> int:
    node_at(process, _HERE, path, follow=False)
    raise GuestRefusal(ENODATA)


def fgetxattr(process: Process, fd: int) -> int:
    process.files.description(u32(fd))
    raise GuestRefusal(ENODATA)


def listxattr(process: Process, path: int) -> int:
    node_at(process, _HERE, path, follow=True)
    return 0


def llistxattr(process: Process, path: int) -> int:
    node_at(process, _HERE, path, follow=False)
    return 0


def flistxattr(process: Process, fd: int) -> int:
    process.files.description(u32(fd))
    return 0


HANDLERS: Handlers = {
    each.__name__: each
    for each in (
        fgetxattr,
        flistxattr,
        fsetxattr,
        getxattr,
        lgetxattr,
        listxattr,
        llistxattr,
        lsetxattr,
        setxattr,
    )
} | {"removexattr": getxattr, "lremovexattr": lgetxattr, "fremovexattr": fgetxattr}
