"""Registers, batches and saved contexts of the x86-64 CPU, and the instructions that depend on its model."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from x86_64_lab import CODE, DATA, SP, PcLab

from fairlead.errors import MachineError
from fairlead.machine import Prot
from fairlead.trap import Trap
from fairlead_machines.engine.x86_64_registers import GENERAL, IDS, VECTORS

WORDS = st.integers(0, (1 << 64) - 1)
NAMES = [*GENERAL, "rip", "fs_base", "gs_base"]


@pytest.fixture(scope="module")
def still() -> PcLab:
    """A machine whose registers may have any value, as it does not run."""
    return PcLab()


def test_the_order_of_general(pc: PcLab) -> None:
    assert " ".join(GENERAL) == "rax rcx rdx rbx rsp rbp rsi rdi r8 r9 r10 r11 r12 r13 r14 r15"
    for number, name in enumerate(GENERAL):
        pc.cpu.set(name, number + 100)
    assert list(pc.cpu.general()) == list(range(100, 116))


def test_the_guest_sees_what_was_set(pc: PcLab) -> None:
    """Each register is the one that the instructions mean by its number."""
    for number, name in enumerate(GENERAL):
        pc.cpu.set("rsp", SP)
        pc.cpu.set(name, 0x1122_3344_5566_7788 + number)
        # mov [DATA], register
        pc.load(f"{0x48 | number >> 3 << 2:02x}89{number % 8 << 3 | 4:02x}2500006000 cd30")
        pc.until_call()
        assert pc.word(DATA) == 0x1122_3344_5566_7788 + number
    for number in range(16):
        pc.cpu.set(f"xmm{number}", (number + 1) << 100 | 7)
        # movups [DATA], xmm
        pc.load(f"{0x40 | number >> 3 << 2:02x}0f11{number % 8 << 3 | 4:02x}2500006000 cd30")
        pc.until_call()
        assert pc.word(DATA) | pc.word(DATA + 8) << 64 == (number + 1) << 100 | 7


@given(st.sampled_from(NAMES), WORDS)
def test_registers_hold_64_bits(still: PcLab, name: str, value: int) -> None:
    still.cpu.set(name, value)
    assert still.cpu.get(name) == value
    batch = still.cpu.batch([name])
    assert list(batch.read()) == [value]
    batch.write([value ^ 5 | 1 << 64])
    assert still.cpu.get(name) == value ^ 5


@given(st.sampled_from(sorted(VECTORS)), st.integers(0, (1 << 128) - 1))
def test_vectors_hold_128_bits(still: PcLab, name: str, value: int) -> None:
    still.cpu.set(name, value)
    assert still.cpu.get(name) == value
    context = still.cpu.blank()
    assert still.cpu.peek(context, name) == 0
    still.cpu.poke(context, name, value)
    assert still.cpu.peek(context, name) == value


@given(WORDS)
def test_flags_are_a_user_threads(still: PcLab, value: int) -> None:
    """IF is set and IOPL, VM, VIF, VIP and the reserved bits are clear, by every way there is."""
    expected = value & 0x25_4DD5 | 0x202
    cpu = still.cpu
    cpu.set("rflags", value)
    assert cpu.get("rflags") == expected
    batch = cpu.batch(["rax", "rflags"])
    batch.write([1, 0])
    assert list(batch.read()) == [1, 0x202]
    batch.write([1, value])
    assert list(batch.read()) == [1, expected]
    context = cpu.blank()
    cpu.poke(context, "rflags", value)
    assert cpu.peek(context, "rflags") == expected
    cpu.restore(context)
    assert cpu.get("rflags") == expected


def test_reserved_bits_of_mxcsr_cannot_be_set(still: PcLab) -> None:
    still.cpu.set("mxcsr", 0xFFFF_FFFF)
    assert still.cpu.get("mxcsr") == 0xFFFF


def test_a_blank_context(pc: PcLab) -> None:
    """What fninit and a reset leave, and nothing else."""
    blank = pc.cpu.blank()
    values = {
        name: pc.cpu.peek(blank, name) for name in (*IDS, *VECTORS) if name not in ("cr2", "cr3", "rip")
    }
    assert {name: value for name, value in values.items() if value} == {"rflags": 0x202, "mxcsr": 0x1F80}
    pc.cpu.restore(blank)
    pc.load("9bd93c2500006000 d9342508006000 cd30")  # fstcw, fnstenv
    pc.until_call()
    assert pc.word(DATA) & 0xFFFF == 0x37F
    assert pc.word(DATA + 8) & 0xFFFF == 0x37F
    assert pc.word(DATA + 16) & 0xFFFF == 0xFFFF, "all x87 registers are empty"


# A thread that changes all kinds of state: the x87 stack, SSE registers, DF and the other flags.
WORKER = (
    "d9e8 d9eb d8c1"  # fld1; fldpi; fadd st(0), st(1)
    "f20f2ac0 f20f58c8"  # cvtsi2sd xmm0, eax; addsd xmm1, xmm0
    "f2440f10f9"  # movsd xmm15, xmm1
    "cd30"
    "fd f9"  # std; stc
    "cd31"
    "ddd8 d9e8 def9"  # fstp; fld1; fdivp
    "cd32"
)


def snapshot(lab: PcLab) -> tuple[object, ...]:
    cpu = lab.cpu
    names = (*GENERAL, "rip", "rflags", "fs_base", "gs_base", "mxcsr", *VECTORS)
    return tuple(cpu.get(name) for name in names)


def test_contexts_keep_all_of_a_thread(pc: PcLab) -> None:
    """Threads switched at each call do what they do alone."""
    pc.load(WORKER)
    alone = {}
    contexts = {}
    for thread in (1, 2, 3):
        start = pc.cpu.blank()
        for register, value in {"rip": CODE, "rax": thread, "fs_base": thread << 40, "r15": thread}.items():
            pc.cpu.poke(start, register, value)
        pc.cpu.poke(start, "mxcsr", 0x1F80 | thread << 13)
        contexts[thread] = start
        pc.cpu.restore(start)
        log = []
        for _ in range(3):
            pc.until_call()
            log.append(snapshot(pc))
        alone[thread] = log
    assert len({repr(log) for log in alone.values()}) == 3
    together: dict[int, list[tuple[object, ...]]] = {1: [], 2: [], 3: []}
    for _ in range(3):
        for thread, context in contexts.items():
            pc.cpu.restore(context)
            pc.until_call()
            together[thread].append(snapshot(pc))
            assert pc.cpu.save(context) is context
    assert together == alone


def test_the_x87_stack_survives_a_switch(pc: PcLab) -> None:
    pc.load("d9e8 d9eb cd30 dec1 db3c2500006000 cd31")  # fld1; fldpi; int; faddp; fstp tbyte [DATA]
    pc.until_call()
    saved = pc.cpu.save()
    pc.cpu.restore(pc.cpu.blank())
    pc.load("d9ee" * 8 + "cd30", at=CODE + 0x100)
    pc.until_call()
    pc.cpu.restore(saved)
    pc.until_call()
    assert pc.word(DATA) == 0x8487_ED51_10B4_611A  # pi + 1, its 64-bit significand
    assert pc.word(DATA + 8) & 0xFFFF == 0x4001


def test_the_rounding_mode_is_the_threads(pc: PcLab) -> None:
    """mxcsr set through a context or a register governs what SSE does, not only what stmxcsr says."""
    pc.load("f2480f2dc1 cd30")  # cvtsd2si rax, xmm1
    half = 0x3FF8_0000_0000_0000  # 1.5
    down = pc.cpu.blank()
    for register, value in {"rip": CODE, "xmm1": half, "mxcsr": 0x3F80}.items():
        pc.cpu.poke(down, register, value)
    pc.cpu.set("xmm1", half)
    for _ in range(2):
        pc.cpu.pc = CODE
        pc.cpu.set("mxcsr", 0x1F80)
        pc.cpu.set("xmm1", half)
        pc.until_call()
        assert pc.cpu.get("rax") == 2, "to nearest"
        pc.cpu.restore(down)
        pc.until_call()
        assert pc.cpu.get("rax") == 1, "down"


def test_fs_and_gs_bases(pc: PcLab) -> None:
    pc.load("64488b042508000000 65488b1c2510000000 cd30")
    pc.write(pc.data_frame, b"".join(n.to_bytes(8, "little") for n in range(10, 14)))
    pc.cpu.set("fs_base", DATA)
    pc.cpu.set("gs_base", DATA + 8)
    pc.until_call()
    assert (pc.cpu.get("rax"), pc.cpu.get("rbx")) == (11, 13)


def test_a_context_has_no_address_space(pc: PcLab) -> None:
    """The page tables in force stay, whatever they were when the context was saved."""
    pc.load("a10000600000000000 cd30")  # mov eax, [DATA]
    pc.write(pc.data_frame, b"\1")
    saved = pc.cpu.save()
    other = pc.machine.new_mmu(pc.allocate)
    frame = pc.allocate(0x1000)
    pc.write(frame, b"\2")
    other.map(CODE, pc.code_frame, 0x1000, Prot.READ | Prot.EXEC)
    other.map(DATA, frame, 0x1000, Prot.READ)
    for mmu, value in ((pc.mmu, 1), (other, 2), (pc.mmu, 1)):
        mmu.activate()
        pc.cpu.restore(saved)
        pc.until_call()
        assert pc.cpu.get("rax") == value
        assert pc.cpu.get("cr3") == pc.cpu.cr3


def test_contexts_can_be_used_often(pc: PcLab) -> None:
    pc.load("48ffc0 cd30 ebf9")
    contexts = [pc.cpu.blank() for _ in range(20)]
    for number, context in enumerate(contexts):
        pc.cpu.poke(context, "rip", CODE)
        pc.cpu.poke(context, "rax", number * 1000)
    for turn in range(1, 50):
        for number, context in enumerate(contexts):
            pc.cpu.restore(context)
            pc.until_call()
            pc.cpu.save(context)
            assert pc.cpu.peek(context, "rax") == number * 1000 + turn


@pytest.mark.parametrize(
    "use",
    [
        lambda lab: lab.cpu.get("a0"),
        lambda lab: lab.cpu.set("eax", 1),
        lambda lab: lab.cpu.batch(["rax", "x1"]),
        lambda lab: lab.cpu.batch(["cr3"]),
        lambda lab: lab.cpu.batch(["xmm0"]),
        lambda lab: lab.cpu.peek(lab.cpu.blank(), "cr2"),
        lambda lab: lab.cpu.poke(lab.cpu.blank(), "cr3", 1),
        lambda lab: lab.cpu.restore(b"context"),
        lambda lab: lab.cpu.save(into=7),
        lambda lab: lab.cpu.peek(None, "rax"),
    ],
)
def test_what_cannot_be_is_refused(still: PcLab, use: Callable[[PcLab], object]) -> None:
    with pytest.raises(MachineError):
        use(still)


def cpuid(lab: PcLab, leaf: int, subleaf: int = 0) -> tuple[int, ...]:
    lab.load("0fa2 cd30")
    lab.cpu.set("rax", leaf | 0xFFFF_0000_0000_0000)
    lab.cpu.set("rcx", subleaf)
    lab.until_call()
    return tuple(lab.cpu.get(name) for name in ("rax", "rbx", "rcx", "rdx"))


def test_cpuid(counted_pc: PcLab) -> None:
    lab = counted_pc
    most, *vendor = cpuid(lab, 0)
    assert most == 0x16
    name = b"".join(vendor[n].to_bytes(4, "little") for n in (0, 2, 1))
    assert name == b"GenuineIntel"
    _, _, ecx, edx = cpuid(lab, 1)
    # OSXSAVE, AVX, FMA, F16C, RDRAND, MOVBE, XSAVE and the hypervisor's bit
    for bit in (27, 28, 12, 29, 30, 22, 26, 31):
        assert not ecx & 1 << bit
    for bit in (0, 1, 9, 13, 19, 20, 23, 25):
        assert ecx & 1 << bit, "GOAMD64=v2, AES and PCLMULQDQ"
    for bit in (0, 4, 5, 6, 8, 15, 19, 23, 24, 25, 26):
        assert edx & 1 << bit
    assert cpuid(lab, 7) == (0, 0, 0, 0)
    assert cpuid(lab, 0x15) == (1, 1, 1_000_000_000, 0)
    assert cpuid(lab, 0x8000_0000)[0] == 0x8000_0008
    assert cpuid(lab, 0x8000_0001)[3] == 1 << 11 | 1 << 20 | 1 << 27 | 1 << 29
    brand = b"".join(
        word.to_bytes(4, "little") for leaf in (2, 3, 4) for word in cpuid(lab, 0x8000_0000 | leaf)
    )
    assert brand.rstrip(b"\0") == b"Fairlead x86-64 processor"
    assert cpuid(lab, 0x8000_0007)[3] == 1 << 8, "the time-stamp counter is invariant"
    assert cpuid(lab, 0x4000_0000) == (0, 0, 0, 0)


@pytest.mark.parametrize(
    ("feature", "code"),
    [
        ("SSE3", "f20f7cc1"), ("SSSE3", "660f3800c1"), ("SSE4.1", "660f3a0ec101"), ("SSE4.2", "f20f38f1c1"),
        ("POPCNT", "f30fb8c1"), ("AES", "660f38dcc1"), ("PCLMULQDQ", "660f3a44c100"), ("CMOV", "480f44c1"),
        ("CX16", "480fc70e"), ("CLFLUSH", "0fae3e"), ("FXSR", "0fae06"), ("SSE2", "f20f58c1"),
        ("LAHF", "9f9e"), ("RDTSCP", "0f01f9"), ("MMX", "0ffcc1"), ("PAUSE", "f390"), ("XADD", "480fc106"),
    ],
)  # fmt: skip
def test_what_cpuid_claims_is_executed(pc: PcLab, feature: str, code: str) -> None:
    pc.load(code, "cd30")
    pc.cpu.set("rsi", DATA)
    pc.until_call()
    assert pc.cpu.pc == CODE + len(code) // 2 + 2, feature


@pytest.mark.parametrize("code", ["0f31", "0f01f9"])
def test_the_time_stamp_counter_is_guest_time(counted_pc: PcLab, code: str) -> None:
    lab = counted_pc
    lab.load(code, "4889d7 4889c6 4889cb", code, "cd30")
    times = []
    for name in ("rdi", "rsi"):
        lab.cpu.set(name, 0)
    lab.cpu.set("rcx", (1 << 64) - 1)
    before = lab.machine.clock.now()
    lab.until_call()
    for high, low in (("rdi", "rsi"), ("rdx", "rax")):
        times.append(lab.cpu.get(high) << 32 | lab.cpu.get(low))
    after = lab.machine.clock.now()
    assert before < times[0] <= after
    assert times[1] - times[0] == 20 + (4 if lab.machine.clock.kind == "instructions" else 0)
    assert lab.cpu.get("rbx") == (0 if code == "0f01f9" else (1 << 64) - 1), "rdtscp's processor number"
    lab.machine.time_source = lambda: 0x1_2345_6789
    lab.cpu.pc = CODE
    lab.until_call()
    assert (lab.cpu.get("rdx"), lab.cpu.get("rax")) == (1, 0x2345_6789)


def test_errors_of_the_time_source_come_out_of_run(counted_pc: PcLab) -> None:
    """They end the run at the block's end, and no trap is handed over meanwhile."""
    lab = counted_pc

    def fail() -> int:
        raise KeyError("time")

    lab.machine.time_source = fail
    for rest in ("cd30", "0f05", "0f0b", "fa", "ec", "ebfe"):
        lab.load("0f31", rest)
        with pytest.raises(KeyError):
            lab.run()
    assert lab.traps == []
    lab.machine.time_source = None
    lab.load("0f31 cd30")
    lab.until_call()


@settings(max_examples=30)
@given(st.lists(st.sampled_from(["cd30", "0f05", "0f0b", "fa", "488b02", "f390", "48ffc0"]), max_size=20))
def test_a_trace_is_the_same_with_and_without_leaving(still: PcLab, steps: list[str]) -> None:
    """A handler that answers False and a new run see the same as one that answers True."""
    lab = still
    logs = []
    for leave in (True, False):
        lab.cpu.restore(lab.cpu.blank())
        lab.load(*steps, "cdff")
        log: list[tuple[object, ...]] = []

        def on_trap(trap: Trap, leave: bool = leave, log: list[tuple[object, ...]] = log) -> bool:
            log.append((trap.kind, trap.cause, trap.pc, lab.cpu.pc, lab.cpu.get("rax")))
            if trap.cause != 0xFF and lab.cpu.pc == trap.pc:
                lab.cpu.pc = trap.pc + {13: 1, 6: 2, 14: 3}[trap.cause]
            return trap.cause != 0xFF and not leave

        while not log or log[-1][1] != 0xFF:
            lab.machine.run(1 << 60, on_trap)
        logs.append(log)
    assert logs[0] == logs[1]
