"""Calls that one architecture has: riscv_hwprobe(2), riscv_flush_icache(2), arch_prctl(2)."""

from __future__ import annotations

from errno import EINVAL, EPERM
from struct import Struct
from typing import TYPE_CHECKING

from fairlead.errors import GuestRefusal
from fairlead.services.linux.handler import Handlers
from fairlead.services.linux.structures import i32

if TYPE_CHECKING:
    from fairlead.services.linux.process import Process

__all__ = ["HANDLERS"]

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


HANDLERS: Handlers = {
    "arch_prctl": arch_prctl,
    "riscv_flush_icache": riscv_flush_icache,
    "riscv_hwprobe": riscv_hwprobe,
}
