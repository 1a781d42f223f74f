"""Counting guest work: what the virtual clock ticks by and what ends a quantum, precisely.

Stopping from another thread or by `timeout=` can repeat an instruction's memory effect, so the stop must come
from the emulated stream itself. Two ways, with one shape: a cell with the units left until the stop, readable
and writable also while the engine stands in a callback.
"""

from __future__ import annotations

import ctypes
import mmap
import os
from collections.abc import Callable
from typing import Protocol

from fairlead.errors import MachineError
from fairlead_machines.engine.native import HOOK_BLOCK, Unicorn

__all__ = [
    "BlockCounter",
    "Cell",
    "Counter",
    "InstructionCounter",
    "counting_callback",
    "make_counter",
    "make_executable",
]


class Cell(Protocol):
    """Units left until the counter stops the engine."""

    value: int


class Counter(Protocol):
    """What slices a run and drives the virtual clock."""

    kind: str
    """"blocks" or "instructions"."""
    nanoseconds: int
    """Guest time one unit stands for."""
    spent: int
    """Units that the counter took although a stop by it kept them from running."""

    @property
    def cell(self) -> Cell:
        """The units left; also right while the engine stands in a callback."""

    def last_block_end(self) -> int | None:
        """Where the block that was started last ends, if the counter knows."""

    def count_argument(self) -> int:
        """The `count` to start the engine with so that it stops when `cell` has run out."""

    def close(self) -> None: ...


# void callback(uc_engine *uc, uint64_t address, uint32_t size, void *user_data)
_X86_64 = bytes.fromhex(
    "48897108"  # mov [rcx+8], rsi     (System V: user_data is the fourth argument)
    "895110"  # mov [rcx+16], edx
    "48ff09"  # dec qword [rcx]
    "7801"  # js +1
    "c3"  # ret
    "48b8"  # mov rax, uc_emu_stop
)
_X86_64_END = bytes.fromhex("ffe0")  # jmp rax          (uc is still the first argument)

_AARCH64 = b"".join(
    word.to_bytes(4, "little")
    for word in (
        0xF9000461,  # str x1, [x3, #8]
        0xB9001062,  # str w2, [x3, #16]
        0xF9400064,  # ldr x4, [x3]
        0xF1000484,  # subs x4, x4, #1
        0xF9000064,  # str x4, [x3]
        0x54000044,  # b.mi +8
        0xD65F03C0,  # ret
        0x58000045,  # ldr x5, +8
        0xD61F00A0,  # br x5
    )
)


def counting_callback(stop: int) -> bytes | None:
    """Machine code that notes a block, counts it down and stops below zero; None if the host has none.

    As a CODE hook it does the same for instructions. Its user_data is three 64-bit words: the units left, and
    address and size of the last.
    """
    address = stop.to_bytes(8, "little")
    host = os.uname()  # not the module platform, which compiles a dozen regular expressions
    if host.machine in ("x86_64", "amd64"):
        return _X86_64 + address + _X86_64_END
    if host.machine == "aarch64" and host.sysname == "Linux":
        return _AARCH64 + address
    return None  # on macOS an executable page needs MAP_JIT


def make_executable(code: bytes) -> tuple[mmap.mmap, ctypes.c_char]:
    """Machine code in a page of its own, and its first byte, which has its address.

    The page is executable only once it is written: that is when Linux brings aarch64's instruction cache up
    to date, and hosts that forbid pages both writable and executable allow it.
    """
    memory = mmap.mmap(-1, mmap.PAGESIZE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    memory[: len(code)] = code
    first = ctypes.c_char.from_buffer(memory)
    address, size = ctypes.c_void_p(ctypes.addressof(first)), ctypes.c_size_t(mmap.PAGESIZE)
    if ctypes.CDLL(None).mprotect(address, size, mmap.PROT_READ | mmap.PROT_EXEC):
        raise MachineError("the host refuses an executable page", hint="use the instruction counter")
    return memory, first


class BlockCounter:
    """Translated blocks, counted by a few bytes of native code hooked on each block.

    A block is counted as it starts. The hook that takes the counter below zero stops the engine before its
    block runs, so after such a stop one unit has to be given back.
    """

    kind = "blocks"
    nanoseconds = 4
    spent = 1

    def __init__(self, unicorn: Unicorn) -> None:
        stop = ctypes.cast(unicorn.lib.uc_emu_stop, ctypes.c_void_p).value
        assert stop is not None
        code = counting_callback(stop)
        if code is None:
            raise MachineError(
                f"no native block counter for {os.uname().machine} hosts", hint="use the instruction counter"
            )
        self._memory, first = make_executable(code)
        self._exported: ctypes.c_char | None = first
        self._record = (ctypes.c_int64 * 3)()
        self.cell = ctypes.c_int64.from_buffer(self._record)
        unicorn.add_hook(HOOK_BLOCK, ctypes.addressof(first), ctypes.addressof(self._record))

    def last_block_end(self) -> int | None:
        return self._record[1] + self._record[2] & (1 << 64) - 1

    def count_argument(self) -> int:
        return 0

    def close(self) -> None:
        self._exported = None
        self._memory.close()


class _CountCell:
    """The units left as Unicorn keeps them for `count=`: emu_count - emu_counter, in its own structure."""

    __slots__ = ("_counted", "_limit")

    def __init__(self, address: int) -> None:
        self._counted = ctypes.c_uint64.from_address(address)
        self._limit = ctypes.c_uint64.from_address(address + 8)

    @property
    def value(self) -> int:
        return self._limit.value - self._counted.value

    @value.setter
    def value(self, remaining: int) -> None:
        self._counted.value = _MIDDLE
        self._limit.value = _MIDDLE + remaining


class InstructionCounter:
    """Guest instructions, counted by Unicorn's own `count=`: any host, at 2 to 15 times the run time.

    Where the count is kept is found once by a run whose count is known, so that time can also be read in
    the middle of a run.
    """

    kind = "instructions"
    nanoseconds = 1
    spent = 1

    _SPAN = 4096
    """Bytes of uc_struct to search: it holds the register file and is larger than this."""

    def __init__(self, unicorn: Unicorn, probe: Callable[[int], None]) -> None:
        """`probe(count)` must run that many instructions with `count=` and then stop."""
        probe(_PROBE)
        start = unicorn.handle.value
        assert start is not None
        found = ctypes.string_at(start, self._SPAN).find(
            (_PROBE + 1).to_bytes(8, "little") + _PROBE.to_bytes(8, "little")
        )
        if found < 0:
            raise MachineError("Unicorn's instruction count was not found", hint="use the block counter")
        self.cell = _CountCell(start + found)

    def last_block_end(self) -> int | None:
        return None

    def count_argument(self) -> int:
        return max(1, self.cell.value)

    def close(self) -> None:
        """Nothing of its own."""


_MIDDLE = 1 << 62
"""A count far from both ends: below zero units are left of a deadline that is past, by decades maybe."""
_PROBE = 0x5EED
"""An instruction count that stands out in a structure full of pointers and small numbers."""


def make_counter(kind: str, unicorn: Unicorn, probe: Callable[[int], None]) -> Counter:
    """The counter asked for: "blocks", "instructions", or "auto" for blocks where the host can."""
    if kind in ("auto", "blocks"):
        try:
            return BlockCounter(unicorn)
        except MachineError:
            if kind == "blocks":
                raise
    if kind in ("auto", "instructions"):
        return InstructionCounter(unicorn, probe)
    raise MachineError(f"no counter of kind {kind!r}", hint='there are "auto", "blocks" and "instructions"')
