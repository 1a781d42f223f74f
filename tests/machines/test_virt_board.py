"""The board `virt` as a guest finds it: memory map, device tree, devices through loads and stores."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import fdt
import pytest
import rv64asm as a
from riscv64_lab import CODE, NOWHERE, SECOND, Lab, Wire

from fairlead.errors import FairleadError, MachineError, UsageError
from fairlead.machine import BoardOptions, Prot, Stop
from fairlead.trap import Trap, TrapKind
from fairlead_machines.boards.virt import BOARD, fairlead_boards

READ_WRITE = Prot.READ | Prot.WRITE
UART, PLIC, RTC, TEST, CLINT = 0x1000_0000, 0xC00_0000, 0x10_1000, 0x10_0000, 0x200_0000


@pytest.fixture
def wired(lab: Lab) -> Lab:
    """A board whose devices are mapped at their own addresses."""
    for part in BOARD.parts:
        if part.size:
            lab.mmu.map(part.address, part.address, part.size, READ_WRITE)
    return lab


def load(lab: Lab, address: int, instruction: Callable[[str, int, str], bytes] = a.lwu) -> int:
    lab.load(instruction("t0", 0, "a0"), a.ecall())
    lab.cpu.set("a0", address)
    lab.until_call()
    return lab.cpu.get("t0")


def store(lab: Lab, address: int, value: int, instruction: Callable[[str, int, str], bytes] = a.sw) -> None:
    lab.load(instruction("t0", 0, "a0"), a.ecall())
    lab.cpu.set("a0", address)
    lab.cpu.set("t0", value)
    lab.until_call()


def test_the_hook_describes_the_board() -> None:
    assert list(fairlead_boards()) == [BOARD]
    assert (BOARD.name, BOARD.arch) == ("virt", "riscv64")
    places = {part.name: (part.address, part.interrupt) for part in BOARD.parts}
    assert places == {
        "test": (TEST, None), "rtc": (RTC, 11), "clint": (CLINT, None), "plic": (PLIC, None),
        "serial": (UART, 10), "memory": (0x8000_0000, None),
    }  # fmt: skip


def test_listing_boards_imports_no_engine() -> None:
    code = (
        "import sys; from fairlead_machines.boards.virt import fairlead_boards; fairlead_boards();"
        "print([name for name in sys.modules if 'engine.' in name or name in ('ctypes', 'unicorn', 'fdt')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == "[]\n"


def test_making_a_machine_imports_neither_the_binding_nor_fdt() -> None:
    """They would double the CPU time of a start."""
    code = (
        "import sys; from fairlead.machine import BoardOptions as O; "
        "from fairlead_machines.boards.virt import BOARD; BOARD.build(O(console=None)).close(); "
        "print('unicorn' in sys.modules, 'fdt' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == "False False\n"


@pytest.mark.parametrize("memory", [4 << 20, 64 << 20, 36 << 20, 4 << 30, 64 << 30])
def test_memory_from_4_mib_to_64_gib(memory: int) -> None:
    machine = BOARD.build(BoardOptions(console=Wire(), memory=memory))
    assert (machine.ram.base, machine.ram.size, len(machine.ram.view)) == (0x8000_0000, memory, memory)
    machine.ram.view[memory - 1] = 5
    machine.ram.zero(machine.ram.base, memory)
    assert machine.ram.view[memory - 1] == 0
    machine.close()


@pytest.mark.parametrize("memory", [0, -1, 1 << 20, (64 << 20) + 1, 128 << 30])
def test_other_sizes_are_refused(memory: int) -> None:
    with pytest.raises(UsageError, match="memory"):
        BOARD.build(BoardOptions(console=Wire(), memory=memory))


@pytest.mark.parametrize("options", [{"clock": "sundial"}, {"counter": "sheep"}])
def test_unknown_options_are_refused(options: dict[str, str]) -> None:
    with pytest.raises(FairleadError, match=next(iter(options.values()))):
        BOARD.build(BoardOptions(console=Wire(), **options))  # type: ignore[arg-type]


def test_the_last_byte_of_memory_can_be_used(lab: Lab) -> None:
    last = lab.machine.ram.base + lab.machine.ram.size - 0x1000
    lab.mmu.map(NOWHERE, last, 0x1000, READ_WRITE)
    store(lab, NOWHERE + 0xFF8, 0x1234)
    assert lab.machine.ram.view[-8:-6] == b"\x34\x12"


def test_the_console_by_loads_and_stores(wired: Lab) -> None:
    for byte in b"hi":
        store(wired, UART, byte, a.sb)
    assert wired.wire.sent == b"hi"
    wired.wire.waiting = b"Z"
    assert load(wired, UART + 5, a.lbu) & 1
    assert load(wired, UART, a.lbu) == ord("Z")


def test_input_interrupts_by_way_of_the_plic(wired: Lab) -> None:
    store(wired, UART + 1, 1, a.sb)
    store(wired, PLIC + 4 * 10, 1)
    store(wired, PLIC + 0x2080, 1 << 10)
    wired.load(a.j(0))
    assert wired.run(1000) is Stop.DEADLINE
    wired.wire.waiting = b"!"
    assert wired.run() is Stop.INTERRUPT
    pending = wired.machine.pending_interrupt()
    assert pending is not None and (pending.kind, pending.cause) == (TrapKind.EXTERNAL, 1 << 63 | 9)


def test_claiming_and_serving_an_interrupt(wired: Lab) -> None:
    """All by the guest, which takes the interrupt in its own vector."""
    vector = CODE + 0x1000
    wired.load(
        a.li("s0", PLIC + 0x20_1004), a.lwu("s1", 0, "s0"), a.li("s2", UART), a.lbu("s3", 0, "s2"),
        a.sw("s1", 0, "s0"), a.lwu("s4", 0, "s0"), a.ecall(), at=vector,
    )  # fmt: skip
    store(wired, UART + 1, 1, a.sb)
    store(wired, PLIC + 4 * 10, 1)
    store(wired, PLIC + 0x2080, 1 << 10)
    wired.machine.firmware.register(0x0A00_0000, "test")
    wired.cpu.set("stvec", vector)
    wired.cpu.set("sie", 1 << 9)
    wired.load(a.csrrsi("zero", "sstatus", 2), a.j(0))
    wired.wire.waiting = b"!"
    wired.until_call()
    assert [wired.cpu.get(name) for name in ("s1", "s3", "s4")] == [10, ord("!"), 0]
    assert wired.cpu.get("scause") == 1 << 63 | 9


def test_the_clint_by_loads_and_stores(wired: Lab) -> None:
    before = wired.machine.clock.now() // 100
    assert before <= load(wired, CLINT + 0xBFF8, a.ld) <= wired.machine.clock.now() // 100
    store(wired, CLINT + 0x4000, wired.machine.clock.now() // 100 + 500, a.sd)
    wired.load(a.j(0))
    assert wired.run(SECOND) is Stop.INTERRUPT
    wired.machine.firmware.call(0x54494D45, 0, -1)
    store(wired, CLINT, 1)
    assert wired.machine.pending_interrupt().kind is TrapKind.SOFTWARE  # type: ignore[union-attr]


def test_the_rtc_by_loads(make_lab: Callable[..., Lab]) -> None:
    lab = make_lab(epoch=1_000_000_000_000_000_000)
    lab.mmu.map(RTC, RTC, 0x1000, READ_WRITE)
    now = load(lab, RTC) | load(lab, RTC + 4) << 32
    assert 0 < now - 1_000_000_000_000_000_000 <= lab.machine.clock.now()
    lab.machine.clock.idle_until(5 * SECOND)
    now = load(lab, RTC) | load(lab, RTC + 4) << 32
    assert 5 * SECOND <= now - 1_000_000_000_000_000_000 <= lab.machine.clock.now()


def test_the_rtcs_alarm_interrupts(wired: Lab) -> None:
    due = wired.machine.clock.epoch + SECOND
    store(wired, PLIC + 4 * 11, 1)
    store(wired, PLIC + 0x2080, 1 << 11)
    store(wired, RTC + 0x10, 1)
    store(wired, RTC + 0x0C, due >> 32)
    store(wired, RTC + 0x08, due & 0xFFFF_FFFF)
    wired.machine.clock.idle_until(SECOND - 10_000)
    wired.load(a.j(0))
    assert wired.run() is Stop.INTERRUPT
    assert SECOND <= wired.machine.clock.now() < SECOND + 1000


@pytest.mark.parametrize(("value", "code"), [(0x5555, 0), (0x7_3333, 7)])
def test_powering_off_by_the_finisher(wired: Lab, value: int, code: int) -> None:
    wired.load(a.sw("t0", 0, "a0"), a.ecall())
    wired.cpu.set("a0", TEST)
    wired.cpu.set("t0", value)
    assert wired.run() is Stop.SHUTDOWN
    assert wired.machine.exit_code == code
    assert wired.traps == [], "the call behind the store is not made any more"
    assert wired.cpu.pc in (CODE, CODE + 4)


def test_devices_cannot_be_executed(wired: Lab) -> None:
    wired.mmu.map(UART, UART, 0x1000, Prot.READ | Prot.EXEC)
    wired.load(a.jalr("zero", 8, "a0"))
    wired.cpu.set("a0", UART)
    trap = wired.trap()
    assert trap == Trap(TrapKind.PROTECTION, 1, UART + 8, UART + 8)
    wired.load(a.ecall())
    wired.until_call()


def test_a_broken_console_ends_the_run_with_its_error(wired: Lab) -> None:
    def write(data: bytes) -> None:
        raise OSError("no carrier")

    wired.wire.write = write  # type: ignore[method-assign]
    with pytest.raises(OSError, match="no carrier"):
        store(wired, UART, 65, a.sb)


def tree(**options: object) -> fdt.FDT:
    machine = BOARD.build(BoardOptions(console=Wire(), **options))  # type: ignore[arg-type]
    flat = machine.device_tree()
    assert machine.device_tree() is flat
    machine.close()
    return fdt.parse_dtb(flat)


def test_the_device_tree() -> None:
    found = tree(memory=6 << 30, bootargs="ethanol arg1 GODEBUG=schedtrace=1")
    assert found.header.version == 17
    assert found.get_property("reg", "/memory@80000000").data == [0, 0x8000_0000, 1, 0x8000_0000]
    assert found.get_property("timebase-frequency", "/cpus").value == 10_000_000
    assert found.get_property("mmu-type", "/cpus/cpu@0").value == "riscv,sv39"
    assert found.get_property("bootargs", "/chosen").value == "ethanol arg1 GODEBUG=schedtrace=1"
    assert found.get_property("stdout-path", "/chosen").value == "/soc/serial@10000000"
    for part in BOARD.parts:
        if part.size:
            path = f"/soc/{part.name}@{part.address:x}"
            assert found.get_property("reg", path).data == [0, part.address, 0, part.size]
            if part.interrupt is not None:
                assert found.get_property("interrupts", path).value == part.interrupt


@pytest.mark.parametrize(
    "bootargs", ["", "a" * 1_000_000, "spaces  and \"quotes\" and 'more'", "ünï çødé", "\udcff", "\n\t"]
)
def test_boot_arguments_arrive_whole(bootargs: str) -> None:
    machine = BOARD.build(BoardOptions(console=Wire(), bootargs=bootargs))
    assert bootargs.encode("utf-8", "surrogateescape") + b"\0" in machine.device_tree()
    machine.close()


def test_raw_properties_of_chosen() -> None:
    values = {"fairlead,args": bytes(range(256)) * 300, "fairlead,env": b"", "rng-seed": b"\0\xff"}
    machine = BOARD.build(BoardOptions(console=Wire(), properties=values))
    flat = machine.device_tree()
    machine.close()
    for name, value in values.items():
        offset = flat.index(name.encode() + b"\0") - int.from_bytes(flat[12:16], "big")
        # Devicetree specification, section 5.4: FDT_PROP, length, offset of the name, value
        assert b"".join(n.to_bytes(4, "big") for n in (3, len(value), offset)) + value in flat


@pytest.mark.parametrize("name", ["", "with space", "x" * 32, "ä", "a/b"])
def test_names_that_are_no_property_names(name: str) -> None:
    with pytest.raises(UsageError, match="device tree"):
        tree(properties={name: b"1"})


def test_closing_frees_the_memory_even_if_views_are_left() -> None:
    machine = BOARD.build(BoardOptions(console=Wire()))
    view = machine.ram.view[:16]
    machine.close()
    assert len(view) == 16


def test_zeroing_any_range(lab: Lab) -> None:
    ram = lab.machine.ram
    start = lab.allocate(1 << 20) - ram.base
    for first, size in [(0, 0), (5, 10), (0, 4096), (100, 70_000), (0, 1 << 19), (4095, (1 << 19) + 2)]:
        ram.view[start : start + (1 << 20)] = b"\xaa" * (1 << 20)
        ram.zero(ram.base + start + first, size)
        expected = b"\xaa" * first + bytes(size) + b"\xaa" * ((1 << 20) - first - size)
        assert ram.view[start : start + (1 << 20)] == expected
    for address, size in ((ram.base - 1, 1), (ram.base + ram.size, 1), (ram.base, ram.size + 1), (0, 1)):
        with pytest.raises(MachineError, match="not RAM"):
            ram.zero(address, size)


def test_two_machines_do_not_share_anything(make_lab: Callable[..., Lab]) -> None:
    first, second = make_lab(), make_lab(counter="instructions")
    for lab, value in ((first, 1), (second, 2)):
        lab.load(a.addi("t0", "zero", value), a.ecall())
        lab.until_call()
    assert (first.cpu.get("t0"), second.cpu.get("t0")) == (1, 2)
