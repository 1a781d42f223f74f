"""Unicorn's C interface, called raw through ctypes.

The GIL is kept while the guest runs: callbacks are then cheaper, and a quantum is at most about 10 ms.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from struct import Struct
from typing import Any

from fairlead.errors import MachineError
from fairlead_machines.engine.library import library

__all__ = [
    "ARCH_RISCV",
    "ARCH_X86",
    "CODE_HOOK",
    "CTL_EXITS",
    "ERROR_NAMES",
    "ERR_EXCEPTION",
    "ERR_FETCH_PROT",
    "ERR_FETCH_UNMAPPED",
    "ERR_INSN_INVALID",
    "ERR_OK",
    "ERR_READ_UNMAPPED",
    "ERR_WRITE_UNMAPPED",
    "HOOK_BLOCK",
    "HOOK_CODE",
    "HOOK_INSN",
    "HOOK_INSN_INVALID",
    "HOOK_INTR",
    "HOOK_READ",
    "HOOK_WRITE",
    "INSN_HOOK",
    "INTR_HOOK",
    "INVALID_HOOK",
    "MEMORY_HOOK",
    "MMIO_READ",
    "MMIO_WRITE",
    "MODE_64",
    "MODE_RISCV64",
    "PORT_IN_HOOK",
    "PORT_OUT_HOOK",
    "Registers",
    "Unicorn",
]

# unicorn/unicorn.h
ARCH_X86 = 4
ARCH_RISCV = 8
MODE_64 = 1 << 3
MODE_RISCV64 = 1 << 3
ERR_OK = 0
ERR_READ_UNMAPPED = 6
ERR_WRITE_UNMAPPED = 7
ERR_FETCH_UNMAPPED = 8
ERR_INSN_INVALID = 10
ERR_FETCH_PROT = 14
ERR_EXCEPTION = 21
ERROR_NAMES = {
    1: "out of memory",
    2: "architecture not supported",
    6: "read of a physical hole",
    7: "write to a physical hole",
    8: "fetch from a physical hole",
    10: "invalid instruction",
    11: "bad memory map",
    14: "fetch from a device",
    15: "bad argument",
    20: "out of resources",
    21: "unhandled exception",
}
HOOK_INTR = 1 << 0
HOOK_INSN = 1 << 1
HOOK_CODE = 1 << 2
HOOK_BLOCK = 1 << 3
HOOK_READ = 1 << 10
HOOK_WRITE = 1 << 11
HOOK_INSN_INVALID = 1 << 14

_PROT_ALL = 7
_CTL_WRITE = 1 << 30
_CTL_USE_EXITS = 4 | 1 << 26 | _CTL_WRITE
CTL_EXITS = 6 | 2 << 26 | _CTL_WRITE
_CTL_CPU_MODEL = 7 | 1 << 26 | _CTL_WRITE
_CTL_TB_REMOVE_CACHE = 9 | 2 << 26 | _CTL_WRITE
_CTL_TB_FLUSH = 10 | _CTL_WRITE
_CTL_TLB_FLUSH = 11 | _CTL_WRITE

# PYFUNCTYPE: the callers hold the GIL (see the module's docstring).
INTR_HOOK = ctypes.PYFUNCTYPE(None, ctypes.c_void_p, ctypes.c_uint32, ctypes.c_void_p)
INVALID_HOOK = ctypes.PYFUNCTYPE(ctypes.c_bool, ctypes.c_void_p, ctypes.c_void_p)
INSN_HOOK = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
PORT_IN_HOOK = ctypes.PYFUNCTYPE(
    ctypes.c_uint32, ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int, ctypes.c_void_p
)
PORT_OUT_HOOK = ctypes.PYFUNCTYPE(
    None, ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int, ctypes.c_uint32, ctypes.c_void_p
)
CODE_HOOK = ctypes.PYFUNCTYPE(None, ctypes.c_void_p, ctypes.c_uint64, ctypes.c_uint32, ctypes.c_void_p)
MEMORY_HOOK = ctypes.PYFUNCTYPE(
    None,
    ctypes.c_void_p,
    ctypes.c_int,
    ctypes.c_uint64,
    ctypes.c_int,
    ctypes.c_int64,
    ctypes.c_void_p,
)
MMIO_READ = ctypes.PYFUNCTYPE(
    ctypes.c_uint64, ctypes.c_void_p, ctypes.c_uint64, ctypes.c_uint, ctypes.c_void_p
)
MMIO_WRITE = ctypes.PYFUNCTYPE(
    None, ctypes.c_void_p, ctypes.c_uint64, ctypes.c_uint, ctypes.c_uint64, ctypes.c_void_p
)


class Registers:
    """Registers moved between Unicorn and one array in a single call; `values` is that array."""

    __slots__ = ("_args", "_pointers", "_read", "_unpack", "_write", "ids", "values")

    def __init__(self, unicorn: Unicorn, ids: Sequence[int], values: Any = None) -> None:
        count = len(ids)
        self.ids = (ctypes.c_int * count)(*ids)
        self.values = (ctypes.c_uint64 * count)() if values is None else values
        base = ctypes.addressof(self.values)
        self._pointers = (ctypes.c_void_p * count)(*range(base, base + 8 * count, 8))
        # Ready-made ctypes objects and functions without argtypes: no conversion at each call.
        self._args = (unicorn.handle, self.ids, self._pointers, ctypes.c_int(count))
        self._read = unicorn.lib.uc_reg_read_batch
        self._write = unicorn.lib.uc_reg_write_batch
        self._unpack = Struct(f"{count}Q").unpack

    def read(self) -> tuple[int, ...]:
        self._read(*self._args)
        return self._unpack(self.values)

    def write(self, values: Sequence[int]) -> None:
        self.values[:] = values
        self._write(*self._args)

    def load(self) -> None:
        """Fetch into `values`."""
        self._read(*self._args)

    def store(self) -> None:
        """Set from `values`."""
        self._write(*self._args)


_SPAN = 0x1000
"""Bytes at the start of uc_struct that are looked at; it is about four times as large."""


def _find_no_exit_request(before: bytes, after: bytes) -> int | None:
    """The offset of uc_struct.no_exit_request, from two images of it around the first call.

    include/uc_priv.h has `uint64_t next_pc; bool hook_insert, first_tb, no_exit_request, init_done;` and then
    an aligned array; of these the first call sets init_done alone.
    """
    fresh = bytes(3) + b"\1" + bytes(4)
    found = [
        offset + 2
        for offset in range(8, len(before), 8)
        if after[offset : offset + 8] == fresh
        and before[offset : offset + 8] == after[offset - 8 : offset] == bytes(8)
    ]
    return found[0] if len(found) == 1 else None


class Unicorn:
    """One instance of the emulator."""

    def __init__(self, arch: int, mode: int, model: int | None = None) -> None:
        """`model` is one of the architecture's UC_CPU_… numbers; None for Unicorn's default."""
        self.lib = library()
        self.handle = ctypes.c_void_p()
        self.check(self.lib.uc_open(arch, mode, ctypes.byref(self.handle)), "uc_open")
        if model is not None:
            self.check(self.lib.uc_ctl(self.handle, _CTL_CPU_MODEL, ctypes.c_int(model)), "the CPU model")
        self._keep: list[object] = []
        # Any call makes the buffer for translated code. Made now, while the address space below the library
        # is free, it is near enough for direct calls: each block calls into the library.
        start = self.handle.value
        assert start is not None
        before = ctypes.string_at(start, _SPAN)
        self.lib.uc_context_size(self.handle)
        flag = _find_no_exit_request(before, ctypes.string_at(start, _SPAN))
        self._no_exit_request = ctypes.c_uint8.from_address(start + flag) if flag is not None else None
        self._exits_wanted, self._exits_kept = True, False
        # Without this, the `until` address is looked up in the page tables at each exit.
        self.check(self.lib.uc_ctl(self.handle, _CTL_USE_EXITS, 1), "uc_ctl")

    def set_exits_inside_blocks(self, wanted: bool) -> None:
        """Shall translated code look for a stop after each memory access?

        Unicorn does so, by a call around which every register is spilled: a quarter of the run time. Without,
        what stops in the middle of a block (a device, a CODE hook, a store to a physical hole) takes effect
        at its end. BLOCK and INTR hooks, page faults and loads are as precise as ever. No effect if the flag
        was not found.
        """
        self._exits_wanted = wanted
        wanted = wanted or self._exits_kept
        if self._no_exit_request is not None and self._no_exit_request.value == wanted:
            self._no_exit_request.value = not wanted
            self.flush_blocks()

    def keep_exits_inside_blocks(self, wanted: bool) -> None:
        """Have them until further notice, whatever is asked of `set_exits_inside_blocks` meanwhile."""
        self._exits_kept = wanted
        self.set_exits_inside_blocks(self._exits_wanted)

    def check(self, code: int, what: str) -> None:
        """MachineError unless a call returned UC_ERR_OK."""
        if code:
            raise MachineError(f"{what}: {ERROR_NAMES.get(code, f'error {code}')}")

    def map_ram(self, base: int, size: int, host: int) -> None:
        """Make host memory at address `host` the guest's physical memory at `base`."""
        code = self.lib.uc_mem_map_ptr(self.handle, base, size, _PROT_ALL, host)
        self.check(code, f"mapping {size >> 20} MiB of RAM")

    def map_mmio(
        self, base: int, size: int, read: Callable[[int, int], int], write: Callable[[int, int, int], None]
    ) -> None:
        """Serve physical accesses at `base` by read(offset, size) and write(offset, size, value)."""
        read_hook = MMIO_READ(lambda _uc, offset, width, _data: read(offset, width))
        write_hook = MMIO_WRITE(lambda _uc, offset, width, value, _data: write(offset, width, value))
        self._keep += (read_hook, write_hook)
        code = self.lib.uc_mmio_map(self.handle, base, size, read_hook, None, write_hook, None)
        self.check(code, f"mapping a device at {base:#x}")

    def add_hook(
        self,
        kind: int,
        callback: Any,
        data: int | None = None,
        begin: int = 1,
        end: int = 0,
        instruction: int | None = None,
    ) -> int:
        """Add a hook on begin…end, on all addresses if begin > end; its handle.

        `callback` is a ctypes callback or the address of machine code, `data` its user_data; `instruction` is
        for HOOK_INSN.
        """
        hook = ctypes.c_size_t()
        code = self.lib.uc_hook_add(
            self.handle,
            ctypes.byref(hook),
            ctypes.c_int(kind),
            callback if not isinstance(callback, int) else ctypes.c_void_p(callback),
            ctypes.c_void_p(data),
            ctypes.c_uint64(begin),
            ctypes.c_uint64(end),
            *(() if instruction is None else (ctypes.c_int(instruction),)),
        )
        self.check(code, "uc_hook_add")
        self._keep.append(callback)
        return hook.value

    def remove_hook(self, hook: int, callback: Any) -> None:
        """Remove a hook while no code runs; translated code calls it until `flush_blocks`."""
        self.check(self.lib.uc_hook_del(self.handle, hook), "uc_hook_del")
        self._keep.remove(callback)

    def flush_tlb(self) -> None:
        """Forget translated addresses."""
        self.lib.uc_ctl(self.handle, _CTL_TLB_FLUSH)

    def flush_blocks(self) -> None:
        """Forget all translated code."""
        self.lib.uc_ctl(self.handle, _CTL_TB_FLUSH)

    def remove_blocks(self, begin: int, end: int) -> None:
        """Forget code translated from one page's range, named by addresses as the CPU sees them now."""
        self.lib.uc_ctl(self.handle, _CTL_TB_REMOVE_CACHE, ctypes.c_uint64(begin), ctypes.c_uint64(end))

    def set_exits(self, addresses: Sequence[int]) -> None:
        """Make runs end before the instruction at any of these addresses, and no others."""
        array = (ctypes.c_uint64 * len(addresses))(*addresses)
        self.check(self.lib.uc_ctl(self.handle, CTL_EXITS, array, ctypes.c_size_t(len(addresses))), "uc_ctl")

    def close(self) -> None:
        if self.handle:
            self.lib.uc_close(self.handle)
            self.handle = ctypes.c_void_p()
            self._keep.clear()
