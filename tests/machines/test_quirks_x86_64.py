"""What Unicorn 2.1.4 does that the x86-64 engine makes up for.

Each test shows the bare library's behaviour in ring 3. One that fails after an upgrade names the engine code
that has lost its reason, or is now wrong.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator

import pytest

from fairlead.machine import PAGE_SIZE, Prot
from fairlead_machines.engine import native, x86_64_boot, x86_64_instructions, x86_64_registers
from fairlead_machines.engine.native import Registers, Unicorn
from fairlead_machines.engine.paging4 import Paging4
from fairlead_machines.engine.ram import EngineRam
from fairlead_machines.engine.x86_64_cpu import X86Cpu
from fairlead_machines.engine.x86_64_cpuid import MODEL
from fairlead_machines.engine.x86_64_registers import CR4, IDS, RIP, VECTORS

RAM = 0x1_0000_0000
CODE, DATA, STACK = 0x40_0000, 0x60_0000, 0x80_0000
SP = STACK + 0x800
WILD = 0xDEAD_0000_1234_5678
HASWELL = 19
CPUID, IN, RDTSC, SYSCALL = 113, 218, 608, 699
PF, GP, DF = 14, 13, 8


class Bare:
    """The library with a CPU in ring 3 and three pages mapped, and what its hooks saw."""

    def __init__(self, model: int = MODEL) -> None:
        self.unicorn = Unicorn(native.ARCH_X86, native.MODE_64, model)
        self.ram = EngineRam(RAM, 4 << 20)
        self.unicorn.map_ram(RAM, self.ram.size, self.ram.host)
        self.cpu = X86Cpu(self.unicorn, self.ram)
        self.words = self.ram.view.cast("Q")
        self.next = RAM + 0x10_0000
        self.mmu = Paging4(
            self.words, RAM, self.allocate, self.unicorn.flush_tlb, lambda *_: None, self.cpu.set_cr3
        )
        self.frames = {address: self.allocate(PAGE_SIZE) for address in (CODE, DATA, STACK)}
        for address, frame in self.frames.items():
            prot = Prot.READ | (Prot.EXEC if address == CODE else Prot.WRITE)
            self.mmu.map(address, frame, PAGE_SIZE, prot)
        self.mmu.activate()
        self.seen: list[int] = []
        self.pcs: list[int] = []
        self.then: Callable[[int], bool] = lambda vector: False
        """Called at an interrupt; False stops."""
        self.unicorn.add_hook(native.HOOK_INTR, native.INTR_HOOK(self._interrupt))

    def allocate(self, size: int) -> int:
        address, self.next = self.next, self.next + size
        return address

    def _interrupt(self, _unicorn: int, vector: int, _data: int) -> None:
        self.seen.append(vector)
        self.pcs.append(self.cpu.pc)
        if not self.then(vector):
            self.stop()

    def stop(self) -> None:
        self.unicorn.lib.uc_emu_stop(self.unicorn.handle)

    def write(self, address: int, data: bytes) -> None:
        page = address & -PAGE_SIZE
        start = self.frames[page] - RAM + address - page
        self.ram.view[start : start + len(data)] = data
        self.unicorn.flush_blocks()

    def run(self, code: str, at: int = CODE) -> int:
        """Run code from `at` with registers as the tests want them; Unicorn's error number."""
        self.write(at, bytes.fromhex(code))
        for register, value in {"rax": WILD, "rdx": 0, "rcx": 0, "rsi": DATA, "rsp": SP}.items():
            self.cpu.set(register, value)
        return self.resume(at)

    def resume(self, at: int) -> int:
        error: int = self.unicorn.lib.uc_emu_start(self.unicorn.handle, at, 0, 0, 0)
        return error

    def hook(self, instruction: int, work: Callable[[], int]) -> None:
        callback = native.INSN_HOOK(lambda _unicorn, _data: work())
        self.unicorn.add_hook(native.HOOK_INSN, callback, instruction=instruction)

    def close(self) -> None:
        self.unicorn.close()
        self.words.release()
        self.ram.close()


@pytest.fixture
def bare() -> Iterator[Bare]:
    made = Bare()
    yield made
    made.close()


@pytest.mark.parametrize(
    ("first", "second", "becomes"),
    [
        ("488b02", "488b02", DF), ("488b02", "fa", DF), ("fa", "fa", DF), ("f7f1", "fa", DF),
        ("fa", "488b02", PF), ("cd30", "fa", GP), ("cc", "fa", GP),
    ],
)  # fmt: skip
def test_a_fault_is_never_forgotten(bare: Bare, first: str, second: str, becomes: int) -> None:
    """States.exception clears it. After the double fault the next fault stops Unicorn's CPU for good."""
    length = len(first) // 2

    def skip(vector: int) -> bool:
        if bare.pcs[-1] == CODE:
            bare.cpu.pc = CODE + length
        return len(bare.seen) < 2

    bare.then = skip
    bare.run(first + second)
    assert bare.seen[1] == becomes


def test_an_error_code_is_only_in_the_saved_state(bare: Bare) -> None:
    bare.run("488902")
    assert bare.cpu.states.exception() == (6, False)
    bare.run("cd0e")
    assert bare.cpu.states.exception() == (0, True)


def test_a_call_to_a_wild_address_has_pushed_and_gone(bare: Bare) -> None:
    """X86Machine._protection undoes that."""
    bare.run("ffd0")
    assert (bare.seen, bare.cpu.pc, bare.cpu.get("rsp")) == ([GP], WILD, SP - 8)
    assert bare.words[(bare.frames[STACK] + SP - 8 - STACK - RAM) // 8] == CODE + 2
    bare.cpu.states.exception()
    bare.run("ffe0")
    assert (bare.seen, bare.cpu.pc) == ([GP, GP], WILD)


def test_a_wild_stack_is_a_protection_fault(bare: Bare) -> None:
    bare.run("4889c450")
    assert bare.seen == [GP]


@pytest.mark.parametrize("code", ["ff02", "f0ff02", "480102", "488702", "480fb102"])
def test_read_modify_write_faults_as_a_read(bare: Bare, code: str) -> None:
    bare.run(code)
    assert bare.cpu.states.exception() == (4, False)


def test_an_invalid_instruction_is_no_interrupt(bare: Bare) -> None:
    assert bare.run("0f0b") == native.ERR_INSN_INVALID
    assert bare.seen == []


def test_int1_is_an_invalid_instruction(bare: Bare) -> None:
    assert bare.run("f1") == native.ERR_INSN_INVALID


@pytest.mark.parametrize("code", ["ec", "ee", "e460", "ed"])
def test_ring_3_may_use_ports(bare: Bare, code: str) -> None:
    bare.run(code + "cd30")
    assert bare.seen == [0x30]


def test_a_stop_at_port_input_does_not_end_the_block(bare: Bare) -> None:
    """X86Machine._on_port keeps the state at the instruction."""

    def work(_unicorn: int, _port: int, _size: int, _data: int) -> int:
        bare.stop()
        return 0

    bare.unicorn.add_hook(native.HOOK_INSN, native.PORT_IN_HOOK(work), instruction=IN)
    bare.run("ec 48ffc1 48ffc1 eb00 90ebfd")
    assert bare.cpu.get("rcx") == 2


def test_the_syscall_instruction_sets_no_register_and_adds_2_later(bare: Bare) -> None:
    def work() -> int:
        bare.pcs.append(bare.cpu.pc)
        bare.cpu.pc = CODE + 0x100
        return 0

    bare.hook(SYSCALL, work)
    bare.write(CODE + 0x102, bytes.fromhex("cd30"))
    bare.run("0f05cd31")
    assert (bare.pcs[0], bare.seen) == (CODE, [0x30])
    assert (bare.cpu.get("rcx"), bare.cpu.get("r11")) == (0, 0)


def test_syscall_and_sysenter_without_hooks_do_nothing(bare: Bare) -> None:
    bare.run("0f05 0f34 cd30")
    assert bare.seen == [0x30]


def test_rdpmc_takes_its_permission_the_wrong_way_round(bare: Bare) -> None:
    bare.run("0f33")
    assert bare.seen == [GP], "with CR4.PCE set"
    cr4 = Registers(bare.unicorn, [CR4])
    cr4.write([cr4.read()[0] & ~0x100])
    assert bare.run("0f33") == native.ERR_INSN_INVALID


def test_a_fault_across_a_page_is_reported_at_the_start_of_the_block(bare: Bare) -> None:
    bare.run("90" * 10 + "48ffc1" * 3 + "b800", at=CODE + PAGE_SIZE - 21)
    assert (bare.seen, bare.cpu.pc) == ([PF], CODE + PAGE_SIZE - 21)
    assert bare.cpu.get("rcx") == 0


def test_with_tf_a_block_is_one_instruction(bare: Bare) -> None:
    """X86Machine._walk relies on it."""
    bare.write(CODE + PAGE_SIZE - 5, bytes.fromhex("48ffc1b800"))
    bare.cpu.set("rcx", 0)
    bare.cpu.set("rflags", 0x302)
    bare.resume(CODE + PAGE_SIZE - 5)
    assert (bare.seen, bare.cpu.pc, bare.cpu.get("rcx")) == ([1], CODE + PAGE_SIZE - 2, 1)


def test_iret_reads_its_frame_as_the_supervisor_and_obeys_vm(bare: Bare) -> None:
    """States.set_template sets SMAP against it; without, the guest could enter virtual-8086 mode."""
    frame = (0, 0, 0x2_3202, 0, 0, 0, 0, 0, 0)
    for smap in (True, False):
        state = bare.cpu.save()
        if not smap:
            flags = ctypes.c_uint32.from_buffer(state, bare.cpu.states._hflags)
            flags.value &= ~(1 << 23)
            bare.cpu.restore(state)
        bare.seen.clear()
        bare.write(SP, b"".join(word.to_bytes(4, "little") for word in frame))
        bare.run("cf")
        error, _software = bare.cpu.states.exception()
        raw = Registers(bare.unicorn, [IDS["rflags"]]).read()[0]
        assert (raw & 0x2_3000 == 0x2_3000) is not smap
        if smap:
            assert (bare.seen, error) == ([PF], 1), "the supervisor may not read what is the user's"


def test_one_way_of_writing_rip_blinds_later_hooks(bare: Bare) -> None:
    """After uc_reg_write, hooks are not told where they are until the run's end; X86Cpu writes a batch."""
    seen = []

    def work(_unicorn: int, _port: int, _size: int, _data: int) -> int:
        seen.append(bare.cpu.pc)
        return 0

    bare.unicorn.add_hook(native.HOOK_INSN, native.PORT_IN_HOOK(work), instruction=IN)

    def single(value: int) -> None:
        pointer = ctypes.byref(ctypes.c_uint64(value))
        bare.unicorn.lib.uc_reg_write(bare.unicorn.handle, RIP, pointer)

    def batch(value: int) -> None:
        bare.cpu.pc = value

    for write in (single, batch):

        def then(vector: int, write: Callable[[int], None] = write) -> bool:
            write(CODE + 2)
            return vector == 0x31

        bare.then = then
        bare.run("cd31 90 90 ec cd30")
    assert seen == [CODE + 2, CODE + 4]


def test_cpuid_and_the_time_are_the_hosts_or_the_models(bare: Bare) -> None:
    """Instructions answers both."""
    bare.run("b801000000 31c9 0fa2 cd30")
    assert bare.cpu.get("rcx") & (1 << 26), "XSAVE, which would need CR4.OSXSAVE"
    times = []
    for _ in range(2):
        bare.run("0f31 cd30")
        times.append(bare.cpu.get("rdx") << 32 | bare.cpu.get("rax"))
    assert times[1] - times[0] > 1000


def test_the_default_model_has_random_numbers_of_the_hosts() -> None:
    """MODEL is one that has not."""
    bare = Bare(HASWELL)
    values = set()
    for _ in range(3):
        bare.run("480fc7f0 cd30")
        values.add(bare.cpu.get("rax"))
    assert bare.seen == [0x30] * 3
    assert len(values) == 3
    bare.close()


@pytest.mark.parametrize(
    ("code", "what"),
    [
        ("660f6f4601", "an unaligned SSE operand"),
        ("c74602ffffffff 0fae5602", "reserved bits in mxcsr"),
        ("c70600000000 0fae16 0f57c0 0f5ec0", "an unmasked SSE exception"),
        ("f0891e", "a lock prefix that is not allowed"),
        ("c5f828c0", "VEX without AVX"),
    ],
)
def test_faults_that_unicorn_does_not_raise(bare: Bare, code: str, what: str) -> None:
    """Listed in x86_64.py; on hardware each of these traps."""
    assert bare.run(code + "cd30") == native.ERR_OK
    assert bare.seen == [0x30], what


def test_alignment_is_not_checked(bare: Bare) -> None:
    bare.cpu.set("rflags", 0x4_0202)
    bare.run("8b4601 cd30")
    assert bare.seen == [0x30]


def test_sse_leaves_no_flags(bare: Bare) -> None:
    bare.run("0f57c0 0f5ec0 cd30")  # 0/0 raises IE
    assert bare.cpu.get("mxcsr") == 0x1F80


def test_flags_after_loopne_may_be_garbage(bare: Bare) -> None:
    """With rcx = 1 the branch is left before the flags are stored; X86Cpu guards reads against that."""
    bare.write(CODE, bytes.fromhex("4839f0 e000 cd30"))
    raw = set()
    for rcx in (1, 2):
        bare.cpu.set("rcx", rcx)
        bare.cpu.set("rax", 0x3000)
        bare.cpu.set("rsi", 0x1000)
        bare.resume(CODE)
        assert bare.cpu.get("rflags") & 0x3202 == 0x202
        raw.add(Registers(bare.unicorn, [IDS["rflags"]]).read()[0])
    assert len(raw) == 2, "the comparison is the same"


def test_a_stop_is_precise_at_interrupts_and_calls(bare: Bare) -> None:
    """Nothing of the next instruction is done when INTR or SYSCALL hooks ask for a stop."""
    bare.hook(SYSCALL, lambda: bare.stop() or 0)
    for code in ("cd30 48ffc1", "0f05 48ffc1", "cc 48ffc1"):
        bare.run(code)
        assert bare.cpu.get("rcx") == 0
        assert bare.cpu.pc == CODE + code.index(" ") // 2


def test_x86_numbers_are_those_of_the_binding() -> None:
    const = pytest.importorskip("unicorn.x86_const")
    for name, number in (IDS | VECTORS).items():
        assert getattr(const, f"UC_X86_REG_{name.upper()}") == number
    for name in ("CR0", "CR4", "CS", "DR0", "GDTR", "MSR"):
        assert getattr(const, f"UC_X86_REG_{name}") == getattr(x86_64_registers, name)
    for name in ("FPCW", "FPTAG"):
        assert getattr(const, f"UC_X86_REG_{name}") == getattr(x86_64_boot, f"_{name}")
    for name in ("CPUID", "IN", "OUT", "RDTSC", "RDTSCP", "SYSCALL", "SYSENTER"):
        assert getattr(const, f"UC_X86_INS_{name}") == getattr(x86_64_instructions, f"_{name}")
    assert const.UC_CPU_X86_SANDYBRIDGE == MODEL
