"""The pages that the kernel shares with a process: procinfo, procdata and the global info page."""

from __future__ import annotations

from struct import pack

from fairlead.machine import PAGE_SIZE, Prot
from fairlead.services.addressspace import AddressSpace
from fairlead_akaros.abi import UDATA, UGINFO, UINFO
from fairlead_akaros.layouts import PCORE, PROC_GLOBAL_INFO, PROCDATA, PROCINFO, VCORE

__all__ = ["map_pages"]


def _whole(size: int) -> int:
    return -(-size // PAGE_SIZE) * PAGE_SIZE


def map_pages(
    memory: AddressSpace, *, pid: int, vcores: int, tsc_freq: int, now: int, walltime: int, program_end: int
) -> None:
    """Map and fill them; `now` is the time-stamp counter, `walltime` nanoseconds since 1970 at that time."""
    memory.mmap(UINFO, _whole(PROCINFO.size), Prot.READ, fixed=True)
    memory.mmap(UDATA, _whole(PROCDATA.size), Prot.READ | Prot.WRITE, fixed=True)
    memory.mmap(UGINFO, _whole(PROC_GLOBAL_INFO.size), Prot.READ, fixed=True)

    def procinfo(field: str, layout: str, *values: int, at: int = 0) -> None:
        memory.install(UINFO + PROCINFO[field] + at, pack(f"<{layout}", *values))

    procinfo("pid", "ii", pid, int(pid != 1))
    procinfo("max_vcores", "QQQ", vcores, tsc_freq, 0)
    procinfo("program_end", "QB", program_end, 1)
    procinfo("num_vcores", "I", vcores)
    for number in range(vcores):
        procinfo("vcoremap", "16xIB", number, 1, at=number * VCORE.size)
        procinfo("pcoremap", "IB", number, 1, at=number * PCORE.size)
    memory.install(UGINFO + PROC_GLOBAL_INFO["tsc_freq"], pack("<QQQ", tsc_freq, 0, tsc_freq))
    memory.install(UGINFO + PROC_GLOBAL_INFO["walltime_ns_last"], pack("<QQ", walltime, now))
