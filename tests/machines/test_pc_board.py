"""The board `pc` as it is found and made, and untrusted code on it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import entry_points

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from x86_64_lab import CODE, DATA, RAM, SP, WILD, PcLab, Wire

from fairlead.errors import FairleadError, UsageError
from fairlead.machine import BoardOptions, Stop
from fairlead.trap import Trap, TrapKind
from fairlead_machines.boards.pc import BOARD, fairlead_boards


def python(code: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    ).stdout


def test_the_hook_describes_the_board() -> None:
    assert list(fairlead_boards()) == [BOARD]
    assert (BOARD.name, BOARD.arch) == ("pc", "x86_64")
    places = {part.name: (part.address, part.interrupt) for part in BOARD.parts}
    assert places == {"serial": (0x3F8, 4), "timer": (0xFEE0_0000, 32), "memory": (RAM, None)}


def test_the_board_is_an_entry_point() -> None:
    found = {entry.name: entry.value for entry in entry_points(group="fairlead")}
    assert found["pc"] == "fairlead_machines.boards.pc"


def test_listing_boards_imports_no_engine() -> None:
    assert (
        python(
            "import sys; from fairlead_machines.boards.pc import fairlead_boards; fairlead_boards();"
            "print([name for name in sys.modules if 'engine.' in name or name in ('ctypes', 'unicorn')])"
        )
        == "[]\n"
    )


def test_making_a_machine_does_not_import_the_binding() -> None:
    assert (
        python(
            "import sys; from fairlead.machine import BoardOptions as O; "
            "from fairlead_machines.boards.pc import BOARD; BOARD.build(O(console=None)).close(); "
            "print('unicorn' in sys.modules)"
        )
        == "False\n"
    )


@pytest.mark.parametrize("memory", [4 << 20, 64 << 20, 4 << 30, 64 << 30])
def test_memory(make_pc: Callable[..., PcLab], memory: int) -> None:
    lab = make_pc(memory=memory)
    assert (lab.machine.ram.base, lab.machine.ram.size) == (RAM, memory)
    assert not any(lab.machine.ram.view[: 1 << 20]), "the way to ring 3 leaves no trace"
    lab.load("cd30")
    lab.until_call()


@pytest.mark.parametrize(
    "options",
    [
        {"memory": 0}, {"memory": -4096}, {"memory": 3 << 20}, {"memory": (4 << 20) + 1},
        {"memory": 128 << 30}, {"clock": "sun"},
    ],
)  # fmt: skip
def test_options_that_make_no_sense(options: dict[str, object]) -> None:
    with pytest.raises(UsageError) as caught:
        BOARD.build(BoardOptions(console=Wire(), **options))  # type: ignore[arg-type]
    assert caught.value.hint


def test_no_such_counter() -> None:
    with pytest.raises(FairleadError, match="no counter"):
        BOARD.build(BoardOptions(console=Wire(), counter="fingers"))


def test_what_the_board_has_for_an_operating_system_half(pc: PcLab) -> None:
    assert pc.machine.console is pc.wire
    assert pc.machine.firmware is None
    assert pc.machine.device_tree() == b""
    assert pc.machine.clock.epoch == 1_767_225_600_000_000_000


def test_machines_do_not_share_state(make_pc: Callable[..., PcLab]) -> None:
    labs = [make_pc() for _ in range(3)]
    for number, lab in enumerate(labs):
        lab.load(f"48c7c0{number:02x}000000 cd30 ebfe")
    for number, lab in enumerate(labs):
        lab.until_call()
        assert lab.cpu.get("rax") == number
    for lab in labs[1:]:
        lab.cpu.set("rbx", 5)
    assert labs[0].cpu.get("rbx") == 0


# Untrusted code: whatever the guest executes, the machine keeps its promises.

OPCODES = st.sampled_from(
    [
        "0f", "ff", "f0", "f3", "66", "67", "48", "4f", "c5", "c4", "62", "0f01", "0fae", "0f38", "0f3a",
        "0fc7", "e4", "ee", "6c", "f36e", "cf", "cb", "ca", "cd", "cc", "f1", "9d", "d9", "dd", "0f00", "f2",
        "8e", "0f05", "0f34", "ea", "ff18", "ff28", "0fb2", "e3", "e0", "c8", "c9", "9b", "0fa2", "0f31",
    ]
)  # fmt: skip
CODES = st.lists(st.one_of(OPCODES, st.binary(min_size=1, max_size=4).map(bytes.hex)), max_size=12).map(
    "".join
)
ADDRESSES = st.sampled_from(
    [
        0,
        1,
        8,
        DATA,
        DATA + 0xFFC,
        DATA + 0x3FFC,
        CODE,
        CODE + 0x3FFE,
        SP,
        WILD,
        (1 << 64) - 1,
        1 << 63,
        1 << 47,
    ]
)


@pytest.fixture(scope="module", params=["blocks", "instructions"])
def shared(request: pytest.FixtureRequest) -> PcLab:
    return PcLab(counter=request.param)


@settings(max_examples=100, deadline=None)
@given(CODES, st.sampled_from([0, 0xFF8, 0x3FF0, 0x3FFD]), st.lists(ADDRESSES, min_size=6, max_size=6))
@example("cf", 0, [0, 0, 0, 0, 0, 0])
@example("ffaff8", 0x3FFD, [0, 0, 0, 0, 0, CODE])
@example("0faeb6e5ee04a3f3bcc0837fa50ccc21", 0x3FF0, [0] * 6)
@example("0f38dee7906766a4eae930838c6edd9f", 0x3FF0, [0] * 6)
def test_untrusted_code(shared: PcLab, code: str, at: int, addresses: list[int]) -> None:
    lab = shared
    lab.load("00" * 0x4000)
    lab.cpu.restore(lab.cpu.blank())
    lab.load(code[: 2 * (0x4000 - at)], at=CODE + at)
    for name, value in zip(("rax", "rcx", "rdx", "rsp", "rsi", "rdi"), addresses, strict=True):
        lab.cpu.set(name, value)
    clock = lab.machine.clock
    start = clock.now()
    last = start
    count = 0

    def on_trap(trap: Trap) -> bool:
        nonlocal count, last
        count += 1
        assert clock.now() > last, "each trap takes time"
        last = clock.now()
        assert trap.kind is not TrapKind.TIMER
        assert trap.kind is TrapKind.SYSCALL or trap.cause < 32
        assert lab.cpu.get("rflags") & 0x3A_3202 in (0x202, 0x20_0202)
        assert 0 <= trap.pc < 1 << 64
        if count % 2 and trap.kind is not TrapKind.SYSCALL:
            lab.cpu.pc = trap.pc + 1
        return count < 10

    stop = lab.machine.run(start + 20_000, on_trap)
    assert stop in (Stop.HANDLER, Stop.DEADLINE)
    assert clock.now() - start < 200_000
    assert not lab.cpu.get("rflags") & 0x100 or "9d" in code, "no single step is left over"
    # The machine is as good as new.
    lab.cpu.restore(lab.cpu.blank())
    lab.cpu.set("rsp", SP)
    lab.load("6a07 58 cd30")
    lab.traps.clear()
    lab.until_call()
    assert lab.cpu.get("rax") == 7
