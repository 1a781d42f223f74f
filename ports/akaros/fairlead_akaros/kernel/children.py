"""System calls about other processes (kern/src/syscall.c): there is one process, and no room for another."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from struct import Struct
from typing import TYPE_CHECKING, Any

from fairlead.errors import GuestFault, GuestRefusal
from fairlead.services.flags import O_RDONLY
from fairlead.services.linux.structures import i32, u32
from fairlead.services.resolve import EXEC
from fairlead.services.vfs import Directory
from fairlead.syscall import Result
from fairlead_akaros.abi import O_READ, UWLIM, Errno, Sys
from fairlead_akaros.kernel.convention import partial
from fairlead_akaros.kernel.errors import REFUSALS
from fairlead_akaros.kernel.paths import path_in
from fairlead_akaros.kernel.words import path_words
from fairlead_akaros.layouts import ARGENV, CHILDFDMAP

if TYPE_CHECKING:
    from fairlead_akaros.kernel.kernel import Kernel

__all__ = ["HANDLERS", "own"]

_ARG_MAX = 32 * 4096
_O_EXEC = 4
_ELF_MAGIC = b"\x7fELF"
_ELF_HEADER = 64
_MAP = Struct("<IIi")
assert _MAP.size == CHILDFDMAP.size
_MOST = 1 << 16


def own(kernel: Kernel, pid: int) -> None:
    """get_controllable_proc."""
    if i32(pid) != kernel.pid:
        raise REFUSALS["no process"](i32(pid))


def proc_create(
    kernel: Kernel, path_at: int, path_length: int, argenv: int, argenv_length: int, flags: int
) -> int:
    """Everything up to the new process is looked at as the kernel does; then there is no room for one."""
    path = path_in(kernel, path_at, path_length)
    _program(kernel, path)
    if not ARGENV.size <= argenv_length <= _ARG_MAX:
        raise REFUSALS["size of arguments"](argenv_length)
    try:
        block = kernel.memory.read(argenv, argenv_length)
    except GuestFault:
        raise REFUSALS["copy of arguments"]() from None
    if not _unpacks(block):
        raise REFUSALS["shape of arguments"]()
    raise REFUSALS["one process"]()


def _program(kernel: Kernel, path: bytes) -> None:
    """Refuse what is no program that may be run."""
    files = kernel.process.files
    try:
        node = files.names.find(files.cwd, path)
        if isinstance(node, Directory):
            raise REFUSALS["no permission"]("nanwan", 0, O_READ | _O_EXEC)
        files.names.access(node, EXEC)
        description = files.names.open(files.cwd, path, O_RDONLY, 0)
    except GuestRefusal as refusal:
        if refusal.errstr:
            raise
        worded = path_words(kernel, refusal.errno, path, {})
        if refusal.errno == Errno.EACCES and not worded.errstr:
            worded = REFUSALS["no permission"]("nanwan", 0, O_READ | _O_EXEC)
        raise worded from None
    try:
        header = description.pread(0, _ELF_HEADER)
    except GuestRefusal:
        header = b""
    finally:
        description.release()
    if len(header) < _ELF_HEADER or not header.startswith(_ELF_MAGIC):
        raise GuestRefusal(Errno.ENOEXEC)


def _unpacks(block: bytes) -> bool:
    """unpack_argenv: counts and offsets that stay inside."""
    counts = (int.from_bytes(block[at : at + 8], "little") for at in (0, 8))
    argc, envc = (i32(each) for each in counts)
    strings = ARGENV.size + 8 * (argc + envc)
    if not (0 <= argc <= _ARG_MAX and 0 <= envc <= _ARG_MAX and strings <= len(block)):
        return False
    offsets = (
        int.from_bytes(block[at:end], "little") for at, end in pairwise(range(ARGENV.size, strings + 1, 8))
    )
    return all(strings + offset <= len(block) for offset in offsets)


def proc_run(kernel: Kernel, pid: int) -> int:
    own(kernel, pid)
    raise GuestRefusal(Errno.EINVAL)  # it runs already


def fork(kernel: Kernel) -> int:
    """Only processes of a single core fork."""
    raise GuestRefusal(Errno.EINVAL)


def exec_(kernel: Kernel) -> int:
    """A process with several vcores cannot become another."""
    raise REFUSALS["many-core process"]()


def waitpid(kernel: Kernel, pid: int, status: int, options: int) -> int:
    """There are no children."""
    raise GuestRefusal(Errno.ECHILD)


def dup_fds_to(kernel: Kernel, pid: int, entries: int, count: int) -> int | Result:
    """How many descriptors got a second number, of this process: each entry says whether it did."""
    count = u32(count)
    if entries + CHILDFDMAP.size * count > UWLIM:
        raise REFUSALS["buffer"](entries, CHILDFDMAP.size * count)
    own(kernel, pid)
    table, done, refused = kernel.process.files.table, 0, GuestRefusal(0)
    for at in range(entries, entries + CHILDFDMAP.size * min(count, _MOST), CHILDFDMAP.size):
        parent, child, _ = kernel.memory.unpack(_MAP, at)
        ok = -1
        try:
            table.get(parent)
            if child in table or child >= table.limit:
                raise REFUSALS["descriptor in use"](i32(child))
            table.replace(parent, child)
            ok, done = 0, done + 1
        except GuestRefusal as refusal:
            refused = refusal if refusal.errstr else REFUSALS["no descriptor"]()
        kernel.memory.write(at, _MAP.pack(parent, child, ok))
    return partial(done, refused.errno, refused.errstr) if refused.errno else done


HANDLERS: dict[int, Callable[..., Any]] = {
    Sys.proc_create: proc_create,
    Sys.proc_run: proc_run,
    Sys.fork: fork,
    Sys.exec: exec_,
    Sys.waitpid: waitpid,
    Sys.dup_fds_to: dup_fds_to,
}
