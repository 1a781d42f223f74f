"""The tracer stops where it should, and the guest's time is that of a run without one."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from riscv64_lab import CODE, DATA, Lab
from rv64asm import addi, amoadd_d, bne, ecall, j, ld, lr_d, nop, rdtime, sc_d, sd
from x86_64_lab import CODE as PC_CODE
from x86_64_lab import DATA as PC_DATA
from x86_64_lab import PcLab

from fairlead.errors import MachineError
from fairlead.machine import Stop
from fairlead.tracer import Watch
from fairlead.trap import Trap

Guest = Lab | PcLab
Made = Callable[[str], tuple[Guest, "Rounds"]]

ROUNDS = 5


class Rounds:
    """A loop of five rounds on either architecture: memory, a read of time, a call; then one call more."""

    def __init__(self, guest: Guest) -> None:
        if isinstance(guest, Lab):
            self.start, self.data = CODE, DATA
            self.loads, self.store = CODE + 20, CODE + 4
            self.length = 8  # instructions of a round
            guest.load(
                addi("t1", "t1", -1),
                sd("t1", 8, "t0"),
                ecall(),
                rdtime("a3"),
                amoadd_d("a4", "t1", "t0"),
                ld("a4", 8, "t0"),
                nop(),
                bne("t1", "zero", -28),
                ecall(),
                j(0),
            )
            guest.cpu.set("t0", DATA)
            guest.cpu.set("t1", ROUNDS)
        else:
            self.start, self.data = PC_CODE, PC_DATA
            self.loads, self.store = PC_CODE + 12, PC_CODE
            self.length = 7
            guest.load(
                "48 89 4b 08",  # mov [rbx+8], rcx
                "0f 31",  # rdtsc
                "cd 40",  # int 0x40
                "48 ff 03 90",  # inc qword [rbx]; nop
                "48 8b 53 08",  # mov rdx, [rbx+8]
                "ff c9",  # dec ecx
                "75 ec",  # jnz to the start
                "cd 40",
                "eb fe",
            )
            self.length = 8
            guest.cpu.set("rbx", PC_DATA)
            guest.cpu.set("rcx", ROUNDS)


@pytest.fixture(params=["riscv64", "x86_64"])
def make(request: pytest.FixtureRequest) -> Iterator[Made]:
    """Boards with the loop loaded, by kind of counter."""
    made: list[Guest] = []

    def boot(counter: str) -> tuple[Guest, Rounds]:
        guest = Lab(counter=counter) if request.param == "riscv64" else PcLab(counter=counter)
        made.append(guest)
        return guest, Rounds(guest)

    yield boot
    for each in made:
        each.machine.close()


def history(guest: Guest, quantum: int) -> list[tuple[object, ...]]:
    """Every end of a run and every trap of the loop, with guest time, work and registers."""
    seen: list[tuple[object, ...]] = []
    machine = guest.machine
    calls = 0

    def note(what: object) -> None:
        seen.append((what, machine.clock.now(), machine.clock.work, tuple(guest.cpu.general())))

    def on_trap(trap: Trap) -> bool:
        nonlocal calls
        calls += 1
        note(trap)
        return calls % 2 == 0 and calls <= ROUNDS

    while calls <= ROUNDS:
        stop = machine.run(machine.clock.now() + quantum, on_trap)
        note((stop, guest.cpu.pc))
    return seen


@pytest.mark.parametrize("counter", ["blocks", "instructions"])
@pytest.mark.parametrize("quantum", [4, 9, 30, 1000])
def test_time_and_traps_are_those_of_a_run_without_stops(make: Made, counter: str, quantum: int) -> None:
    plain = history(make(counter)[0], quantum)
    guest, rounds = make(counter)
    stops: list[int] = []

    def on_halt() -> bool:
        stops.append(guest.cpu.pc)
        tracer.steps = 1
        return True

    tracer = guest.machine.trace(on_halt)
    tracer.steps = 0
    assert history(guest, quantum) == plain
    assert len(stops) == ROUNDS * rounds.length + 1
    assert stops[: rounds.length] == stops[rounds.length : 2 * rounds.length]


@settings(max_examples=15, deadline=None)
@given(st.sets(st.integers(0, 9)), st.sampled_from(["blocks", "instructions"]), st.integers(4, 60))
def test_breakpoints_anywhere_change_nothing(marks: set[int], counter: str, quantum: int) -> None:
    guests = [Lab(counter=counter) for _ in range(2)]
    try:
        for each in guests:
            Rounds(each)
        plain, traced = guests
        stops: list[int] = []

        def on_halt() -> bool:
            stops.append(traced.cpu.pc)
            return True

        places = {CODE + 4 * mark for mark in marks}
        traced.machine.trace(on_halt).set_breakpoints(places)
        assert history(traced, quantum) == history(plain, quantum)
        round = [CODE + 4 * n for n in range(8) if n in marks]
        assert stops == round * ROUNDS + [CODE + 32] * (8 in marks)
    finally:
        for each in guests:
            each.machine.close()


@pytest.mark.parametrize("counter", ["blocks", "instructions"])
@pytest.mark.parametrize("kind", ["read", "write", "both"])
def test_a_watch_stops_after_the_access(make: Made, counter: str, kind: str) -> None:
    plain = history(make(counter)[0], 1000)
    guest, rounds = make(counter)
    watch = Watch(rounds.data + 12, 1, kind != "write", kind != "read")  # inside of the word
    stops: list[tuple[int, int]] = []

    def on_halt() -> bool:
        assert tracer.take_watch() == watch
        assert tracer.take_watch() is None
        stops.append((guest.cpu.pc, guest.word(8) if isinstance(guest, Lab) else guest.word(PC_DATA + 8)))
        tracer.steps = None
        return True

    tracer = guest.machine.trace(on_halt)
    tracer.set_watches([watch])
    assert history(guest, 1000) == plain
    first = ROUNDS - 1 if isinstance(guest, Lab) else ROUNDS
    places = [rounds.store + 4] * (kind != "read") + [rounds.loads + 4] * (kind != "write")
    assert stops == [(place, first - n) for n in range(ROUNDS) for place in places]


def test_a_watch_across_two_pages_and_one_that_is_not_mapped(lab: Lab) -> None:
    hits: list[Watch | None] = []

    def on_halt() -> bool:
        hits.append(tracer.take_watch())
        tracer.steps = None
        return True

    tracer = lab.machine.trace(on_halt)
    watch = Watch(DATA + 0xFFC, 16, False, True)
    tracer.set_watches([watch, Watch(0x7000_0000, 8, True, True)])
    lab.load(sd("t1", 0, "t0"), sd("t1", 0, "t2"), sd("t1", 0, "t3"), ecall())
    for name, value in {"t0": DATA + 0xFF4, "t2": DATA + 0x1008, "t3": DATA + 0x1010}.items():
        lab.cpu.set(name, value)
    lab.until_call()
    assert hits == [watch]
    lab.cpu.set("t0", DATA + 0xFF8)
    lab.cpu.pc = CODE
    lab.until_call()
    assert hits == [watch] * 3


def test_what_is_added_late_and_taken_back_is_heeded(make: Made) -> None:
    guest, rounds = make("blocks")
    stops: list[int] = []

    def on_halt() -> bool:
        stops.append(guest.cpu.pc)
        if len(stops) == 2:
            tracer.set_breakpoints([rounds.loads])
        if len(stops) == 4:
            tracer.close()
        return True

    tracer = guest.machine.trace(on_halt)
    tracer.set_breakpoints([rounds.store])
    history(guest, 1000)
    assert stops == [rounds.store, rounds.store, rounds.loads, rounds.loads]


def test_a_handler_that_will_not_go_on_ends_the_run(make: Made) -> None:
    guest, rounds = make("blocks")
    answers = iter([False, True])
    tracer = guest.machine.trace(lambda: next(answers))
    tracer.set_breakpoints([rounds.loads])
    guest.run()
    assert guest.run() is Stop.HANDLER
    assert guest.cpu.pc == rounds.loads
    assert len(guest.traps) == 1
    assert next(answers, None) is True


def test_registers_may_be_changed_at_a_stop(make: Made) -> None:
    guest, rounds = make("blocks")

    def on_halt() -> bool:
        guest.cpu.set("t1" if isinstance(guest, Lab) else "rcx", 77)
        return True

    guest.machine.trace(on_halt).set_breakpoints([rounds.store])
    guest.run()
    assert (guest.word(8) if isinstance(guest, Lab) else guest.word(PC_DATA + 8)) == 77


def test_many_breakpoints_come_and_go(make: Made) -> None:
    guest, rounds = make("blocks")
    stops: list[int] = []

    def on_halt() -> bool:
        stops.append(guest.cpu.pc)
        tracer.set_breakpoints([])
        tracer.set_breakpoints([rounds.start])
        return True

    tracer = guest.machine.trace(on_halt)
    tracer.set_breakpoints(range(rounds.start + 0x100, rounds.start + 0x400))
    tracer.set_breakpoints([rounds.start])
    history(guest, 1000)
    assert stops == [rounds.start] * ROUNDS


def test_an_exception_out_of_the_handler_comes_out_of_run(make: Made) -> None:
    guest, rounds = make("blocks")

    def on_halt() -> bool:
        raise ValueError("no")

    guest.machine.trace(on_halt).set_breakpoints([rounds.store])
    with pytest.raises(ValueError, match="no"):
        guest.run()


@pytest.mark.parametrize("counter", ["blocks", "instructions"])
def test_steps_up_to_an_instruction_that_is_not_all_there(
    counter: str, make_lab: Callable[..., Lab], make_pc: Callable[..., PcLab]
) -> None:
    """The engine executes such a block in a way of its own, which the tracer must not hold up."""

    def traps(guest: Guest, traced: bool) -> tuple[list[Trap], int]:
        def on_halt() -> bool:
            tracer.steps = 1
            return True

        if traced:
            tracer = guest.machine.trace(on_halt)
            tracer.steps = 0
        guest.run()
        return guest.traps, guest.machine.clock.now()

    plain, stepped = make_pc(counter=counter), make_pc(counter=counter)
    for pc in (plain, stepped):
        pc.load("90 90 90 48 8b", at=PC_CODE + 0x4000 - 5)
    assert traps(stepped, True) == traps(plain, False)
    plain_lab, stepped_lab = make_lab(counter=counter), make_lab(counter=counter)
    for lab in (plain_lab, stepped_lab):
        lab.load(nop(), nop(), nop()[:2], at=CODE + 0x4000 - 10)
    assert traps(stepped_lab, True) == traps(plain_lab, False)


@pytest.mark.parametrize("user", [False, True])
def test_a_stop_leaves_the_load_reservation(user: bool, make_lab: Callable[..., Lab]) -> None:
    lab = make_lab(user=user)

    def on_halt() -> bool:
        for register in ("fcsr", "f1", "sp", "pc"):
            lab.cpu.get(register)
        tracer.steps = 1
        return True

    tracer = lab.machine.trace(on_halt)
    tracer.steps = 0
    lab.load(lr_d("a0", "t0"), nop(), sc_d("a1", "t1", "t0"), ecall())
    lab.cpu.set("t0", DATA)
    lab.cpu.set("a1", 9)
    lab.run()
    assert lab.cpu.get("a1") == 0


def test_there_is_one_tracer(lab: Lab) -> None:
    lab.machine.trace(lambda: True)
    with pytest.raises(MachineError, match="already"):
        lab.machine.trace(lambda: True)


def test_without_machine_code_instructions_are_counted_all_the_same(
    make: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fairlead_machines.engine.tracer.counting_callback", lambda _stop: None)
    test_time_and_traps_are_those_of_a_run_without_stops(make, "instructions", 9)
    test_a_watch_stops_after_the_access(make, "instructions", "both")
