"""What is told of a guest that crashed: its Go stack, its registers, and what it did last.

A guest that crashed may have overwritten anything, and may lie: all that is read of it is bounded, and what
cannot be read is left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from fairlead.errors import GuestFault
from fairlead.guest.lines import Line, Lines, read_lines
from fairlead.guest.unwind import Call, Goroutine, Unwinder
from fairlead.services.linux.numbers import name_of
from fairlead.syscall import Result, Syscall
from fairlead.system import System
from fairlead.thread import Thread

__all__ = ["callers", "crash_report"]

_MOST_FRAMES = 40
_MOST_CALLERS = 5
_MOST_EVENTS = 12
_MOST_STEPS = 2_000_000
"""Entries of the program's tables that a report reads: a second or two of them."""
_LONGEST = 300
_MASK = (1 << 64) - 1
_ADDRESSES = 1 << 47
"""Addresses below are the program's; RISC-V's Sv39 has fewer."""

_RISCV64 = (
    "ra sp gp tp t0 t1 t2 s0 s1 a0 a1 a2 a3 a4 a5 a6 a7 s2 s3 s4 s5 s6 s7 s8 s9 s10 s11 t3 t4 t5 t6"
)  # fmt: skip
_X86_64 = "rax rcx rdx rbx rsp rbp rsi rdi r8 r9 r10 r11 r12 r13 r14 r15"
_NAMES = {"riscv64": tuple(_RISCV64.split()), "x86_64": tuple(_X86_64.split())}
_SP = {"riscv64": "sp", "x86_64": "rsp"}


def crash_report(system: System) -> list[str]:
    """Lines about the thread whose registers the CPU holds; it never raises."""
    try:
        return [*_stack(system), *_registers(system), *_events(system)]
    except Exception as error:  # whatever a guest left behind, its end is reported
        return [f"  (no more can be told of it: {type(error).__name__})"]


def callers(system: System) -> str:
    """Who is at work in the guest, in half a sentence; "" if that cannot be told. It never raises."""
    try:
        lines, unwinder = _tables(system)
        found: list[Line] = []
        for call in _calls(system, unwinder):
            if lines is not None:
                found += lines.frames_at(call.pc)
            if len(found) >= _MOST_CALLERS:
                break
    except Exception:  # as above
        return ""
    if not found:
        return ""
    outer = ", ".join(each.function for each in found[1:_MOST_CALLERS])
    return _short(f"{found[0]}" + (f", called by {outer}" if outer else ""))


def _tables(system: System) -> tuple[Lines | None, Unwinder]:
    lines = read_lines(system.program.image)
    if lines is not None:
        lines.steps = _MOST_STEPS
    memory = system.os.memory

    def read(address: int) -> int:
        if not 0 <= address < _ADDRESSES:
            raise GuestFault(address)
        return memory.read_u64(address)

    return lines, Unwinder(lines, system.machine.cpu.arch, read)


def _goroutine(system: System, unwinder: Unwinder) -> Goroutine | None:
    """As the runtime keeps it: in x27, or in thread-local memory at fs_base - 8."""
    cpu = system.machine.cpu
    if cpu.arch == "riscv64":
        return unwinder.goroutine_at(cpu.get("s11"))
    try:
        return unwinder.goroutine_at(system.os.memory.read_u64(cpu.get("fs_base") - 8 & _MASK))
    except GuestFault:
        return None


def _calls(system: System, unwinder: Unwinder) -> Iterator[Call]:
    cpu = system.machine.cpu
    link = cpu.get("ra") if cpu.arch == "riscv64" else 0
    return unwinder.walk(cpu.pc, cpu.get(_SP[cpu.arch]), link, _goroutine(system, unwinder))


def _stack(system: System) -> Iterator[str]:
    lines, unwinder = _tables(system)
    goroutine = _goroutine(system, unwinder)
    yield f"{_named(system.current)}{_whose(goroutine)}"
    if lines is None:
        yield f"  pc {system.machine.cpu.pc:#x}: the program has no tables that are understood"
        return
    said = 0
    calls = [*_calls(system, unwinder)]
    for index, call in enumerate(calls):
        if call.switched and goroutine is not None:
            yield f"{_whose(unwinder.current_of(goroutine))}, which it works for:"
        frames = lines.frames_at(call.pc)
        if not frames and index == 0:
            yield f"  pc {call.pc:#x} is not in the program" + ("; called from" if len(calls) > 1 else "")
        elif not frames:
            yield f"  {call.pc + 1:#x}, which is not in the program"
        for frame in frames:
            yield f"  {_short(frame.function)}"
            yield f"      {_short(frame.file)}:{frame.line}" + (f" pc {call.pc:#x}" if index == 0 else "")
        said += max(1, len(frames))
        if said >= _MOST_FRAMES:
            yield "  …"
            return


def _whose(goroutine: Goroutine | None) -> str:
    if goroutine is None:
        return "no goroutine"
    return "on its system stack" if goroutine.is_g0 else f"goroutine {goroutine.id}"


def _registers(system: System) -> Iterator[str]:
    cpu = system.machine.cpu
    pairs = [*zip(_NAMES[cpu.arch], cpu.general(), strict=True), ("pc", cpu.pc)]
    yield "registers:"
    for at in range(0, len(pairs), 3):
        yield "  " + "  ".join(f"{name:>3} {value:#018x}" for name, value in pairs[at : at + 3])


def _events(system: System) -> Iterator[str]:
    events = [*system.recent][-_MOST_EVENTS:]
    if not events:
        return
    name = system.port.call_name or partial(name_of, system.machine.cpu.arch)
    yield "what the guest did last, the latest at the end:"
    for thread, what, answer in events:
        if isinstance(what, Syscall):
            arguments = ", ".join(f"{each:#x}" for each in what.arguments[:6])
            yield _short(f"  {_named(thread)}{name(what.number)}({arguments}) = {_answer(answer)}")
        else:
            yield _short(f"  {_named(thread)}{what.kind.value} at pc {what.pc:#x}, address {what.address:#x}")


def _named(thread: Thread) -> str:
    return f"thread {thread.id if thread.id < 1 << 31 else hex(thread.id)}: "  # or it is an address


def _answer(answer: object) -> str:
    if not isinstance(answer, Result):
        return "?, waiting"
    if answer.errno:
        import errno

        return f"-1 {errno.errorcode.get(answer.errno, answer.errno)} {answer.errstr}".rstrip()
    return "?" if answer.resumed else f"{answer.value:#x}"


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "…"
