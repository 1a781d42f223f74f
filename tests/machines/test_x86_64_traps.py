"""What each instruction that traps leaves for the handler.

The frames in FRAMES were compared with hardware's: trapno, err, rip, rsp and cr2 of the signal frame that
Linux makes on an AMD EPYC, with CR4.OSXSAVE and FSGSBASE set as they are not here.
"""

from __future__ import annotations

from typing import NamedTuple

import pytest
from x86_64_lab import CODE, DATA, NOWHERE, SECOND, SP, STACK, WILD, PcLab

from fairlead.machine import PAGE_SIZE, Prot, Stop
from fairlead.trap import Trap, TrapKind

DE, DB, BP, OF, UD, SS, GP, PF, MF = 0, 1, 3, 4, 6, 12, 13, 14, 16
MASK = (1 << 64) - 1

# Registers as each frame's code finds them; [rsp] holds WILD, rdx is null, rbx points to read-only code.
REGISTERS = {"rax": WILD, "rbx": CODE, "rcx": 4, "rdx": 0, "rsp": SP, "rbp": 0, "rsi": DATA, "rdi": CODE}


class Frame(NamedTuple):
    """Code, vector, and the frame's error code, rip as offset from the start, CR2 and rsp."""

    name: str
    code: str
    vector: int
    error: int = 0
    at: int = 0
    address: int = 0
    rsp: int | None = SP
    length: int = 0
    """By how much rip is past the instruction, for traps that leave it after it."""


FRAMES = [
    Frame("call rax", "ffd0", GP),
    Frame("call r8", "41ffd0", GP),
    Frame("call [rsp]", "ff1424", GP),
    Frame("call [rsi+8]", "ff5608", GP),
    Frame("call [rip+2] to data", "ff1502000000 9090 7856341200 00adde", GP),
    Frame("jmp rax", "ffe0", GP),
    Frame("jmp [rsp]", "ff2424", GP),
    Frame("ret", "c3", GP),
    Frame("ret 16", "c21000", GP),
    Frame("nop; nop; call rax", "9090ffd0", GP, at=2),
    Frame("load", "488b00", GP),
    Frame("store", "488900", GP),
    Frame("mov rsp, rax; push rax", "4889c450", SS, at=3, rsp=WILD),
    Frame("mov rsp, rax; pop rax", "4889c458", SS, at=3, rsp=WILD),
    Frame("mov rsp, rax; load [rsp]", "4889c4488b0424", SS, at=3, rsp=WILD),
    Frame("mov rbp, rax; load [rbp]", "4889c5488b4500", SS, at=3),
    Frame("mov rbp, rax; leave", "4889c5c9", SS, at=3),
    Frame("mov rbp, rax; fs load [rbp]", "4889c564488b4500", GP, at=3),
    Frame("mov rsp, rax; ret", "4889c4c3", SS, at=3, rsp=WILD),
    Frame("mov rsp, rax; call rel", "4889c4e800000000", SS, at=3, rsp=WILD),
    Frame("load null", "480302", PF, error=4),
    Frame("store null", "488902", PF, error=6),
    Frame("inc [rdx]", "ff4200", PF, error=6),
    Frame("lock inc [rdx]", "f0ff4200", PF, error=6),
    Frame("add [rdx], rax", "480102", PF, error=6),
    Frame("cmp [rdx], rax", "483902", PF, error=4),
    Frame("cmp [rdx], imm8", "483b02", PF, error=4),
    Frame("or [rdx], imm8", "800a01", PF, error=6),
    Frame("cmp byte [rdx], 1", "803a01", PF, error=4),
    Frame("xchg [rdx], rax", "488702", PF, error=6),
    Frame("cmpxchg", "480fb102", PF, error=6),
    Frame("xadd", "0fc102", PF, error=6),
    Frame("cmpxchg16b", "480fc70a", PF, error=6),
    Frame("not [rdx]", "f712", PF, error=6),
    Frame("test [rdx], imm", "f60201", PF, error=4),
    Frame("shl [rdx], 3", "c12203", PF, error=6),
    Frame("bts [rdx], eax", "0fab02", PF, error=6, address=0x1234_5678 >> 5 << 2),
    Frame("bt [rdx], 1", "0fba2201", PF, error=4),
    Frame("btr [rdx], 1", "0fba3201", PF, error=6),
    Frame("sete [rdx]", "0f9402", PF, error=6),
    Frame("pop [rdx]", "8f02", PF, error=6),
    Frame("push [rdx]", "ff32", PF, error=4),
    Frame("inc [rbx], read-only", "ff03", PF, error=7, address=CODE),
    Frame("rep stosq", "f348ab", PF, error=7, address=CODE),
    Frame("jmp to null", "ffe2", PF, error=0x14, at=-CODE),
    Frame("jmp to data", "ffe6", PF, error=0x15, at=DATA - CODE, address=DATA),
    Frame("ud2", "0f0b", UD),
    Frame("nop; ud2", "900f0b", UD, at=1),
    Frame("ud0", "0fff", UD),
    Frame("push es", "06", UD),
    Frame("lock nop", "f090", UD),
    Frame("far jmp", "ea00000000 0000", UD),
    Frame("monitor", "0f01c8", UD),
    Frame("mwait", "0f01c9", UD),
    Frame("xgetbv without OSXSAVE", "0f01d0", UD),
    Frame("rdfsbase without FSGSBASE", "f30faec0", UD),
    Frame("rdrand", "0fc7f0", UD),
    Frame("rdseed", "0fc7f8", UD),
    Frame("rdpid", "f30fc7f8", UD),
    Frame("sysenter", "0f34", UD),
    Frame("int3", "cc", BP, length=1),
    Frame("int 3", "cd03", BP, length=2),
    Frame("int 4", "cd04", OF, length=2),
    Frame("int1", "f1", DB, length=1),
    Frame("int 0", "cd00", GP, error=0x02),
    Frame("int 13", "cd0d", GP, error=0x6A),
    Frame("int 14", "cd0e", GP, error=0x72),
    Frame("int 1", "cd01", GP, error=0x0A),
    Frame("hlt", "f4", GP),
    Frame("cli", "fa", GP),
    Frame("sti", "fb", GP),
    Frame("in al, dx", "ec", GP),
    Frame("in eax, 0x60", "e560", GP),
    Frame("out dx, al", "ee", GP),
    Frame("out 0x80, al", "e680", GP),
    Frame("insb", "488d7e106c", GP, at=4),
    Frame("rep outsb", "f36e", GP),
    Frame("rdmsr", "0f32", GP),
    Frame("wrmsr", "0f30", GP),
    Frame("rdpmc", "0f33", GP),
    Frame("mov rax, cr0", "0f20c0", GP),
    Frame("mov cr3, rax", "0f22d8", GP),
    Frame("mov rax, dr0", "0f21c0", GP),
    Frame("swapgs", "0f01f8", GP),
    Frame("invlpg", "0f013b", GP),
    Frame("wbinvd", "0f09", GP),
    Frame("clts", "0f06", GP),
    Frame("ltr", "480f001b", GP),
    Frame("xor ecx, ecx; xsetbv", "31c90f01d1", GP, at=2),
    Frame("sysret", "0f07", GP),
    Frame("sysexit", "0f35", GP),
    Frame("iret", "cf", GP),
    Frame("iretq", "48cf", GP),
    Frame("retf", "cb", GP),
    Frame("retfq", "48cb", GP),
    Frame("mov ds, eax", "8ed8", GP, error=0x5678),
    Frame("mov eax, 8; mov ss, eax", "b8080000008ed0", GP, error=8, at=5),
    Frame("16 bytes of prefixes", "66" * 15 + "90", GP),
    Frame("div 0", "31c9f7f1", DE, at=2),
    Frame("div overflow", "ba01000000b900000000 83c101 f7f1", DE, at=13),
    Frame("fxsave, unaligned", "0fae4601", GP),
    Frame("fdivp by zero, fwait", "c70600000000 d92e d9e8 d9ee def9 9b", MF, at=14),
]


def vector_kind(frame: Frame) -> TrapKind:
    if frame.vector == PF:
        if frame.error & 16:
            return TrapKind.FETCH_FAULT
        return TrapKind.STORE_FAULT if frame.error & 2 else TrapKind.LOAD_FAULT
    return {
        DE: TrapKind.DIVIDE, DB: TrapKind.BREAKPOINT, BP: TrapKind.BREAKPOINT, UD: TrapKind.ILLEGAL,
        MF: TrapKind.DIVIDE,
    }.get(frame.vector, TrapKind.PROTECTION)  # fmt: skip


@pytest.fixture(scope="module")
def shared() -> PcLab:
    """One machine for all frames: nothing of one trap may be left for the next."""
    return PcLab()


@pytest.mark.parametrize("frame", FRAMES, ids=lambda frame: frame.name)
def test_frames(shared: PcLab, frame: Frame) -> None:
    lab = shared
    lab.cpu.restore(lab.cpu.blank())
    lab.load(frame.code)
    for register, value in REGISTERS.items():
        lab.cpu.set(register, value)
    lab.cpu.set("r8", WILD)
    wild = WILD.to_bytes(8, "little")
    lab.write(lab.stack_frame + SP - STACK, wild)
    lab.write(lab.data_frame + 8, wild)
    before = lab.cpu.general()
    trap = lab.trap()
    pc = CODE + frame.at
    assert trap == Trap(vector_kind(frame), frame.vector, pc & MASK, frame.address, frame.error)
    assert lab.cpu.pc == pc + frame.length & MASK
    assert lab.cpu.get("rsp") == frame.rsp
    if not frame.at:
        assert lab.cpu.general() == before
    if frame.vector == PF:
        assert lab.cpu.get("cr2") == frame.address


@pytest.mark.parametrize("vector", [0x20, 0x30, 0x80, 0xFF])
def test_software_interrupts_are_calls(counted_pc: PcLab, vector: int) -> None:
    lab = counted_pc
    end = lab.load(f"90 cd{vector:02x}")
    assert lab.trap() == Trap(TrapKind.SYSCALL, vector, end - 2)
    assert lab.cpu.pc == end


def test_the_syscall_instruction(counted_pc: PcLab) -> None:
    """rcx and r11 get rip and rflags (Intel SDM volume 2B, SYSCALL); 0x100 stands for its vector."""
    lab = counted_pc
    end = lab.load("4831c0 0f05 cd30")
    lab.cpu.set("rax", 5)
    assert lab.trap() == Trap(TrapKind.SYSCALL, 0x100, CODE + 3)
    assert (lab.cpu.pc, lab.cpu.get("rcx"), lab.cpu.get("r11")) == (CODE + 5, CODE + 5, 0x246)
    assert lab.cpu.get("rflags") == 0x246
    lab.until_call()
    assert lab.cpu.pc == end


@pytest.mark.parametrize("call", ["0f05", "cd30"])
def test_a_handler_may_send_the_guest_elsewhere(counted_pc: PcLab, call: str) -> None:
    """As signal delivery does: new rip and registers, from inside the handler, with and without leaving."""
    lab = counted_pc
    lab.load("48ffc3 cd31", at=CODE + 0x100)
    lab.load("48ffc0", call, "48ffc0")
    for leave in (True, False, True):
        lab.cpu.pc = CODE
        lab.cpu.set("rbx", 0)
        lab.cpu.set("rax", 0)

        def on_trap(trap: Trap, leave: bool = leave) -> bool:
            if trap.cause == 0x31:
                return False
            lab.cpu.pc = CODE + 0x100
            lab.cpu.set("rbx", 41)
            return not leave

        assert lab.machine.run(1 << 60, on_trap) is Stop.HANDLER
        if leave:
            assert lab.cpu.pc == CODE + 0x100
            assert lab.machine.run(1 << 60, on_trap) is Stop.HANDLER
        assert (lab.cpu.get("rax"), lab.cpu.get("rbx")) == (1, 42)


@pytest.mark.parametrize("call", ["0f05", "cd30", "0f0b", "488b02", "ec"])
def test_a_handler_may_switch_threads(counted_pc: PcLab, call: str) -> None:
    lab = counted_pc
    lab.load("4883c001 cd31", at=CODE + 0x100)
    lab.load("4883c002", call, "90")
    other = lab.cpu.blank()
    lab.cpu.poke(other, "rip", CODE + 0x100)
    lab.cpu.poke(other, "rax", 1000)
    lab.cpu.set("rdx", 0)
    saved = []

    def on_trap(trap: Trap) -> bool:
        if trap.cause == 0x31:
            return False
        saved.append(lab.cpu.save())
        lab.cpu.restore(other)
        return True

    assert lab.machine.run(1 << 60, on_trap) is Stop.HANDLER
    assert lab.cpu.get("rax") == 1001
    assert lab.cpu.pc == CODE + 0x106
    after = CODE + 4 + (len(call) // 2 if call in ("0f05", "cd30") else 0)
    assert (lab.cpu.peek(saved[0], "rax"), lab.cpu.peek(saved[0], "rip")) == (2, after)


def test_errors_in_a_handler_come_out_of_run(counted_pc: PcLab) -> None:
    lab = counted_pc

    def on_trap(trap: Trap) -> bool:
        raise KeyError(trap.kind)

    for code in ("cd30", "0f05", "0f0b", "fa", "488b02", "ec", "cc"):
        lab.load(code, "90ebfe")
        lab.cpu.set("rdx", 0)
        with pytest.raises(KeyError):
            lab.machine.run(1 << 60, on_trap)
        lab.load("90cd30")
        lab.until_call()


def test_a_call_to_nowhere_is_undone(counted_pc: PcLab) -> None:
    """With the counter of blocks and with that of instructions; the memory above rsp is untouched."""
    lab = counted_pc
    lab.write(lab.stack_frame + SP - STACK, bytes(range(16)))
    for code, length in (("ffd0", 2), ("41ffd0", 3), ("ff1425 00006000", 7), ("ff942400010000", 7)):
        lab.load("90" * 5, code)
        lab.write(lab.data_frame, WILD.to_bytes(8, "little"))
        lab.write(lab.stack_frame + SP - STACK + 0x100, WILD.to_bytes(8, "little"))
        for register in ("rax", "r8"):
            lab.cpu.set(register, WILD)
        lab.cpu.set("rsp", SP)
        assert lab.trap() == Trap(TrapKind.PROTECTION, GP, CODE + 5), code
        assert (lab.cpu.pc, lab.cpu.get("rsp")) == (CODE + 5, SP)
        lab.cpu.pc += length
        lab.load("cd30", at=lab.cpu.pc)
        lab.until_call()
    assert lab.word(SP) == 0x0706_0504_0302_0100


def test_the_handler_can_answer_a_call_to_nowhere(pc: PcLab) -> None:
    """What a port does with a magic address: look at rax, do the work, step over the call."""
    pc.load("ffd0 4889c7 cd30")
    pc.cpu.set("rax", WILD)

    def on_trap(trap: Trap) -> bool:
        if trap.kind is TrapKind.SYSCALL:
            return False
        assert pc.cpu.get("rax") == WILD
        pc.cpu.set("rax", 77)
        pc.cpu.pc = trap.pc + 2
        return True

    assert pc.machine.run(1 << 60, on_trap) is Stop.HANDLER
    assert (pc.cpu.get("rdi"), pc.cpu.get("rsp")) == (77, SP)


def test_a_branch_that_is_not_understood_is_reported_at_its_target(pc: PcLab) -> None:
    """A return whose frame is gone by the time of the fault, here because a store replaced it."""
    pc.load("c3")
    pc.cpu.set("rsp", SP)
    pc.write(pc.stack_frame + SP - STACK, WILD.to_bytes(8, "little"))
    pc.machine._counter.last_block_end = lambda: CODE + 0x300  # as if the block ended elsewhere
    assert pc.trap() == Trap(TrapKind.PROTECTION, GP, WILD)
    assert (pc.cpu.pc, pc.cpu.get("rsp")) == (WILD, SP + 8)


def test_storms_of_faults(counted_pc: PcLab) -> None:
    """Unicorn never forgets a fault and would make the next one a double fault."""
    lab = counted_pc
    # load null; cli; load wild; div by zero; call wild; push to a wild stack …
    lab.load("488b02 fa 488b00 f7f1 ffd0 0f0b ec 488902 ebed")
    lab.cpu.set("rax", WILD)
    lab.cpu.set("rcx", 0)
    lengths = [3, 1, 3, 2, 2, 2, 1, 3]
    vectors = [PF, GP, GP, DE, GP, UD, GP, PF]
    seen = 0

    def on_trap(trap: Trap) -> bool:
        nonlocal seen
        step = seen % len(vectors)
        assert (trap.cause, trap.pc) == (vectors[step], CODE + sum(lengths[:step])), seen
        lab.cpu.pc = trap.pc + lengths[step]
        seen += 1
        return seen < 10_000

    assert lab.machine.run(1 << 60, on_trap) is Stop.HANDLER
    assert seen == 10_000


def test_a_fault_in_a_handlers_own_run_is_separate(pc: PcLab) -> None:
    """A fault, then other code runs and faults (a signal handler), then the first is taken up again."""
    pc.load("488b02 cd30")
    pc.load("fa", at=CODE + 0x100)
    pc.cpu.pc = CODE
    assert pc.trap().cause == PF
    first = pc.cpu.save()
    pc.cpu.pc = CODE + 0x100
    assert pc.trap().cause == GP
    pc.cpu.restore(first)
    assert pc.trap() == Trap(TrapKind.LOAD_FAULT, PF, CODE, 0, 4)
    pc.mmu.map(0, pc.data_frame, PAGE_SIZE, Prot.READ)
    pc.until_call()


def test_repeated_strings_stop_where_they_fault(pc: PcLab) -> None:
    """Registers say how far a rep came (Intel SDM volume 2B, REP)."""
    pc.load("f3a4 cd30")
    pc.cpu.set("rsi", DATA)
    pc.cpu.set("rdi", DATA + 0x4000 - 100)
    pc.cpu.set("rcx", 1000)
    assert pc.trap() == Trap(TrapKind.STORE_FAULT, PF, CODE, DATA + 0x4000, 6)
    assert (pc.cpu.get("rsi"), pc.cpu.get("rdi"), pc.cpu.get("rcx")) == (DATA + 100, DATA + 0x4000, 900)
    pc.mmu.map(DATA + 0x4000, pc.allocate(PAGE_SIZE), PAGE_SIZE, Prot.READ | Prot.WRITE)
    pc.until_call()
    assert pc.cpu.get("rcx") == 0


@pytest.mark.parametrize(
    ("access", "size"), [("488b0f", 8), ("48890f", 8), ("0f100f", 16), ("0f110f", 16), ("48ff07", 8)]
)
def test_accesses_across_a_page_fault_at_the_page(pc: PcLab, access: str, size: int) -> None:
    pc.load(access)
    pc.cpu.set("rdi", DATA + 0x4000 - size + 3)
    before = pc.machine.ram.view[: pc.machine.ram.size].tobytes()
    trap = pc.trap()
    assert (trap.cause, trap.pc, trap.address) == (PF, CODE, DATA + 0x4000)
    assert pc.machine.ram.view[: pc.machine.ram.size] == before


@pytest.mark.parametrize("filler", ["90", "48ffc0", "48ff02", "4883c001"])
@pytest.mark.parametrize("cut", [1, 2, 4])
def test_instructions_across_an_unmapped_page(counted_pc: PcLab, filler: str, cut: int) -> None:
    """Everything before the instruction is done, once, and the fault is at its start."""
    lab = counted_pc
    filled = (0x100 // (len(filler) // 2)) * (len(filler) // 2)
    start = CODE + 0x4000 - cut - filled
    lab.load(filler * (filled * 2 // len(filler)), "b80a0000"[: 2 * cut], at=start)
    lab.cpu.set("rax", 0)
    lab.cpu.set("rdx", DATA)
    lab.write(lab.data_frame, bytes(8))
    clock = lab.machine.clock.now()
    assert lab.trap() == Trap(TrapKind.FETCH_FAULT, PF, CODE + 0x4000 - cut, CODE + 0x4000, 0x14)
    assert lab.machine.clock.now() - clock < 3000
    assert not lab.cpu.get("rflags") & 0x100
    count = filled * 2 // len(filler)
    assert lab.cpu.get("rax") == {"48ffc0": count, "4883c001": count}.get(filler, 0)
    assert lab.word() == (count if filler == "48ff02" else 0)
    lab.mmu.map(CODE + 0x4000, lab.allocate(PAGE_SIZE), PAGE_SIZE, Prot.READ | Prot.EXEC)
    lab.write(lab._next - PAGE_SIZE, bytes.fromhex("b80a000000cd30")[cut:])
    lab.until_call()
    assert lab.cpu.get("rax") == 10


def test_a_fault_on_the_way_to_an_unmapped_page(counted_pc: PcLab) -> None:
    lab = counted_pc
    lab.load("90 488b02 90 b8", at=CODE + 0x4000 - 6)
    assert lab.trap() == Trap(TrapKind.LOAD_FAULT, PF, CODE + 0x4000 - 5, 0, 4)
    assert not lab.cpu.get("rflags") & 0x100
    lab.load("90 ec 9090 b8", at=CODE + 0x4000 - 5)
    assert lab.trap() == Trap(TrapKind.PROTECTION, GP, CODE + 0x4000 - 4)
    assert not lab.cpu.get("rflags") & 0x100
    lab.load("90 0f0b 90 b8", at=CODE + 0x4000 - 5)
    assert lab.trap().cause == UD


def test_single_steps(counted_pc: PcLab) -> None:
    """TF traps after each instruction, with rip after it; a handler may clear it."""
    lab = counted_pc
    lab.load("90 48ffc0 48ffc0 48ffc0 cd30")
    lab.cpu.set("rflags", 0x302)
    lab.cpu.set("rax", 0)
    for after in (1, 4, 7):
        assert lab.trap() == Trap(TrapKind.BREAKPOINT, DB, CODE + after)
        assert lab.cpu.pc == CODE + after
    lab.cpu.set("rflags", 0x202)
    lab.until_call()
    assert lab.cpu.get("rax") == 3


def test_port_access_leaves_no_trace_in_registers(counted_pc: PcLab) -> None:
    """Unicorn goes on to the block's end after `in`; none of that is seen, nor are traps in it."""
    lab = counted_pc
    for rest in ("48ffc048ffc0", "488b02", "cd30", "0f05", "0f0b", "fa", "0fa2", "0f31", "ec", "ffd3"):
        lab.load("48ffc1 ec", rest, "ebfe")
        lab.cpu.set("rax", 7)
        lab.cpu.set("rdx", 0)
        lab.cpu.set("rbx", WILD)
        lab.cpu.set("rcx", 0)
        before = lab.machine.clock.now()
        lab.traps.clear()
        assert lab.run() is Stop.HANDLER
        assert lab.traps == [Trap(TrapKind.PROTECTION, GP, CODE + 3)], rest
        assert (lab.cpu.get("rax"), lab.cpu.get("rcx"), lab.cpu.pc) == (7, 1, CODE + 3)
        assert lab.machine.clock.now() - before < 110


def test_port_access_can_be_emulated_by_the_handler(counted_pc: PcLab) -> None:
    lab = counted_pc
    lab.load("ec 88c3 ee 4831c9 cd30")
    log = []

    def on_trap(trap: Trap) -> bool:
        log.append((trap.cause, trap.pc - CODE))
        if trap.kind is TrapKind.SYSCALL:
            return False
        if trap.pc == CODE:
            lab.cpu.set("rax", 0x41)
        lab.cpu.pc = trap.pc + 1
        return True

    assert lab.machine.run(1 << 60, on_trap) is Stop.HANDLER
    assert log == [(GP, 0), (GP, 3), (0x30, 7)]
    assert lab.cpu.get("rbx") == 0x41


def test_iret_cannot_leave_long_mode(pc: PcLab) -> None:
    """Unicorn's iret takes a frame with VM set to virtual-8086 mode, with the IOPL of its choice."""
    for code in ("cf", "48cf", "66cf"):
        low = 0x7000_0000
        frame = pc.allocate(PAGE_SIZE)
        pc.mmu.map(low, frame, PAGE_SIZE, Prot.READ | Prot.WRITE)
        words = (CODE, 0x33, 0x2_3202, SP & 0xFFFF_FFFF, 0x2B, 0, 0, 0, 0)
        for size in (2, 4, 8):
            pc.write(frame, b"".join((word & (1 << 8 * size) - 1).to_bytes(size, "little") for word in words))
            pc.load(code)
            pc.cpu.set("rsp", low)
            assert pc.trap() == Trap(TrapKind.PROTECTION, GP, CODE)
            assert pc.cpu.get("rflags") == 0x202


def test_flags_of_the_system_are_out_of_reach(pc: PcLab) -> None:
    """popf in ring 3 changes neither IF nor IOPL."""
    pc.load("6800f03f00 9d cd30")
    pc.until_call()
    assert pc.cpu.get("rflags") & 0x3200 == 0x200


def test_nothing_is_mapped_at_first(pc: PcLab) -> None:
    mmu = pc.machine.new_mmu(pc.allocate)
    mmu.activate()
    pc.cpu.pc = CODE
    assert pc.trap() == Trap(TrapKind.FETCH_FAULT, PF, CODE, CODE, 0x14)


def test_no_address_space_at_all(pc: PcLab) -> None:
    pc.cpu.set("cr3", 0)
    pc.cpu.pc = NOWHERE
    assert pc.trap() == Trap(TrapKind.FETCH_FAULT, PF, NOWHERE, NOWHERE, 0x14)


def test_endless_faults_end_with_the_deadline(counted_pc: PcLab) -> None:
    """A guest that does nothing but fault, under a handler that never gives up, costs guest time."""
    lab = counted_pc
    lab.cpu.pc = NOWHERE
    assert lab.run(SECOND // 10_000, leave=False) is Stop.DEADLINE
    assert 900 < len(lab.traps) <= 1001
