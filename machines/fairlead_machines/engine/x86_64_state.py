"""Saved CPU states, and the exception record that Unicorn keeps in them but does not show.

A state is what uc_context_save copies: CPUX86State from its start (qemu/target/i386/cpu.h in Unicorn
2.1.4). It begins with regs[16], eip, eflags, cc_dst, cc_src, cc_src2, int cc_op, int df, int hflags; further
on stand in a row int error_code, int exception_is_int, exception_next_eip, dr[8], void *breakpoints[4] and
int old_exception. Marked registers show where that is: another layout is noticed when a machine is made, not
in a wrong error code.
"""

from __future__ import annotations

import ctypes
from struct import Struct
from typing import Any

from fairlead.errors import MachineError
from fairlead_machines.engine.native import Registers, Unicorn
from fairlead_machines.engine.x86_64_registers import CR3, DR0, IDS

__all__ = ["States"]

_MARKS = [0xFA17_0000_0000_1000 | n for n in range(4)]
_CR3_MARK = 0x000F_A17C_C3C3_3000
_RAX_MARK = 0xFA17_A0A0_A0A0_2000
_RAX_TO_HFLAGS = 8 * 21 + 2 * 4
_BEFORE_DR = 16
_DR_AND_BREAKPOINTS = 8 * 8 + 4 * 8
_NONE = -1
_CPL, _CS64, _SMAP = 3, 1 << 15, 1 << 23
_RECORD = Struct("<ii")
_INT = Struct("<i")
_WORD = Struct("<Q")


class States:
    """Makes, saves and restores states of one CPU."""

    __slots__ = (
        "_cr3",
        "_handle",
        "_hflags",
        "_old_exception",
        "_record",
        "_restore",
        "_save",
        "_scratch",
        "_template",
        "type",
    )

    def __init__(self, unicorn: Unicorn) -> None:
        """Needs a CPU that has just been reset, paging off."""
        self._handle = unicorn.handle
        self._save = unicorn.lib.uc_context_save
        self._restore = unicorn.lib.uc_context_restore
        size = unicorn.lib.uc_context_size(unicorn.handle)
        self.type: Any = ctypes.c_char * size
        allocated = ctypes.c_void_p()
        code = unicorn.lib.uc_context_alloc(unicorn.handle, ctypes.byref(allocated))
        unicorn.check(code, "uc_context_alloc")
        assert allocated.value is not None
        # A context is plain memory with its sizes in front: copies are as good as allocated ones.
        self._template = ctypes.string_at(allocated.value, size)
        unicorn.lib.uc_context_free(allocated)
        self._scratch = self.new()
        marked = Registers(unicorn, [*range(DR0, DR0 + 4), CR3, IDS["rax"]])
        before = marked.read()
        marked.write([*_MARKS, _CR3_MARK, _RAX_MARK])
        self.save(self._scratch)
        marked.write(before)
        raw = bytes(self._scratch)
        debug = raw.find(b"".join(mark.to_bytes(8, "little") for mark in _MARKS))
        self._cr3 = raw.find(_CR3_MARK.to_bytes(8, "little"))
        rax = raw.find(_RAX_MARK.to_bytes(8, "little"))
        self._hflags = rax + _RAX_TO_HFLAGS
        self._record = debug - _BEFORE_DR
        self._old_exception = debug + _DR_AND_BREAKPOINTS
        if not 0 < rax < self._cr3 < debug < size - _DR_AND_BREAKPOINTS - 4 or (
            _INT.unpack_from(raw, self._old_exception)[0] != _NONE
            or _INT.unpack_from(raw, self._hflags)[0] & (_CS64 | _CPL) != _CS64
        ):
            raise MachineError("Unicorn's CPU state is laid out unexpectedly: error codes would be lost")

    def new(self) -> Any:
        """A state of its own, equal to the template."""
        return self.type.from_buffer_copy(self._template)

    def set_template(self) -> None:
        """Make the CPU's state, which must be ring 3's, the one that `new` copies.

        It gets SMAP, although the CPU model has none. With it a far return's read of its frame, which Unicorn
        makes as the supervisor, faults; else iret could take the guest to virtual-8086 mode.
        """
        state = self._scratch
        self.save(state)
        _INT.pack_into(state, self._hflags, _INT.unpack_from(state, self._hflags)[0] | _SMAP)
        self._template = bytes(state)
        self._restore(self._handle, state)

    def save(self, state: Any) -> None:
        self._save(self._handle, state)

    def restore(self, state: Any, cr3: int) -> None:
        """Put a state back under the page tables at `cr3`, which are not part of it."""
        _WORD.pack_into(state, self._cr3, cr3)
        self._restore(self._handle, state)

    def exception(self) -> tuple[int, bool]:
        """The pending exception's (error code, is it a software interrupt), and forget that it happened.

        Unicorn never clears old_exception, as its handlers are outside the guest: the next fault would be a
        double fault.
        """
        state = self._scratch
        self._save(self._handle, state)
        error, is_int = _RECORD.unpack_from(state, self._record)
        if _INT.unpack_from(state, self._old_exception)[0] != _NONE:
            _INT.pack_into(state, self._old_exception, _NONE)
            self._restore(self._handle, state)
        return error, is_int != 0
