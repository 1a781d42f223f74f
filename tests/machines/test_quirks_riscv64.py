"""What Unicorn 2.1.4 does that the riscv64 engine makes up for.

Each test shows the bare library's behaviour. One that fails after an upgrade names the engine code that has
lost its reason, or is now wrong.
"""

from __future__ import annotations

import ctypes
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest
import rv64asm as a

from fairlead_machines.engine import native
from fairlead_machines.engine.native import Registers, Unicorn
from fairlead_machines.engine.ram import EngineRam
from fairlead_machines.engine.riscv64_registers import IDS, MIP, MSTATUS, PC, PRIV, SATP

BASE = 0x8000_0000
SIZE = 4 << 20
TABLES = BASE + 0x10_0000
HOLE = 0x4000_0000


class Bare:
    """The library with RAM, and what its INTR hook saw."""

    def __init__(self) -> None:
        self.unicorn = Unicorn(native.ARCH_RISCV, native.MODE_RISCV64)
        self.ram = EngineRam(BASE, SIZE)
        self.unicorn.map_ram(BASE, SIZE, self.ram.host)
        self.seen: list[tuple[int, int]] = []
        self.then: Callable[[int], bool] = lambda cause: False
        """Called at an interrupt; False stops."""
        self.unicorn.add_hook(native.HOOK_INTR, native.INTR_HOOK(self._interrupt))

    def _interrupt(self, _unicorn: int, cause: int, _data: int) -> None:
        self.seen.append((cause, self.get(PC)))
        if not self.then(cause):
            self.unicorn.lib.uc_emu_stop(self.unicorn.handle)

    def get(self, register: int) -> int:
        value = ctypes.c_uint64()
        self.unicorn.lib.uc_reg_read(self.unicorn.handle, register, ctypes.byref(value))
        return value.value

    def set(self, register: int, value: int) -> None:
        self.unicorn.lib.uc_reg_write(self.unicorn.handle, register, ctypes.byref(ctypes.c_uint64(value)))

    def write(self, address: int, data: bytes) -> None:
        self.ram.view[address - BASE : address - BASE + len(data)] = data

    def run(self, *code: bytes, at: int = BASE, count: int = 0) -> int:
        """Run code in S-mode from `at`; Unicorn's error number."""
        self.write(at, b"".join(code))
        self.unicorn.flush_blocks()
        return self.resume(at, count)

    def resume(self, at: int, count: int = 0) -> int:
        code: int = self.unicorn.lib.uc_emu_start(self.unicorn.handle, at, 0, 0, count)
        return code

    def supervisor(self) -> None:
        self.set(MSTATUS, 1 << 13)
        self.set(PRIV, 1)

    def page(self, virtual: int, physical: int, flags: int = 0xCF, table: int = TABLES) -> None:
        """Map 4 KiB under virtual address 2 GiB or 0 through one table a level."""
        words = self.ram.view.cast("Q")
        first, second, third = (table + n * 0x1000 for n in range(3))
        words[(first - BASE >> 3) + (virtual >> 30)] = second >> 2 | 1
        words[(second - BASE >> 3) + (virtual >> 21 & 511)] = third >> 2 | 1
        words[(third - BASE >> 3) + (virtual >> 12 & 511)] = physical >> 2 | flags
        words.release()

    def paging(self, table: int = TABLES) -> None:
        self.set(PRIV, 3)
        self.set(SATP, 8 << 60 | table >> 12)
        self.set(PRIV, 1)


@pytest.fixture
def bare() -> Iterator[Bare]:
    machine = Bare()
    machine.supervisor()
    yield machine
    machine.unicorn.close()
    machine.ram.close()


def test_the_interrupt_hook_sees_pc_4_too_far_even_after_2_bytes(bare: Bare) -> None:
    bare.page(BASE, BASE)
    bare.paging()
    bare.set(IDS["a0"], HOLE)
    assert bare.run(a.c_nop(), a.c_ld("a1", 0, "a0")) == native.ERR_OK
    assert bare.seen == [(13, BASE + 2 + 4)]


def test_a_fetch_fault_reports_its_target_plus_4(bare: Bare) -> None:
    bare.page(BASE, BASE)
    bare.paging()
    bare.set(IDS["a0"], BASE + 0x5000)
    bare.run(a.jalr("zero", 0, "a0"))
    assert bare.seen == [(12, BASE + 0x5000 + 4)]


def test_a_call_is_reported_as_from_user_mode(bare: Bare) -> None:
    bare.run(a.nop(), a.ecall())
    assert bare.seen == [(8, BASE + 8)]


@pytest.mark.parametrize("code", [a.amoadd_d("t0", "t0", "a0"), a.amo(1, "t0", "t0", "a0")])
def test_a_faulting_atomic_is_reported_as_a_load(bare: Bare, code: bytes) -> None:
    bare.page(BASE, BASE)
    bare.paging()
    bare.set(IDS["a0"], HOLE)
    bare.run(code)
    assert [cause for cause, _ in bare.seen] == [13]


def test_a_misaligned_atomic_is_reported_as_a_load(bare: Bare) -> None:
    bare.set(IDS["a0"], BASE + 0x1001)
    bare.run(a.amoadd_d("t0", "t0", "a0"))
    assert [cause for cause, _ in bare.seen] == [4]


def test_stval_is_not_set(bare: Bare) -> None:
    bare.page(BASE, BASE)
    bare.paging()
    bare.set(IDS["a0"], HOLE)
    bare.run(a.ld("t0", 8, "a0"))
    assert bare.get(IDS["stval"]) == 0


@pytest.mark.parametrize("code", [a.ebreak(), a.c_ebreak()])
def test_a_breakpoint_is_an_error_not_an_interrupt(bare: Bare, code: bytes) -> None:
    assert bare.run(a.nop(), code) == native.ERR_INSN_INVALID
    assert bare.seen == []
    assert bare.get(PC) == BASE + 4


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (a.ld("t0", 0, "a0"), native.ERR_READ_UNMAPPED),
        (a.sd("t0", 0, "a0"), native.ERR_WRITE_UNMAPPED),
        (a.amoadd_d("t0", "t0", "a0"), native.ERR_READ_UNMAPPED),
        (a.jalr("zero", 0, "a0"), native.ERR_FETCH_UNMAPPED),
    ],
)
def test_a_physical_hole_is_an_error_not_an_interrupt(bare: Bare, code: bytes, error: int) -> None:
    bare.set(IDS["a0"], HOLE)
    assert bare.run(a.nop(), code) == error
    assert bare.seen == []
    assert bare.get(PC) == (HOLE if error == native.ERR_FETCH_UNMAPPED else BASE + 4)


def test_an_instruction_across_pages_faults_at_its_blocks_start(bare: Bare) -> None:
    bare.page(BASE, BASE)
    bare.paging()
    start = BASE + 0x1000 - 6
    bare.run(a.addi("t0", "zero", 1), a.ld("t1", 0, "a0")[:2], at=start)
    assert bare.seen == [(12, start + 4)]
    assert bare.get(IDS["t0"]) == 0


def test_time_is_an_illegal_instruction(bare: Bare) -> None:
    bare.run(a.rdtime("t0"))
    assert bare.seen == [(2, BASE + 4)]


def test_cycle_and_instret_are_the_hosts(bare: Bare) -> None:
    """Were they the guest's, two runs of five instructions would read alike."""
    readings = set()
    for _ in range(3):
        bare.run(a.rdcycle("t0"), a.csrrs("t1", "instret", "zero"), a.ecall())
        readings |= {bare.get(IDS["t0"]), bare.get(IDS["t1"])}
    assert len(readings) == 6


@pytest.mark.parametrize("inside", [True, False])
def test_stops_inside_blocks_can_be_given_up(bare: Bare, inside: bool) -> None:
    """A flag found inside the library's structure; without it code is a quarter slower."""
    bare.unicorn.map_mmio(HOLE, 0x1000, lambda offset, size: 0, stop_at_a_store(bare))
    bare.set(IDS["a0"], HOLE)
    code = a.sd("t0", 0, "a0") + a.addi("t1", "zero", 1) + a.j(4) + a.addi("t2", "zero", 1) + a.ecall()
    bare.unicorn.set_exits_inside_blocks(inside)
    assert bare.run(code) == native.ERR_OK
    assert (bare.get(IDS["t1"]), bare.get(IDS["t2"])) == (not inside, 0)
    assert bare.get(PC) == (BASE if inside else BASE + 12)


def stop_at_a_store(bare: Bare) -> Callable[[int, int, int], None]:
    return lambda offset, size, value: bare.unicorn.lib.uc_emu_stop(bare.unicorn.handle) and None


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_translated_code_is_near_the_library() -> None:
    """Each block calls into the library; beyond 2 GiB such calls are indirect and often mispredicted."""
    code = (
        "from fairlead.machine import BoardOptions as O; from fairlead_machines.boards.virt import BOARD\n"
        "machine = BOARD.build(O(console=None, memory=16 << 30)); print(open('/proc/self/maps').read())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    ranges = [
        (*(int(end, 16) for end in line.split()[0].split("-")), line)
        for line in done.stdout.split("\n")
        if line
    ]
    buffers = [start for start, end, line in ranges if "rwxp" in line and end - start > 64 << 20]
    library = [end for _, end, line in ranges if "libunicorn" in line]
    assert buffers and max(library) - buffers[0] < 1 << 31


def test_a_wait_ends_the_run_without_error(bare: Bare) -> None:
    assert bare.run(a.wfi(), a.addi("t0", "zero", 1), a.ecall()) == native.ERR_OK
    assert bare.get(PC) == BASE + 4
    assert bare.resume(BASE + 4) == native.ERR_OK
    assert bare.get(IDS["t0"]) == 1


def test_a_new_satp_leaves_old_translations(bare: Bare) -> None:
    """Two tables map one page to different frames; without a flush the first one stays."""
    other = TABLES + 0x8000
    for table in (TABLES, other):
        bare.page(BASE, BASE, table=table)
    bare.page(BASE + 0x1000, BASE + 0x2000)
    bare.page(BASE + 0x1000, BASE + 0x3000, table=other)
    bare.write(BASE + 0x2000, b"\x01")
    bare.write(BASE + 0x3000, b"\x02")
    bare.paging()
    bare.set(IDS["a0"], BASE + 0x1000)
    bare.set(IDS["a1"], 8 << 60 | other >> 12)
    bare.run(a.lbu("t0", 0, "a0"), a.csrrw("zero", "satp", "a1"), a.lbu("t1", 0, "a0"), a.ecall())
    assert (bare.get(IDS["t0"]), bare.get(IDS["t1"])) == (1, 1)


def test_tvm_makes_satp_and_sfence_trap(bare: Bare) -> None:
    """What the engine's own flushing stands on."""
    bare.set(PRIV, 3)
    bare.set(MSTATUS, 1 << 20)
    bare.set(PRIV, 1)
    bare.then = lambda cause: len(bare.seen) < 3
    bare.set(IDS["a1"], 8 << 60 | TABLES >> 12)
    bare.run(a.csrrs("t0", "satp", "zero"), a.csrrw("zero", "satp", "a1"), a.sfence_vma())
    assert bare.seen == [(2, BASE + 4), (2, BASE + 8), (2, BASE + 12)]


def test_page_tables_changed_from_outside_need_a_flush(bare: Bare) -> None:
    bare.page(BASE, BASE)
    bare.page(BASE + 0x1000, BASE + 0x2000)
    bare.write(BASE + 0x2000, b"\x01")
    bare.write(BASE + 0x3000, b"\x02")
    bare.paging()
    bare.set(IDS["a0"], BASE + 0x1000)
    code = a.lbu("t0", 0, "a0") + a.ecall()
    bare.run(code)
    bare.page(BASE + 0x1000, BASE + 0x3000)
    bare.resume(BASE)
    assert bare.get(IDS["t0"]) == 1
    bare.unicorn.flush_tlb()
    bare.resume(BASE)
    assert bare.get(IDS["t0"]) == 2


def test_invalid_entries_are_not_remembered(bare: Bare) -> None:
    """Mapping a page where there was none needs no flush."""
    bare.page(BASE, BASE)
    bare.paging()
    bare.set(IDS["a0"], BASE + 0x1000)
    bare.run(a.lbu("t0", 0, "a0"), a.ecall())
    assert [cause for cause, _ in bare.seen] == [13]
    bare.page(BASE + 0x1000, BASE + 0x2000)
    bare.resume(BASE)
    assert [cause for cause, _ in bare.seen] == [13, 8]


def test_code_changed_from_outside_runs_on_until_dropped(bare: Bare) -> None:
    bare.run(a.addi("t0", "zero", 1), a.ecall())
    bare.write(BASE, a.addi("t0", "zero", 2))
    bare.resume(BASE)
    assert bare.get(IDS["t0"]) == 1
    # The engine drops single pages by physical address, in M-mode.
    bare.set(PRIV, 3)
    bare.unicorn.remove_blocks(BASE, BASE + 0x1000)
    bare.set(PRIV, 1)
    bare.resume(BASE)
    assert bare.get(IDS["t0"]) == 2


def test_code_changed_by_the_guest_is_seen(bare: Bare) -> None:
    new = int.from_bytes(a.addi("t1", "zero", 2), "little")
    bare.set(IDS["a0"], BASE)
    bare.set(IDS["a1"], new)
    bare.run(a.nop(), a.ecall(), a.sw("a1", 0, "a0"), a.fence_i(), a.j(-16))
    bare.resume(BASE + 8)
    assert bare.get(IDS["t1"]) == 2


def test_machine_registers_are_closed_below_machine_mode(bare: Bare) -> None:
    bare.set(MSTATUS, 3 << 13)
    bare.set(PRIV, 3)
    assert bare.get(MSTATUS) >> 13 & 3 == 1


def test_writing_the_privilege_drops_the_reservation(bare: Bare) -> None:
    """`Cpu.restore` counts on it."""
    bare.set(IDS["a0"], BASE + 0x1000)
    bare.then = lambda cause: len(bare.seen) < 2
    bare.run(a.lr_d("t0", "a0"), a.ecall(), a.sc_d("t1", "t0", "a0"), a.ecall())
    assert bare.get(IDS["t1"]) == 0

    def drop(cause: int) -> bool:
        bare.set(PRIV, 1)
        return len(bare.seen) < 4

    bare.then = drop
    bare.resume(BASE)
    assert bare.get(IDS["t1"]) == 1


def test_interrupts_have_the_wrong_order(bare: Bare) -> None:
    """Lowest number first; the specification wants external, software, timer."""
    bare.set(PRIV, 3)
    bare.set(119, 0x222)
    bare.set(MIP, 0x220)
    bare.set(PRIV, 1)
    bare.set(IDS["stvec"], BASE + 0x1000)
    bare.set(IDS["sie"], 0x222)
    bare.set(IDS["sstatus"], bare.get(IDS["sstatus"]) | 2)
    bare.write(BASE + 0x1000, a.ecall())
    bare.run(a.nop())
    assert bare.get(IDS["scause"]) == 1 << 63 | 5


def test_counts_are_exact(bare: Bare) -> None:
    for count in (1, 2, 3, 1000, 4321):
        bare.set(IDS["t0"], 0)
        bare.run(a.addi("t0", "t0", 1), a.j(-4), count=count)
        assert bare.get(IDS["t0"]) == (count + 1) // 2


def test_a_count_is_ignored_by_code_translated_without_one(bare: Bare) -> None:
    code = a.addi("t0", "t0", 1) + a.addi("t1", "t1", 1) + a.ecall()
    bare.run(code)
    bare.set(IDS["t1"], 0)
    bare.resume(BASE, count=1)
    assert bare.get(IDS["t1"]) == 1


def test_the_reservation_survives_a_stop_by_count(bare: Bare) -> None:
    """Slices must not make store-conditionals fail."""
    bare.set(IDS["a0"], BASE + 0x1000)
    code = a.lr_d("t0", "a0") + a.nop() + a.sc_d("t1", "t0", "a0") + a.ecall()
    bare.run(code, count=1)
    for _ in range(3):
        bare.resume(bare.get(PC), count=1)
    assert bare.get(IDS["t1"]) == 0


def test_without_the_floating_point_unit_fcsr_reads_as_nothing_sure(bare: Bare) -> None:
    """`Cpu.get` answers 0 by itself then."""
    bare.set(PRIV, 3)
    bare.set(MSTATUS, 1 << 13)
    bare.set(IDS["fcsr"], 0xE0)
    bare.set(MSTATUS, 0)
    bare.set(IDS["fcsr"], 0)
    bare.set(MSTATUS, 1 << 13)
    assert bare.get(IDS["fcsr"]) == 0xE0, "a write without the unit is dropped silently"


def test_batches_write_in_order(bare: Bare) -> None:
    """A context puts sstatus before fcsr, and PRIV last."""
    bare.set(PRIV, 3)
    bare.set(MSTATUS, 0)
    batch = Registers(bare.unicorn, [IDS["sstatus"], IDS["fcsr"]])
    batch.write((1 << 13, 0x60))
    assert bare.get(IDS["fcsr"]) == 0x60


def test_register_numbers_are_those_of_the_binding() -> None:
    riscv = pytest.importorskip("unicorn.riscv_const")
    for name, number in IDS.items():
        if name != "fp":
            assert getattr(riscv, f"UC_RISCV_REG_{name.upper()}") == number
    assert (riscv.UC_RISCV_REG_PC, riscv.UC_RISCV_REG_PRIV) == (PC, PRIV)
    assert (riscv.UC_RISCV_REG_MSTATUS, riscv.UC_RISCV_REG_MIP) == (MSTATUS, MIP)


def test_constants_are_those_of_the_binding() -> None:
    const = pytest.importorskip("unicorn.unicorn_const")
    for ours, theirs in [
        (native.ARCH_RISCV, const.UC_ARCH_RISCV),
        (native.ARCH_X86, const.UC_ARCH_X86),
        (native.MODE_RISCV64, const.UC_MODE_RISCV64),
        (native.HOOK_BLOCK, const.UC_HOOK_BLOCK),
        (native.HOOK_INTR, const.UC_HOOK_INTR),
        (native.HOOK_CODE, const.UC_HOOK_CODE),
        (native.HOOK_INSN_INVALID, const.UC_HOOK_INSN_INVALID),
        (native.ERR_INSN_INVALID, const.UC_ERR_INSN_INVALID),
        (native.ERR_READ_UNMAPPED, const.UC_ERR_READ_UNMAPPED),
    ]:
        assert ours == theirs
