"""Instructions that Unicorn hands to hooks: syscall, cpuid, time-stamp reads, port I/O, invalid ones."""

from __future__ import annotations

from collections.abc import Callable

from fairlead_machines.engine.clock import EngineClock
from fairlead_machines.engine.native import (
    HOOK_INSN,
    HOOK_INSN_INVALID,
    INSN_HOOK,
    INVALID_HOOK,
    PORT_IN_HOOK,
    PORT_OUT_HOOK,
    Registers,
    Unicorn,
)
from fairlead_machines.engine.x86_64_cpuid import TSC_HZ, cpuid
from fairlead_machines.engine.x86_64_registers import IDS, RFLAGS, RIP, user_flags

__all__ = ["TIME_COST", "Instructions"]

TIME_COST = 20
"""Guest nanoseconds that a read of the time-stamp counter takes."""

# unicorn/x86.h
_CPUID, _IN, _OUT, _RDTSC, _RDTSCP, _SYSCALL, _SYSENTER = 113, 218, 500, 608, 609, 699, 700
_LENGTH = 2
"""Bytes of syscall and sysenter."""
_NANOSECONDS = 1_000_000_000
_LOW = (1 << 32) - 1
_DONE = 1
_MASK = (1 << 64) - 1


class Instructions:
    """Hooks on single instructions."""

    def __init__(
        self,
        unicorn: Unicorn,
        clock: EngineClock,
        carry: Callable[[BaseException], None],
        call: Callable[[int], None],
        illegal: Callable[[int], None],
        port: Callable[[], None],
    ) -> None:
        """Whom to tell of a syscall instruction, rip past it; of an invalid one and of port I/O, at it."""
        self.time_source: Callable[[], int] | None = None
        self._now = clock.now
        self._charge = clock.charge
        self._carry = carry
        self._call = call
        self._illegal = illegal
        self._port = port
        self._before_call = Registers(unicorn, [RIP, RFLAGS]).read
        self._enter_call = Registers(unicorn, [RIP, IDS["rcx"], IDS["r11"]]).write
        self._read_pc = Registers(unicorn, [RIP]).read
        self._write_pc = Registers(unicorn, [RIP]).write
        self._leaf = Registers(unicorn, [IDS["rax"]]).read
        answer = [IDS[name] for name in ("rax", "rbx", "rcx", "rdx")]
        self._answer = Registers(unicorn, answer).write
        self._time = Registers(unicorn, [IDS["rax"], IDS["rdx"]]).write
        self._time_and_id = Registers(unicorn, [IDS["rax"], IDS["rdx"], IDS["rcx"]]).write
        for number, callback in (
            (_SYSCALL, INSN_HOOK(self._on_syscall)),
            (_SYSENTER, INSN_HOOK(self._on_sysenter)),
            (_CPUID, INSN_HOOK(self._on_cpuid)),
            (_RDTSC, INSN_HOOK(self._on_rdtsc)),
            (_RDTSCP, INSN_HOOK(self._on_rdtscp)),
            (_IN, PORT_IN_HOOK(self._on_in)),
            (_OUT, PORT_OUT_HOOK(self._on_out)),
        ):
            unicorn.add_hook(HOOK_INSN, callback, instruction=number)
        unicorn.add_hook(HOOK_INSN_INVALID, INVALID_HOOK(self._on_invalid))

    def _on_syscall(self, _unicorn: int, _data: int) -> int:
        """Unicorn adds the instruction's length to rip afterwards, and touches neither rcx nor r11."""
        try:
            pc, flags = self._before_call()
            self._enter_call((pc + _LENGTH, pc + _LENGTH, user_flags(flags)))
            self._call(pc)
        except BaseException as error:
            self._carry(error)
        self._write_pc((self._read_pc()[0] - _LENGTH & _MASK,))
        return _DONE

    def _on_sysenter(self, _unicorn: int, _data: int) -> int:
        """As invalid as on AMD's processors in long mode; Unicorn adds its length to rip afterwards."""
        self._on_invalid(_unicorn, _data)
        self._write_pc((self._read_pc()[0] - _LENGTH & _MASK,))
        return _DONE

    def _on_invalid(self, _unicorn: int, _data: int) -> bool:
        try:
            self._illegal(self._read_pc()[0])
        except BaseException as error:
            self._carry(error)
        return True

    def _on_cpuid(self, _unicorn: int, _data: int) -> int:
        try:
            self._answer(cpuid(self._leaf()[0] & _LOW))
        except BaseException as error:
            self._carry(error)
        return _DONE

    def _on_rdtsc(self, _unicorn: int, _data: int) -> int:
        try:
            ticks = self._ticks()
            self._time((ticks & _LOW, ticks >> 32))
        except BaseException as error:
            self._carry(error)
        return _DONE

    def _on_rdtscp(self, _unicorn: int, _data: int) -> int:
        try:
            ticks = self._ticks()
            self._time_and_id((ticks & _LOW, ticks >> 32, 0))
        except BaseException as error:
            self._carry(error)
        return _DONE

    def _ticks(self) -> int:
        self._charge(TIME_COST)
        source = self.time_source
        time = self._now() if source is None else source()
        return time * TSC_HZ // _NANOSECONDS & _MASK

    def _on_in(self, _unicorn: int, _port: int, _size: int, _data: int) -> int:
        try:
            self._port()
        except BaseException as error:
            self._carry(error)
        return 0

    def _on_out(self, _unicorn: int, _port: int, _size: int, _value: int, _data: int) -> None:
        try:
            self._port()
        except BaseException as error:
            self._carry(error)
