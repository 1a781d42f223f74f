"""User, group and session identifiers, capabilities and priorities: an ordinary user, alone on the system."""

from __future__ import annotations

from errno import EINVAL, EPERM, ESRCH
from typing import TYPE_CHECKING

from fairlead.errors import GuestRefusal
from fairlead.services.linux.handler import Handlers
from fairlead.services.linux.structures import i32, u32
from fairlead.syscall import Result

if TYPE_CHECKING:
    from fairlead.services.linux.process import Process

__all__ = ["HANDLERS"]


def getuid(process: Process) -> int:
    return process.files.user.uid


def getgid(process: Process) -> int:
    return process.files.user.gid


def getresuid(process: Process, real: int, effective: int, saved: int) -> int:
    for address in (real, effective, saved):
        process.memory.write_u32(address, process.files.user.uid)
    return 0


def getresgid(process: Process, real: int, effective: int, saved: int) -> int:
    for address in (real, effective, saved):
        process.memory.write_u32(address, process.files.user.gid)
    return 0


def _set_ids(own: int, wanted: tuple[int, ...]) -> int:
    """An ordinary user may become only what it is; -1 changes nothing."""
    if any(u32(identifier) not in (own, 0xFFFF_FFFF) for identifier in wanted):
        raise GuestRefusal(EPERM)
    return 0


def setuid(process: Process, real: int) -> int:
    return _set_ids(process.files.user.uid, (real,))


def setgid(process: Process, real: int) -> int:
    return _set_ids(process.files.user.gid, (real,))


def setreuid(process: Process, real: int, effective: int) -> int:
    return _set_ids(process.files.user.uid, (real, effective))


def setregid(process: Process, real: int, effective: int) -> int:
    return _set_ids(process.files.user.gid, (real, effective))


def setresuid(process: Process, real: int, effective: int, saved: int) -> int:
    return _set_ids(process.files.user.uid, (real, effective, saved))


def setresgid(process: Process, real: int, effective: int, saved: int) -> int:
    return _set_ids(process.files.user.gid, (real, effective, saved))


def getgroups(process: Process, size: int, address: int) -> int:
    if i32(size) < 0:
        raise GuestRefusal(EINVAL)
    return 0


def setgroups(process: Process) -> Result:
    return Result(errno=EPERM)


def group_id(process: Process, pid: int) -> int:
    """getpgid(2), getsid(2): the process leads its own group and session."""
    if process.number(pid) not in (0, process.pid):
        raise GuestRefusal(ESRCH)
    return process.pid


def getpgrp(process: Process) -> int:
    return process.pid


def setpgid(process: Process, pid: int, group: int) -> int:
    """Allowed where it changes nothing."""
    if process.number(pid) not in (0, process.pid):
        raise GuestRefusal(ESRCH)
    if process.number(group) not in (0, process.pid):
        raise GuestRefusal(EPERM)
    return 0


def setsid(process: Process) -> Result:
    """A group leader may not."""
    return Result(errno=EPERM)


def getpriority(process: Process, which: int, who: int) -> int:
    """20 minus a nice value of 0, as the kernel answers it."""
    if i32(which) not in (0, 1, 2):
        raise GuestRefusal(EINVAL)
    if process.number(who) not in (0, process.pid):
        raise GuestRefusal(ESRCH)
    return 20


def setpriority(process: Process, which: int, who: int, value: int) -> int:
    getpriority(process, which, who)
    return 0


# uapi/linux/capability.h: version of the header, and words of data that go with it
_CAPABILITY_WORDS = {0x1998_0330: 3, 0x2007_1026: 6, 0x2008_0522: 6}
_CAPABILITY_VERSION = 0x2008_0522


def _capability_words(process: Process, header: int) -> int:
    words = _CAPABILITY_WORDS.get(process.memory.read_u32(header))
    if words is None:
        process.memory.write_u32(header, _CAPABILITY_VERSION)
        raise GuestRefusal(EINVAL)
    return words


def capget(process: Process, header: int, data: int) -> int:
    """No capabilities; without `data` the call asks for the header's version only."""
    try:
        words = _capability_words(process, header)
    except GuestRefusal:
        if data:
            raise
        return 0
    if data:
        process.memory.write(data, bytes(4 * words))
    return 0


def capset(process: Process, header: int, data: int) -> int:
    words = _capability_words(process, header)
    if any(process.memory.read(data, 4 * words)):
        raise GuestRefusal(EPERM)
    return 0


HANDLERS: Handlers = {
    "getegid": getgid,
    "geteuid": getuid,
    "getgid": getgid,
    "getgroups": getgroups,
    "getpgid": group_id,
    "getpgrp": getpgrp,
    "getpriority": getpriority,
    "getresgid": getresgid,
    "getresuid": getresuid,
    "getsid": group_id,
    "getuid": getuid,
    "setgid": setgid,
    "setgroups": setgroups,
    "setpgid": setpgid,
    "setpriority": setpriority,
    "setregid": setregid,
    "setresgid": setresgid,
    "setresuid": setresuid,
    "setreuid": setreuid,
    "setsid": setsid,
    "setuid": setuid,
    "capget": capget,
    "capset": capset,
}
