"""Signals: actions, masks, frames on the stack of a real CPU, alternate stacks and the way back."""

from __future__ import annotations

from errno import EFAULT, EINTR, EINVAL, ENOMEM, EPERM, ESRCH
from struct import pack, unpack
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fairlead.signal import Sig, Signal
from fairlead.syscall import Pending, Result, Syscall, Wake

HANDLER, STACK_TOP = 0x40_0000, 0x9000
SA_SIGINFO, SA_ONSTACK, SA_RESTART, SA_NODEFER, SA_RESETHAND = (
    4,
    0x0800_0000,
    0x1000_0000,
    0x4000_0000,
    1 << 31,
)
BLOCK, UNBLOCK, SETMASK = 0, 1, 2
SIGUSR1, SIGUSR2, SIGSEGV, SIGURG, SIGTERM = 10, 12, 11, 23, 15
FRAME = 1088


def bit(number: int) -> int:
    return 1 << (number - 1)


def action(desk: Any, number: int, handler: int = HANDLER, flags: int = SA_SIGINFO, mask: int = 0) -> None:
    desk.memory.write(desk.room, pack("<QQQ", handler, flags, mask))
    desk.value("rt_sigaction", number, desk.room, 0, 8)


def on_stack(desk: Any) -> int:
    """Registers with known values, sp in the room; the sp."""
    cpu = desk.cpu
    for n in range(1, 32):
        cpu.set(f"x{n}", 0x1111_0000 + n)
    for n in range(32):
        cpu.set(f"f{n}", 0x4000_0000_0000_0000 + n)
    cpu.set("fcsr", 0x21)
    sp = desk.room + STACK_TOP + 8
    cpu.set("sp", sp)
    cpu.pc = 0x12346
    return sp


def state(cpu: Any) -> list[int]:
    names = ["pc", *(f"x{n}" for n in range(1, 32)), *(f"f{n}" for n in range(32)), "fcsr"]
    return [cpu.get(name) for name in names]


def altstack(desk: Any, base: int, size: int, flags: int = 0) -> None:
    desk.memory.write(desk.room, pack("<QIIQ", base, flags, 0, size))
    desk.value("sigaltstack", desk.room, 0)


def mask(desk: Any, how: int, value: int) -> int:
    desk.memory.write(desk.room, pack("<Q", value))
    desk.value("rt_sigprocmask", how, desk.room, desk.room + 8, 8)
    return desk.memory.read_u64(desk.room + 8)


def deliver(desk: Any, signal: Signal) -> bool:
    return desk.process.deliver_signal(desk.cpu, signal)


# -- the frame ------------------------------------------------------------------------------------------


def test_a_frame_is_as_linux_lays_it_out_and_comes_down_again(desk: Any) -> None:
    cpu, memory = desk.cpu, desk.memory
    sp = on_stack(desk)
    before = state(cpu)
    action(desk, SIGSEGV, mask=bit(SIGUSR1))
    desk.system.current.signals.blocked = bit(SIGUSR2)
    assert deliver(desk, Signal(SIGSEGV, 1, 0xDEAD_BEEF, synchronous=True))

    at = (sp - FRAME) & ~15
    assert cpu.get("sp") == at == cpu.get("a1") and cpu.get("a2") == at + 128
    assert cpu.pc == HANDLER and cpu.get("a0") == SIGSEGV
    assert memory.read(cpu.get("ra"), 8) == bytes.fromhex("9308b00873000000")
    assert unpack("<iiiIQ", memory.read(at, 24)) == (SIGSEGV, 0, 1, 0, 0xDEAD_BEEF)
    context = at + 128
    assert memory.read_u64(context + 40) == bit(SIGUSR2)  # uc_sigmask
    assert unpack("<32Q", memory.read(context + 176, 256)) == tuple(before[:32])
    assert unpack("<32QI", memory.read(context + 176 + 256, 260)) == tuple(before[32:])
    assert unpack("<QIIQ", memory.read(context + 16, 24)) == (0, 2, 0, 0)  # SS_DISABLE
    blocked = desk.system.current.signals.blocked
    assert blocked == bit(SIGUSR2) | bit(SIGUSR1) | bit(SIGSEGV)

    for n in (1, 3, 5, 31):
        cpu.set(f"x{n}", 0)
    cpu.set("f7", 1)
    assert desk.call("rt_sigreturn") == Result(resumed=True)
    assert state(cpu) == before
    assert desk.system.current.signals.blocked == bit(SIGUSR2)


def test_a_handler_may_change_where_the_thread_goes_on(desk: Any) -> None:
    """Go's preparePanic and asynchronous preemption rewrite pc, sp and ra in the frame."""
    on_stack(desk)
    action(desk, SIGURG)
    deliver(desk, Signal(SIGURG, -6, pid=1000))
    registers = desk.cpu.get("a2") + 176
    desk.memory.write_u64(registers, 0x50_0001)
    desk.memory.write_u64(registers + 16, desk.room + 0x8000)
    desk.call("rt_sigreturn")
    assert desk.cpu.pc == 0x50_0000  # bit 0 of sepc is always zero
    assert desk.cpu.get("sp") == desk.room + 0x8000


@pytest.mark.parametrize(
    ("signal", "body"),
    [
        (Signal(SIGUSR1, -6, pid=1000, uid=7), pack("<IIQ", 1000, 7, 0)),
        (Signal(27, -2, pid=3, uid=2, value=99), pack("<IIQ", 3, 2, 99)),
        (Signal(14, 0x80), bytes(16)),
        (Signal(7, 1, 0x123), pack("<QQ", 0x123, 0)),
    ],
)
def test_siginfo_says_where_a_signal_comes_from(desk: Any, signal: Signal, body: bytes) -> None:
    on_stack(desk)
    action(desk, signal.number)
    deliver(desk, signal)
    info = desk.memory.read(desk.cpu.get("a1"), 128)
    assert info == pack("<iiiI", signal.number, 0, signal.code, 0) + body + bytes(96)


def test_flags_of_the_action_change_masks_and_handlers(desk: Any) -> None:
    on_stack(desk)
    action(desk, SIGUSR1, flags=SA_NODEFER | SA_RESETHAND, mask=2**64 - 1)
    assert deliver(desk, Signal(SIGUSR1))
    assert desk.system.current.signals.blocked == 2**64 - 1 & ~bit(Sig.SIGKILL) & ~bit(Sig.SIGSTOP)
    assert desk.process.actions[SIGUSR1].handler == 0
    desk.system.current.signals.blocked = 0
    action(desk, SIGUSR2, flags=SA_NODEFER)
    assert deliver(desk, Signal(SIGUSR2)) and desk.system.current.signals.blocked == 0


# -- where the frame goes -------------------------------------------------------------------------------


def test_the_alternate_stack_is_used_and_the_interrupted_one_is_not_touched(desk: Any) -> None:
    sp = on_stack(desk)
    before = desk.memory.read(sp - 4096, 4096)
    altstack(desk, desk.room + 0xA000, 0x4000)
    action(desk, SIGURG, flags=SA_ONSTACK)
    deliver(desk, Signal(SIGURG))
    assert desk.cpu.get("sp") == desk.room + 0xE000 - FRAME
    assert desk.memory.read(sp - 4096, 4096) == before
    action(desk, SIGUSR1, flags=SA_ONSTACK)  # nested: below the first frame, not at the top again
    deliver(desk, Signal(SIGUSR1))
    assert desk.cpu.get("sp") == desk.room + 0xE000 - 2 * FRAME
    desk.call("rt_sigreturn")
    desk.call("rt_sigreturn")
    assert desk.cpu.get("sp") == sp


def test_a_handler_without_onstack_stays_where_it_is(desk: Any) -> None:
    sp = on_stack(desk)
    altstack(desk, desk.room + 0xA000, 0x4000)
    action(desk, SIGURG, flags=0)
    deliver(desk, Signal(SIGURG))
    assert desk.cpu.get("sp") == (sp - FRAME) & ~15


def test_a_stack_that_is_not_there_kills_by_segv(desk: Any) -> None:
    on_stack(desk)
    before = state(desk.cpu)
    altstack(desk, 0x5000_0000, 0x4000)
    action(desk, SIGURG, flags=SA_ONSTACK)
    action(desk, SIGSEGV, flags=SA_ONSTACK)
    deliver(desk, Signal(SIGURG))
    assert desk.ended.signal == SIGSEGV
    assert state(desk.cpu) == before


def test_segv_for_a_bad_stack_can_be_caught_on_a_good_one(desk: Any) -> None:
    on_stack(desk)
    desk.cpu.set("sp", 0x5000_0000)
    altstack(desk, desk.room + 0xA000, 0x4000)
    action(desk, SIGUSR1, flags=0)
    action(desk, SIGSEGV, flags=SA_ONSTACK, handler=HANDLER + 16)
    deliver(desk, Signal(SIGUSR1))
    assert desk.ended is None and desk.cpu.pc == HANDLER + 16 and desk.cpu.get("a0") == SIGSEGV


def test_an_alternate_stack_that_runs_over_kills(desk: Any) -> None:
    on_stack(desk)
    altstack(desk, desk.room + 0xA000, 2048)
    action(desk, SIGURG, flags=SA_ONSTACK | SA_NODEFER)
    deliver(desk, Signal(SIGURG))
    assert desk.ended is None
    deliver(desk, Signal(SIGURG))
    assert desk.ended.signal == SIGSEGV


def test_sigaltstack_refuses_and_reports(desk: Any) -> None:
    on_stack(desk)
    base = desk.room + 0xA000
    for base_, flags, size, errno in ((base, 0, 2047, ENOMEM), (base, 4, 8192, EINVAL)):
        desk.memory.write(desk.room, pack("<QIIQ", base_, flags, 0, size))
        assert desk.errno("sigaltstack", desk.room, 0) == errno
    altstack(desk, base, 0x4000)
    desk.value("sigaltstack", 0, desk.room)
    assert unpack("<QIIQ", desk.memory.read(desk.room, 24)) == (base, 0, 0, 0x4000)
    desk.cpu.set("sp", base + 0x100)
    desk.value("sigaltstack", 0, desk.room)
    assert unpack("<QIIQ", desk.memory.read(desk.room, 24)) == (base, 1, 0, 0x4000)
    assert desk.errno("sigaltstack", desk.room, 0) == EPERM
    for sp, flags in ((base, 0), (base + 1, 1), (base + 0x4000, 1), (base + 0x4001, 0)):
        desk.cpu.set("sp", sp)  # an empty stack has its pointer one past the end
        desk.value("sigaltstack", 0, desk.room)
        assert desk.memory.read_u32(desk.room + 8) == flags
    desk.cpu.set("sp", base + 0x4001)
    altstack(desk, base, 0x4000, flags=2)
    desk.value("sigaltstack", 0, desk.room)
    assert unpack("<QIIQ", desk.memory.read(desk.room, 24)) == (0, 2, 0, 0)
    assert desk.errno("sigaltstack", 8, 0) == EFAULT


def test_an_autodisarmed_stack_comes_back_with_the_frame(desk: Any) -> None:
    on_stack(desk)
    base = desk.room + 0xA000
    altstack(desk, base, 0x4000, flags=1 << 31)
    action(desk, SIGURG, flags=SA_ONSTACK)
    deliver(desk, Signal(SIGURG))
    desk.value("sigaltstack", 0, desk.room)
    assert unpack("<QIIQ", desk.memory.read(desk.room, 24)) == (0, 2, 0, 0)
    desk.call("rt_sigreturn")
    desk.value("sigaltstack", 0, desk.room)
    assert unpack("<QIIQ", desk.memory.read(desk.room, 24)) == (base, 1 << 31, 0, 0x4000)


# -- what happens without a handler ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "ends"),
    [(SIGTERM, True), (SIGSEGV, True), (9, True), (34, True), (SIGURG, False), (17, False), (20, False)],
)
def test_default_actions(desk: Any, number: int, ends: bool) -> None:
    on_stack(desk)
    assert not deliver(desk, Signal(number))
    assert (desk.ended is not None) == ends
    if ends:
        assert desk.ended.signal == number
    assert desk.process.ignores(Signal(number)) == (not ends)


def test_what_an_instruction_caused_cannot_be_put_off(desk: Any) -> None:
    action(desk, SIGSEGV, handler=1)
    desk.process.force_signal(desk.system.current, Signal(SIGSEGV, 1, 8, synchronous=True))
    assert desk.ended.signal == SIGSEGV


def test_a_blocked_fault_ends_the_process(desk: Any) -> None:
    action(desk, SIGSEGV)
    mask(desk, BLOCK, bit(SIGSEGV))
    desk.process.force_signal(desk.system.current, Signal(SIGSEGV, 1, 8, synchronous=True))
    assert desk.ended.signal == SIGSEGV


# -- interrupted calls ----------------------------------------------------------------------------------


@pytest.mark.parametrize("flags", [SA_RESTART, 0])
def test_an_interrupted_call_is_made_again_or_answered_eintr(desk: Any, flags: int) -> None:
    on_stack(desk)
    thread = desk.system.current
    action(desk, SIGUSR1, flags=flags)
    desk.cpu.pc = 0x12348
    desk.cpu.set("a0", 0x77)
    thread.call = Syscall(98, (0x77, 0, 0, 0, 0, 0), 0x12344)
    thread.restart = True
    deliver(desk, Signal(SIGUSR1))
    desk.call("rt_sigreturn")
    if flags:
        assert (desk.cpu.pc, desk.cpu.get("a0")) == (0x12344, 0x77)
    else:
        assert (desk.cpu.pc, desk.cpu.get("a0")) == (0x12348, 2**64 - EINTR)
    assert not thread.restart


def test_sigsuspend_waits_with_a_mask_of_its_own(desk: Any) -> None:
    on_stack(desk)
    action(desk, SIGUSR1)
    mask(desk, SETMASK, bit(SIGUSR1) | bit(SIGUSR2))
    desk.memory.write(desk.room, pack("<Q", bit(SIGUSR2)))
    thread = desk.wait("rt_sigsuspend", desk.room, 8)
    assert thread.signals.blocked == bit(SIGUSR2)
    desk.system.post_signal(thread, Signal(SIGUSR1))
    assert desk.finish(thread) == Result(errno=EINTR)
    assert thread.signals.blocked == bit(SIGUSR2)
    deliver(desk, thread.signals.pending.pop(SIGUSR1))
    desk.call("rt_sigreturn")
    assert thread.signals.blocked == bit(SIGUSR1) | bit(SIGUSR2)


def test_pause_ends_with_a_signal(desk: Any) -> None:
    from fairlead.services.linux.signals import pause

    pending = pause(desk.process)
    assert isinstance(pending, Pending) and pending.resume(Wake.SIGNAL) == Result(errno=EINTR)


# -- calls ----------------------------------------------------------------------------------------------


def test_sigaction_keeps_what_it_was_given(desk: Any) -> None:
    action(desk, SIGUSR1, flags=0x1400_0004, mask=2**64 - 1)
    desk.value("rt_sigaction", SIGUSR1, 0, desk.room, 8)
    kept = 2**64 - 1 & ~bit(9) & ~bit(19)
    assert unpack("<QQQ", desk.memory.read(desk.room, 24)) == (HANDLER, 0x1400_0004, kept)
    for number, new, size in ((0, 0, 8), (65, 0, 8), (9, desk.room, 8), (19, desk.room, 8), (1, 0, 4)):
        assert desk.errno("rt_sigaction", number, new, 0, size) == EINVAL
    assert desk.value("rt_sigaction", 9, 0, desk.room, 8) == 0


def test_ignoring_a_signal_drops_it_where_it_waits(desk: Any) -> None:
    action(desk, SIGUSR1)
    mask(desk, BLOCK, bit(SIGUSR1))
    desk.value("tkill", 1000, SIGUSR1)
    assert desk.signals()
    action(desk, SIGUSR1, handler=1)
    assert not desk.signals()


def test_masks_add_take_away_and_replace(desk: Any) -> None:
    assert mask(desk, SETMASK, 0b1100) == 0
    assert mask(desk, BLOCK, 0b0011) == 0b1100
    assert mask(desk, UNBLOCK, 0b0110) == 0b1111
    assert mask(desk, SETMASK, 2**64 - 1) == 0b1001
    assert mask(desk, BLOCK, 0) == 2**64 - 1 & ~bit(9) & ~bit(19)
    assert desk.errno("rt_sigprocmask", 3, desk.room, 0, 8) == EINVAL
    assert desk.errno("rt_sigprocmask", 0, desk.room, 0, 128) == EINVAL


def test_a_signal_let_through_makes_the_core_look(desk: Any) -> None:
    action(desk, SIGUSR1)
    mask(desk, BLOCK, bit(SIGUSR1))
    desk.value("tkill", 1000, SIGUSR1)
    desk.system._attention = False
    desk.value("rt_sigpending", desk.room + 64, 8)
    assert desk.memory.read_u64(desk.room + 64) == bit(SIGUSR1)
    assert not desk.system._attention
    mask(desk, UNBLOCK, bit(SIGUSR1))
    assert desk.system._attention
    assert desk.signals() == [Signal(SIGUSR1, -6, pid=1000, uid=1000)]


def test_killing(desk: Any) -> None:
    action(desk, SIGUSR1)
    other = desk.thread()
    assert desk.value("kill", 1000, 0) == 0
    desk.value("kill", 1000, SIGUSR1)
    assert desk.signals() == [Signal(SIGUSR1, 0, pid=1000, uid=1000)]
    desk.value("tgkill", 1000, other.id, SIGUSR1)
    assert list(other.signals.pending) == [SIGUSR1]
    for arguments, errno in (
        ((1000, 4242, 1), ESRCH),
        ((1, 1000, 1), ESRCH),
        ((0, 1000, 1), EINVAL),
        ((1000, 0, 1), EINVAL),
        ((1000, 1000, 65), EINVAL),
        ((1000, 1000, -1), EINVAL),
    ):
        assert desk.errno("tgkill", *arguments) == errno
    assert desk.errno("kill", 1, 1) == ESRCH and desk.errno("kill", 1000, 99) == EINVAL
    desk.value("kill", 0, 9)
    assert desk.ended.signal == 9


# -- frames made by a liar ------------------------------------------------------------------------------


def test_a_frame_that_cannot_be_read_is_a_segv(desk: Any) -> None:
    on_stack(desk)
    desk.cpu.set("sp", 0x5000_0000)
    action(desk, SIGSEGV)
    assert desk.call("rt_sigreturn") == Result(resumed=True)
    assert desk.signals() == [Signal(SIGSEGV, 0x80, synchronous=True)]


def test_a_frame_with_unknown_extensions_is_a_segv(desk: Any) -> None:
    on_stack(desk)
    desk.cpu.set("sp", desk.room)
    desk.memory.write(desk.room + FRAME - 8, b"V\0\0\0")
    before = state(desk.cpu)
    desk.call("rt_sigreturn")
    assert [signal.number for signal in desk.signals()] == [SIGSEGV]
    assert state(desk.cpu) == before


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(frame=st.binary(min_size=FRAME - 12, max_size=FRAME - 12))
def test_no_frame_hurts_the_host(desk: Any, frame: bytes) -> None:
    on_stack(desk)
    thread = desk.system.current
    status = desk.cpu.get("sstatus")
    desk.memory.write(desk.room + 0x8000, frame + bytes(12))
    desk.cpu.set("sp", desk.room + 0x8000)
    thread.signals.pending.clear()
    assert desk.call("rt_sigreturn") == Result(resumed=True)
    assert not thread.signals.blocked & (bit(9) | bit(19))
    assert desk.cpu.get("sstatus") == status and desk.cpu.get("fcsr") <= 0xFF
    assert desk.cpu.pc % 2 == 0
