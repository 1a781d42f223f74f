"""Reads of cycle and instret, which Unicorn answers with the host's time-stamp counter.

They cannot be made to trap, so each one that stands in executable memory gets a hook on its address, which
answers with guest time (1 GHz for both) and skips it. They are looked for before code is first run, in what
was mapped executable or written there from outside; code that the guest itself writes is not watched, nor
are mappings larger than _LARGEST. Go's compiler emits none; only hand-written assembly has them.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable

from fairlead_machines.engine.clock import EngineClock
from fairlead_machines.engine.native import CODE_HOOK, HOOK_CODE, Unicorn
from fairlead_machines.engine.riscv64_decode import csr_access
from fairlead_machines.engine.riscv64_memory import GuestView
from fairlead_machines.engine.riscv64_registers import PC, X

__all__ = ["COUNTER_COST", "CounterReads"]

COUNTER_COST = 20
"""Guest nanoseconds that a read of cycle or instret takes."""

_CYCLE, _INSTRET = 0xC00, 0xC02
_HIGHEST_BYTE = b"\xc0"
_CSRRS_X0, _CSRRS_X0_MASK = 0x2073, 0xFF07F
_LARGEST = 64 << 20
_PART = 1 << 20
_MOST_MAPPINGS = 1024


class CounterReads:
    """Finds and serves them."""

    def __init__(
        self, unicorn: Unicorn, clock: EngineClock, view: GuestView, carry: Callable[[BaseException], None]
    ) -> None:
        self._unicorn = unicorn
        self._now = clock.now
        self._charge = clock.charge
        self._view = view
        self._carry = carry
        self._write = unicorn.lib.uc_reg_write
        self._cell = ctypes.c_uint64()
        self._hook = CODE_HOOK(self._on_read)
        self._mapped: dict[tuple[int, int, int], None] = {}
        self.unseen: dict[tuple[int, int, int], None] = {}
        """(virtual, index in RAM, size) of executable memory to look through before the next run."""
        self.sites: set[int] = set()

    def mapped(self, virtual: int, start: int, size: int) -> None:
        """Memory at ram[start] may be executed at `virtual`."""
        if size > _LARGEST:
            return
        mapping = virtual, start, size
        self.unseen[mapping] = self._mapped[mapping] = None
        if len(self._mapped) > _MOST_MAPPINGS:
            del self._mapped[next(iter(self._mapped))]

    def written(self, start: int, size: int) -> None:
        """Memory at ram[start] was changed from outside."""
        for mapping in self._mapped:
            if mapping[1] < start + size and start < mapping[1] + mapping[2]:
                self.unseen[mapping] = None

    def look(self) -> None:
        """Watch the reads in what is unseen."""
        before = len(self.sites)
        for virtual, start, size in self.unseen:
            for offset in range(0, size, _PART):
                # A read may lie across two parts.
                self._look_at(virtual + offset, start + offset, min(_PART + 2, size - offset))
        self.unseen.clear()
        if len(self.sites) > before:
            # The hook skips its instruction, which is an exit inside a block.
            self._unicorn.set_exits_inside_blocks(True)
            self._unicorn.flush_blocks()

    def _look_at(self, virtual: int, start: int, size: int) -> None:
        code = bytes(self._view.ram[start : start + size])
        at = code.find(_HIGHEST_BYTE)
        while at >= 0:
            # One byte in hundreds gets here, and of those one in hundreds is a read's last.
            if at & 1 and at >= 3 and self._is_read(int.from_bytes(code[at - 3 : at + 1], "little")):
                self._watch(virtual + at - 3)
            at = code.find(_HIGHEST_BYTE, at + 1)

    @staticmethod
    def _is_read(word: int) -> bool:
        """`csrrs rd, cycle or instret, x0`"""
        return word & _CSRRS_X0_MASK == _CSRRS_X0 and word >> 20 in (_CYCLE, _INSTRET)

    def _watch(self, site: int) -> None:
        if site not in self.sites:
            self.sites.add(site)
            self._unicorn.add_hook(HOOK_CODE, self._hook, begin=site, end=site)

    def _on_read(self, _unicorn: int, pc: int, _size: int, _data: int) -> None:
        """Unicorn's CODE hook, before the instruction."""
        try:
            word = self._view.instruction(pc)
            found = csr_access(word)
            if found is None or not self._is_read(word):
                return  # other code stands there by now
            self._charge(COUNTER_COST)
            if found[2]:
                self._set(X + found[2], self._now())
            # Not in a batch: only a single write survives the exit from the middle of a block.
            self._set(PC, pc + 4)
        except BaseException as error:
            self._carry(error)

    def _set(self, register: int, value: int) -> None:
        self._cell.value = value
        self._write(self._unicorn.handle, ctypes.c_int(register), ctypes.byref(self._cell))
