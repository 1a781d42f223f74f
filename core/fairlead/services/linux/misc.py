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


def prctl(process: Process, option: int, argument: int) -> int:
    act = _PRCTL.get(i32(option))
    if act is None:
        raise GuestRefusal(EINVAL)
    return act(process, argument)


def _set_name(process: Process, address: int) -> int:
    name = process.memory.read(address, 1)
    while name[-1] and len(name) < 16:
        name += process.memory.read(address + len(name), 1)
    process.thread.name = name.rstrip(b"\0")[:15]
    return 0


def _get_name(process: Process, address: int) -> int:
    process.memory.write(address, process.thread.name.ljust(16, b"\0"))
    return 0


def _get_dumpable(process: Process, argument: int) -> int:
    return 1


_PRCTL = {3: _get_dumpable, 15: _set_name, 16: _get_name}
"""PR_GET_DUMPABLE, PR_SET_NAME, PR_GET_NAME."""


def prlimit64(process: Process, pid: int, resource: int, new: int, old: int) -> int:
    if i32(pid) not in (0, process.pid):
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
    if i32(pid) not in (0, process.pid):
        raise GuestRefusal(ESRCH)
    return process.pid


def getpgrp(process: Process) -> int:
    return process.pid


def setpgid(process: Process, pid: int, group: int) -> int:
    """Allowed where it changes nothing."""
    if i32(pid) not in (0, process.pid):
        raise GuestRefusal(ESRCH)
    if i32(group) not in (0, process.pid):
        raise GuestRefusal(EPERM)
    return 0


def setsid(process: Process) -> Result:
    """A group leader may not."""
    return Result(errno=EPERM)


def getpriority(process: Process, which: int, who: int) -> int:
    """20 minus a nice value of 0, as the kernel answers it."""
    if i32(which) not in (0, 1, 2):
        raise GuestRefusal(EINVAL)
    if i32(who) not in (0, process.pid):
        raise GuestRefusal(ESRCH)
    return 20


def setpriority(process: Process, which: int, who: int, value: int) -> int:
    getpriority(process, which, who)
    return 0


def personality(process: Process, persona: int) -> int:
    """PER_LINUX."""
    return 0


_HWPROBE_PAIR = Struct("<qQ")
_HWPROBE_BASE = {
    0: 0,  # MVENDORID
    1: 0,  # MARCHID
    2: 0,  # MIMPID
    3: 1,  # BASE_BEHAVIOR: IMA
    4: 3,  # IMA_EXT_0: F and D, C
    5: 3,  # CPUPERF_0: misaligned accesses are fast
}
_HWPROBE_PAIRS = 64


def riscv_hwprobe(
    process: Process, pairs: int, count: int, set_size: int, processors: int, flags: int
) -> int:
    """RV64GC: what the emulated hart is sure to have; other keys are unknown (key -1)."""
    if flags or (not processors) != (not set_size) or count > _HWPROBE_PAIRS:
        raise GuestRefusal(EINVAL)
    known = _HWPROBE_BASE | {7: process.memory.high - 1}  # HIGHEST_VIRT_ADDRESS
    out = b""
    for n in range(count):
        key, _ = process.memory.unpack(_HWPROBE_PAIR, pairs + 16 * n)
        value = known.get(key)
        out += _HWPROBE_PAIR.pack(-1, 0) if value is None else _HWPROBE_PAIR.pack(key, value)
    process.memory.write(pairs, out)
    return 0


def riscv_flush_icache(process: Process) -> int:
    """The machine sees the guest's own stores to code."""
    return 0


_ARCH_SET_GS, _ARCH_SET_FS, _ARCH_GET_FS, _ARCH_GET_GS = 0x1001, 0x1002, 0x1003, 0x1004
_BASES = {_ARCH_SET_GS: "gs_base", _ARCH_SET_FS: "fs_base"}
_READS = {_ARCH_GET_GS: "gs_base", _ARCH_GET_FS: "fs_base"}


def arch_prctl(process: Process, option: int, address: int) -> int:
    option = i32(option)
    if option in _BASES:
        if address >= process.memory.high:
            raise GuestRefusal(EPERM)
        process.cpu.set(_BASES[option], address)
    elif option in _READS:
        process.memory.write_u64(address, process.cpu.get(_READS[option]))
    else:
        raise GuestRefusal(EINVAL)
    return 0


def not_here(process: Process) -> Result:
    """Calls that programs probe for and do without, as on a kernel built without them."""
    return Result(errno=ENOSYS)


def no_sockets(process: Process) -> Result:
    return Result(errno=EAFNOSUPPORT)


def not_permitted(process: Process) -> Result:
    return Result(errno=EPERM)


HANDLERS: Handlers = {
    "arch_prctl": arch_prctl,
    "capget": not_here,
    "getegid": getgid,
    "geteuid": getuid,
    "getgid": getgid,
    "getgroups": getgroups,
    "getpgid": group_id,
    "getpgrp": getpgrp,
    "getpriority": getpriority,
    "getrandom": getrandom,
    "getresgid": getresgid,
    "getresuid": getresuid,
    "getrlimit": getrlimit,
    "getrusage": getrusage,
    "getsid": group_id,
    "getuid": getuid,
    "io_uring_setup": not_here,
    "landlock_create_ruleset": not_here,
    "membarrier": not_here,
    "perf_event_open": not_here,
    "personality": personality,
    "pidfd_open": not_here,
    "pidfd_send_signal": not_here,
    "prctl": prctl,
    "prlimit64": prlimit64,
    "ptrace": not_permitted,
    "riscv_flush_icache": riscv_flush_icache,
    "riscv_hwprobe": riscv_hwprobe,
    "rseq": not_here,
    "seccomp": not_here,
    "setgid": setgid,
    "setgroups": setgroups,
    "setpgid": setpgid,
    "setpriority": setpriority,
    "setregid": setregid,
    "setresgid": setresgid,
    "setresuid": setresuid,
    "setreuid": setreuid,
    "setrlimit": setrlimit,
    "setsid": setsid,
    "setuid": setuid,
    "socket": no_sockets,
    "socketpair": no_sockets,
    "sysinfo": sysinfo,
    "uname": uname,
    "unshare": not_permitted,
}
