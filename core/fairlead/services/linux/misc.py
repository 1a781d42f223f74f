"""Who and where am I: uname(2), getrandom(2), prctl(2), limits, user ids, and refusals that are answers."""

from __future__ import annotations

from errno import EAFNOSUPPORT, EINVAL, ENOSYS, EPERM, ESRCH
from struct import Struct
from typing import TYPE_CHECKING

from fairlead.errors import GuestFault, GuestRefusal
from fairlead.services.linux.handler import Handlers
from fairlead.services.linux.limits import RLIMIT_NOFILE, set_limit
from fairlead.services.linux.structures import NANOSECONDS, i32, timeval, u32
from fairlead.syscall import Result

if TYPE_CHECKING:
    from fairlead.services.linux.process import Process

__all__ = ["HANDLERS"]

_MACHINES = {"riscv64": b"riscv64", "x86_64": b"x86_64"}
_FIELD = 65  # __NEW_UTS_LEN + 1
_RELEASE = b"6.6.0-fairlead"
_VERSION = b"#1 SMP"

_RLIMIT = Struct("<QQ")
_SYSINFO = Struct("<q3Q 6Q HH4x QQ I4x")
"""uptime, loads; ram total, free, shared, buffer, swap total, free; procs, pad; high total, free; unit."""
_RUSAGE_TAIL = Struct("<14q")
_RUSAGE_SELF, _RUSAGE_CHILDREN, _RUSAGE_THREAD = 0, -1, 1

_GRND_NONBLOCK, _GRND_RANDOM, _GRND_INSECURE = 1, 2, 4
_MOST_RANDOM = (1 << 25) - 1  # random(4): what one call gives at most
_CHUNK = 1 << 16


def uname(process: Process, address: int) -> int:
    fields = (b"Linux", b"fairlead", _RELEASE, _VERSION, _MACHINES[process.arch], b"(none)")
    process.memory.write(address, b"".join(field.ljust(_FIELD, b"\0") for field in fields))
    return 0


def getrandom(process: Process, address: int, size: int, flags: int) -> int:
    """Seeded bytes, in chunks: what was written before a bad page counts."""
    flags = u32(flags)
    if flags & ~7 or flags & (_GRND_RANDOM | _GRND_INSECURE) == _GRND_RANDOM | _GRND_INSECURE:
        raise GuestRefusal(EINVAL)
    size = min(size, _MOST_RANDOM)
    done = 0
    while done < size:
        count = min(_CHUNK, size - done)
        try:
            views = process.memory.buffers(address + done, count, write=True)
        except GuestFault:
            if not done:
                raise
            break
        for view in views:
            view[:] = process.random.bytes(len(view))
        done += count
        if process.services.stop_requested():
            break
    return done


def prlimit64(process: Process, pid: int, resource: int, new: int, old: int) -> int:
    if process.number(pid) not in (0, process.pid):
        raise GuestRefusal(ESRCH)
    resource = u32(resource)
    if resource not in process.limits:
        raise GuestRefusal(EINVAL)
    before = process.limits[resource]
    wanted = process.memory.unpack(_RLIMIT, new) if new else None
    if wanted is not None:
        set_limit(process.limits, resource, *wanted)
        if resource == RLIMIT_NOFILE:
            process.files.table.limit, process.files.table.hard = wanted
    if old:
        process.memory.write(old, _RLIMIT.pack(*before))
    return 0


def getrlimit(process: Process, resource: int, address: int) -> int:
    if not address:
        process.memory.write(address, bytes(16))
    return prlimit64(process, 0, resource, 0, address)


def setrlimit(process: Process, resource: int, address: int) -> int:
    if not address:
        process.memory.read(address, 16)
    return prlimit64(process, 0, resource, address, 0)


def getrusage(process: Process, who: int, address: int) -> int:
    """Processor time is the time since the start: nobody else runs on the machine."""
    who = i32(who)
    if who not in (_RUSAGE_SELF, _RUSAGE_CHILDREN, _RUSAGE_THREAD):
        raise GuestRefusal(EINVAL)
    spent, resident = 0, 0
    if who != _RUSAGE_CHILDREN:
        spent = process.services.nanotime()
        resident = (process.services.machine.ram.size - process.memory.frames.free) >> 10
    usage = timeval(spent) + timeval(0) + _RUSAGE_TAIL.pack(resident, *(13 * (0,)))
    process.memory.write(address, usage)
    return 0


def sysinfo(process: Process, address: int) -> int:
    total, free = process.services.machine.ram.size, process.memory.frames.free
    uptime = process.services.nanotime() // NANOSECONDS
    threads = len(process.services.threads())
    info = _SYSINFO.pack(uptime, 0, 0, 0, total, free, 0, 0, 0, 0, threads, 0, 0, 0, 1)
    process.memory.write(address, info)
    return 0


def personality(process: Process, persona: int) -> int:
    """PER_LINUX."""
    return 0


def not_here(process: Process) -> Result:
    """Calls that programs probe for and do without, as on a kernel built without them."""
    return Result(errno=ENOSYS)


def no_sockets(process: Process) -> Result:
    return Result(errno=EAFNOSUPPORT)


def not_permitted(process: Process) -> Result:
    return Result(errno=EPERM)


HANDLERS: Handlers = {
    "getrandom": getrandom,
    "getrlimit": getrlimit,
    "getrusage": getrusage,
    "io_uring_setup": not_here,
    "landlock_create_ruleset": not_here,
    "membarrier": not_here,
    "perf_event_open": not_here,
    "personality": personality,
    "pidfd_open": not_here,
    "pidfd_send_signal": not_here,
    "prlimit64": prlimit64,
    "ptrace": not_permitted,
    "rseq": not_here,
    "seccomp": not_here,
    "setrlimit": setrlimit,
    "socket": no_sockets,
    "socketpair": no_sockets,
    "sysinfo": sysinfo,
    "uname": uname,
    "unshare": not_permitted,
}
