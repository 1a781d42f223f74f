"""`System` with ports of a few lines on a real machine: a trap through a hook and back, and mistakes."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead import hookimpl
from fairlead.errors import DeadlockError, PortError, TimeLimitError
from fairlead.machine import BoardOptions, Machine
from fairlead.plugins import find_board
from fairlead.port import GuestEnv, Port, Program, Resume, Services
from fairlead.services.addressspace import AddressSpace
from fairlead.signal import Sig, Signal
from fairlead.syscall import Pending, RegisterABI, Result, Syscall, Wake
from fairlead.system import Exit, System
from fairlead.thread import NewThread, Thread

OURS = 0x0A00_0000
CODE, STACK = 0x10_0000, 0x20_0000
EXIT, YIELD, SPAWN, WAIT, WAKE, SLEEP, ADD, CHILD_END = range(1, 9)


def li(register: int, value: int) -> bytes:
    """addi register, x0, value; or lui where the low 12 bits are zero."""
    if value & 0xFFF == 0 and value:
        return struct.pack("<I", value | register << 7 | 0x37)
    return struct.pack("<I", (value & 0xFFF) << 20 | register << 7 | 0x13)


def call(number: int, argument: int | None = None) -> bytes:
    """a6 = number, a7 = our extension, a0 = argument if there is one, ecall."""
    first = b"" if argument is None else li(10, argument)
    return first + li(16, number) + li(17, OURS) + struct.pack("<I", 0x73)


SPIN = struct.pack("<I", 0x6F)  # j .
ILLEGAL = struct.pack("<I", 0)


class Tiny:
    """A port's OS half, in the small: every hook does the least that is right."""

    def __init__(self, services: Services, code: bytes) -> None:
        self.services = services
        self.code = code
        self.memory = AddressSpace(services.machine)
        self.queue = services.wait_queue()
        self.sum = 0
        self.seen: list[tuple[str, int]] = []

    def start(self) -> NewThread:
        self.memory.load(CODE, self.code, 5)
        self.memory.load(STACK, b"", 3, size=0x10000)
        self.memory.activate()
        return NewThread(pc=CODE, sp=STACK + 0x8000, id=1)

    def pick(self, current: Thread | None, ready: Sequence[Thread]) -> Thread:
        return ready[0]

    def ignores(self, signal: Signal) -> bool:
        return False

    def thread_ended(self, thread: Thread) -> None:
        self.seen.append(("ended", thread.id))

    def close(self) -> None:
        self.seen.append(("closed", 0))

    @hookimpl
    def newosproc(self, thread: NewThread) -> int:
        return self.services.add_thread(thread).id

    @hookimpl
    def nanotime(self) -> int:
        return self.services.machine.clock.now()

    @hookimpl
    def handle_trap(self, cpu: Any, trap: Any) -> Resume:
        self.services.post_signal(self.services.current, Signal(Sig.SIGILL, 1, trap.pc, synchronous=True))
        return Resume.CONTINUE

    @hookimpl
    def deliver_signal(self, cpu: Any, signal: Signal) -> bool:
        self.services.exit_by_signal(signal.number)
        return False

    @hookimpl
    def syscall(self, cpu: Any, call: Syscall) -> Result | Pending:
        self.seen.append(("call", call.number))
        argument = call.arguments[0]
        if call.number == EXIT:
            self.services.exit(argument)
        elif call.number == YIELD:
            self.services.reschedule()
        elif call.number == SPAWN:
            return Result(self.services.newosproc(NewThread(pc=argument, sp=STACK + 0x4000)))
        elif call.number == WAIT:
            return Pending((self.queue,), self._woken)
        elif call.number == WAKE:
            return Result(self.queue.wake(argument))
        elif call.number == SLEEP:
            deadline = self.services.machine.clock.now() + argument * 1_000_000
            return Pending((), lambda wake: Result(int(wake is Wake.TIMEOUT)), deadline)
        elif call.number == ADD:
            self.sum += argument
            return Result(self.sum)
        elif call.number == CHILD_END:
            self.services.end_thread(self.services.current)
        return Result()

    def _woken(self, wake: Wake) -> Result:
        return Result(errno=4) if wake is Wake.SIGNAL else Result(7)


Make = Callable[[Services, bytes], Any]


class Bench:
    """Makes systems of tiny ports and closes their machines."""

    def __init__(self) -> None:
        self.machines: list[Machine] = []

    def system(self, code: bytes, make: Make = Tiny, **more: Any) -> System:
        machine = find_board("virt").build(BoardOptions(console=None, memory=64 << 20))  # type: ignore[arg-type]
        self.machines.append(machine)
        port = Port(
            name="tiny",
            summary="",
            board="virt",
            abi=1,
            guest=GuestEnv("linux", "riscv64", None),
            convention=RegisterABI("a6", ("a0", "a1"), "a0", selector="a7", selects=OURS),
            options=(),
            boot=lambda services: make(services, code),
        )
        program = Program(image=None, arguments=(), environment={})  # type: ignore[arg-type]
        return System(port, machine, program, options={}, **more)


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    for machine in made.machines:
        machine.close()


def test_one_trap_from_the_engine_through_a_hook_and_back(bench: Bench) -> None:
    system = bench.system(call(ADD, 40) + call(ADD, 2) + call(EXIT))
    assert system.run() == Exit(status=42)
    assert system.os.seen == [("call", ADD), ("call", ADD), ("call", EXIT), ("closed", 0)]


def test_a_thread_is_made_waits_is_woken_and_ends(bench: Bench) -> None:
    parent = call(SPAWN, CODE + 0x1000) + call(WAIT) + call(EXIT)
    code = parent.ljust(0x1000, b"\0") + call(WAKE, 1) + call(CHILD_END)
    system = bench.system(code)
    assert system.run() == Exit(status=7)
    assert ("ended", 2) in system.os.seen


def test_sleep_skips_idle_time_and_is_never_early(bench: Bench) -> None:
    system = bench.system(call(SLEEP, 500) + call(EXIT))
    assert system.run() == Exit(status=1)
    assert 500_000_000 <= system.machine.clock.now() < 501_000_000


def test_an_exception_reaches_handle_trap_and_becomes_a_signal(bench: Bench) -> None:
    assert bench.system(ILLEGAL).run() == Exit(signal=4)


def test_a_synchronous_signal_that_is_blocked_ends_the_process(bench: Bench) -> None:
    class Blocking(Tiny):
        @hookimpl
        def deliver_signal(self, cpu: Any, signal: Signal) -> bool:
            raise AssertionError("a blocked signal was delivered")

        @hookimpl
        def handle_trap(self, cpu: Any, trap: Any) -> Resume:
            self.services.current.signals.blocked = 1 << (Sig.SIGILL - 1)
            return super().handle_trap(cpu, trap)

    assert bench.system(ILLEGAL, Blocking).run() == Exit(signal=4)


def test_a_deadlock_is_told(bench: Bench) -> None:
    system = bench.system(call(WAIT))
    with pytest.raises(DeadlockError, match="all 1 threads wait"):
        system.run()
    assert system.os.seen[-1] == ("closed", 0)


def test_a_loop_meets_the_time_limit(bench: Bench) -> None:
    with pytest.raises(TimeLimitError):
        bench.system(SPIN, max_time=5_000_000).run()


def test_a_host_signal_reaches_a_loop_that_never_ends(bench: Bench) -> None:
    system = bench.system(SPIN)
    system.interrupt(Sig.SIGTERM)
    assert system.run() == Exit(signal=15)


def test_a_second_ctrl_c_ends_the_run_whatever_the_guest_does(bench: Bench) -> None:
    class Deaf(Tiny):
        @hookimpl
        def deliver_signal(self, cpu: Any, signal: Signal) -> bool:
            system.interrupt(Sig.SIGINT)
            return False

    system = bench.system(SPIN, Deaf)
    system.interrupt(Sig.SIGINT)
    assert system.run() == Exit(signal=2)


@pytest.mark.parametrize(
    ("hook", "answer", "said"),
    [
        ("syscall", None, "hook syscall answered None"),
        ("syscall", 5, "hook syscall answered 5"),
        ("newosproc", 0, "hook newosproc answered 0x0"),
        ("newosproc", 99, "no living thread's id"),
        ("handle_trap", None, "hook handle_trap answered None"),
        ("deliver_signal", None, "hook deliver_signal answered None"),
    ],
)
def test_nonsense_from_a_hook_is_named(bench: Bench, hook: str, answer: object, said: str) -> None:
    arguments = {"syscall": "cpu, call", "newosproc": "thread", "handle_trap": "cpu, trap"}
    names = arguments.get(hook, "cpu, signal")
    implementation = hookimpl(eval(f"lambda self, {names}: answer", {"answer": answer}))
    broken = type("Broken", (Tiny,), {hook: implementation})
    code = call(SPAWN, CODE >> 12 << 12) if hook == "newosproc" else ILLEGAL
    code = call(EXIT) if hook == "syscall" else code
    with pytest.raises(PortError, match=said):
        bench.system(code, broken).run()


@pytest.mark.parametrize("answer", [0, -5, None])
def test_time_that_is_no_time_is_named(bench: Bench, answer: int | None) -> None:
    broken = type("Broken", (Tiny,), {"nanotime": hookimpl(lambda self: answer)})
    with pytest.raises(PortError, match="hook nanotime answered"):
        bench.system(SPIN, broken).nanotime()


def test_an_exception_in_a_hook_is_named(bench: Bench) -> None:
    def explode(self: object, cpu: object, call: object) -> None:
        raise KeyError("lost")

    broken = type("Broken", (Tiny,), {"syscall": hookimpl(explode)})
    with pytest.raises(PortError, match="port tiny: hook syscall raised KeyError: 'lost'"):
        bench.system(call(EXIT), broken).run()


def test_time_backwards_is_named(bench: Bench) -> None:
    times = iter([5_000, 4_999])
    broken = type("Broken", (Tiny,), {"nanotime": hookimpl(lambda self: next(times))})
    system = bench.system(SPIN, broken)
    assert system.nanotime() == 5_000
    with pytest.raises(PortError, match="went backwards"):
        system.nanotime()


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 2047), min_size=1, max_size=20))
def test_a_run_is_the_same_every_time(numbers: list[int]) -> None:
    made = Bench()
    code = b"".join(call(ADD, number) for number in numbers) + call(EXIT)
    ends = []
    for _ in range(2):
        system = made.system(code)
        ends.append((system.run(), system.machine.clock.now()))
    for machine in made.machines:
        machine.close()
    assert ends[0] == ends[1]
    assert ends[0][0] == Exit(status=sum(numbers) & 0xFF)
