"""Threads and processes: clone(2), exit(2), futex(2), gettid(2), sched_*(2), and what there is none of."""

from __future__ import annotations

from errno import ECHILD, EINVAL, ENOSYS, EPERM, ESRCH
from typing import TYPE_CHECKING

from fairlead.errors import GuestRefusal
from fairlead.services.futex import MATCH_ANY
from fairlead.services.linux.handler import Handlers
from fairlead.services.linux.structures import i32, read_timespec, u32
from fairlead.syscall import Pending, Result
from fairlead.thread import NewThread

if TYPE_CHECKING:
    from fairlead.services.linux.process import Process

__all__ = ["HANDLERS"]

# uapi/linux/sched.h
CLONE_VM, CLONE_FS, CLONE_FILES, CLONE_SIGHAND = 0x100, 0x200, 0x400, 0x800
CLONE_THREAD, CLONE_SETTLS = 0x10000, 0x80000
CLONE_PARENT_SETTID, CLONE_CHILD_CLEARTID, CLONE_CHILD_SETTID = 0x10_0000, 0x20_0000, 0x100_0000
_SHARED = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD

_REGISTERS = {"riscv64": ("sp", "a0", "tp"), "x86_64": ("rsp", "rax", "fs_base")}


def clone(process: Process, flags: int, stack: int, parent_tid: int, fourth: int, fifth: int) -> Result:
    """A thread; what is not one would be a process, and there is only this one."""
    if flags & _SHARED != _SHARED:
        process.services.note_unknown_call("clone (a new process)")
        return Result(errno=ENOSYS)
    tls, child_tid = (fourth, fifth) if process.arch == "riscv64" else (fifth, fourth)
    stack_register, result, tls_register = _REGISTERS[process.arch]
    registers = {result: 0}
    if flags & CLONE_SETTLS:
        registers[tls_register] = tls
    cpu, services, memory = process.cpu, process.services, process.memory
    for asked, address in ((CLONE_PARENT_SETTID, parent_tid), (CLONE_CHILD_SETTID, child_tid)):
        if flags & asked:
            memory.buffers(address, 4, write=True)
    identifier = services.newosproc(
        NewThread(pc=cpu.pc, sp=stack or cpu.get(stack_register), registers=registers, inherit=True)
    )
    thread = services.find_thread(identifier)
    if thread is not None:
        process.thread_added(thread, services.current)
        if flags & CLONE_CHILD_CLEARTID:
            process.thread_data(thread).clear_child_tid = child_tid
    for asked, address in ((CLONE_PARENT_SETTID, parent_tid), (CLONE_CHILD_SETTID, child_tid)):
        if flags & asked:
            memory.write_u32(address, identifier)
    return Result(identifier)


def exit_thread(process: Process, status: int) -> int:
    """exit(2): this thread; the last one takes the process with it."""
    services = process.services
    thread = services.current
    process.thread_ended(thread)
    last = len(services.threads()) <= 1
    services.end_thread(thread)
    if last:
        services.exit(status & 0xFF)
    return 0


def exit_group(process: Process, status: int) -> int:
    process.services.exit(status & 0xFF)
    return 0


def gettid(process: Process) -> int:
    return process.services.current.id


def getpid(process: Process) -> int:
    return process.pid


def getppid(process: Process) -> int:
    """That of whoever is seen to have started the program: process 1, which itself has no parent."""
    return int(process.pid != 1)


def set_tid_address(process: Process, address: int) -> int:
    process.thread.clear_child_tid = address
    return process.services.current.id


def set_robust_list(process: Process, head: int, size: int) -> int:
    """Accepted: the list is for processes that share memory with others."""
    if size != 24:
        raise GuestRefusal(EINVAL)
    return 0


_FUTEX_PRIVATE_FLAG, _FUTEX_CLOCK_REALTIME = 128, 256
(_FUTEX_WAIT, _FUTEX_WAKE, _FUTEX_REQUEUE, _FUTEX_CMP_REQUEUE, _FUTEX_WAIT_BITSET, _FUTEX_WAKE_BITSET) = (
    0, 1, 3, 4, 9, 10,
)  # fmt: skip
_WAITS = frozenset({_FUTEX_WAIT, _FUTEX_WAIT_BITSET})


def futex(
    process: Process, address: int, operation: int, value: int, timeout: int, address2: int, value3: int
) -> int | Result | Pending:
    """futex(2), the operations for mutexes and condition variables; priority inheritance is ENOSYS."""
    command = operation & ~(_FUTEX_PRIVATE_FLAG | _FUTEX_CLOCK_REALTIME) & 0xFFFF_FFFF
    table = process.futexes
    if command == _FUTEX_WAKE:
        return table.wake(address, max(1, i32(value)))
    if command in _WAITS:
        deadline = None
        if timeout:
            time = read_timespec(process.memory, timeout)
            deadline = process.timers.after(time)
            if command == _FUTEX_WAIT_BITSET:
                deadline = process.timers.deadline(time, realtime=bool(operation & _FUTEX_CLOCK_REALTIME))
        bitset = u32(value3) if command == _FUTEX_WAIT_BITSET else MATCH_ANY
        return table.wait(address, u32(value), deadline, bitset, restart=deadline is None)
    if command == _FUTEX_WAKE_BITSET:
        return table.wake(address, max(1, i32(value)), u32(value3))
    if command in (_FUTEX_REQUEUE, _FUTEX_CMP_REQUEUE):
        if i32(value) < 0 or i32(timeout) < 0:
            raise GuestRefusal(EINVAL)
        expected = u32(value3) if command == _FUTEX_CMP_REQUEUE else None
        woken, moved = table.requeue(address, i32(value), address2, i32(timeout), expected)
        return woken if expected is None else woken + moved
    return Result(errno=ENOSYS)


def sched_yield(process: Process) -> int:
    process.services.reschedule()
    return 0


def _check_thread(process: Process, identifier: int) -> None:
    """0 is the caller, the process's own number its first thread."""
    if identifier and identifier != process.pid and process.services.find_thread(identifier) is None:
        raise GuestRefusal(ESRCH)


def sched_getaffinity(process: Process, thread: int, size: int, mask: int) -> int:
    """The processors as a bit mask, in whole longs; how many bytes that is."""
    _check_thread(process, thread)
    length = (process.processors + 63) // 64 * 8
    if u32(size) < length or size & 7:
        raise GuestRefusal(EINVAL)
    process.memory.write(mask, ((1 << process.processors) - 1).to_bytes(length, "little"))
    return length


def sched_setaffinity(process: Process, thread: int, size: int, mask: int) -> int:
    """Accepted if a processor remains."""
    _check_thread(process, thread)
    wanted = int.from_bytes(process.memory.read(mask, min(u32(size), 128)), "little")
    if not wanted & ((1 << process.processors) - 1):
        raise GuestRefusal(EINVAL)
    return 0


def sched_getscheduler(process: Process, thread: int) -> int:
    """SCHED_OTHER."""
    _check_thread(process, thread)
    return 0


def sched_getparam(process: Process, thread: int, parameter: int) -> int:
    _check_thread(process, thread)
    process.memory.write_u32(parameter, 0)
    return 0


def sched_setscheduler(process: Process, thread: int, policy: int, parameter: int) -> int:
    """SCHED_OTHER is all there is."""
    _check_thread(process, thread)
    if i32(policy):
        raise GuestRefusal(EPERM)
    if process.memory.read_u32(parameter):
        raise GuestRefusal(EINVAL)
    return 0


def sched_priority(process: Process, policy: int) -> int:
    """Lowest and highest priority of SCHED_OTHER, SCHED_BATCH and SCHED_IDLE."""
    if i32(policy) not in (0, 3, 5):
        raise GuestRefusal(EINVAL)
    return 0


def getcpu(process: Process, cpu: int, node: int) -> int:
    for address in (cpu, node):
        if address:
            process.memory.write_u32(address, 0)
    return 0


def wait4(process: Process) -> Result:
    """There are no children."""
    return Result(errno=ECHILD)


def no_process(process: Process) -> Result:
    """fork(2), execve(2): there is one process, and it stays what it is."""
    call = process.services.current.call
    process.services.note_unknown_call(process.name_of(call.number) if call is not None else "execve")
    return Result(errno=ENOSYS)


def clone3(process: Process) -> Result:
    """As a kernel before 5.3: callers fall back on clone."""
    return Result(errno=ENOSYS)


HANDLERS: Handlers = {
    "clone": clone,
    "clone3": clone3,
    "execve": no_process,
    "execveat": no_process,
    "exit": exit_thread,
    "exit_group": exit_group,
    "fork": no_process,
    "futex": futex,
    "getcpu": getcpu,
    "getpid": getpid,
    "getppid": getppid,
    "gettid": gettid,
    "sched_get_priority_max": sched_priority,
    "sched_get_priority_min": sched_priority,
    "sched_getaffinity": sched_getaffinity,
    "sched_getparam": sched_getparam,
    "sched_getscheduler": sched_getscheduler,
    "sched_setaffinity": sched_setaffinity,
    "sched_setscheduler": sched_setscheduler,
    "sched_yield": sched_yield,
    "set_robust_list": set_robust_list,
    "set_tid_address": set_tid_address,
    "vfork": no_process,
    "wait4": wait4,
    "waitid": wait4,
}
