"""Faults that interrupts and switches of threads bring with them (hook handle_trap)."""

from __future__ import annotations

from itertools import count

from mutant import Mutant

from fairlead.trap import TrapKind

__all__ = ["HOOK", "MUTANTS"]

HOOK = "handle_trap"
HANDLE_TRAP = {
    "opensbi": "fairlead_opensbi.ethanol.kernel:Ethanol.handle_trap",
    "akaros": "fairlead_akaros.akaros:Akaros.handle_trap",
    "linux": "fairlead_linux.kernel:Kernel.handle_trap",
}
RISCV64 = "fairlead_machines.engine.riscv64_cpu:Riscv64Cpu"
X86_64 = "fairlead_machines.engine.x86_64_cpu:X86Cpu"
INTERRUPTS = (TrapKind.TIMER,)
FEW = 2


def clobbers(register, value=0):
    """After an interrupt a register holds something else."""

    def fault(original):
        def handle_trap(self, cpu, trap):
            answer = original(self, cpu, trap)
            if trap.kind in INTERRUPTS:
                cpu.set(register, value)
            return answer

        return handle_trap

    return fault


def loses(register, value=0):
    """A thread that has waited finds something else in a register."""

    def fault(original):
        def restore(self, context):
            original(self, context)
            self.set(register, value)

        return restore

    return fault


def only_at_first(original):
    """Armed a few times, then no more."""
    numbers = count()

    def arm(self):
        if next(numbers) < FEW:
            original(self)

    return arm


def not_soon(interval):
    """After a few times the next interrupt is years away."""

    def fault(original):
        numbers = count()

        def arm(self):
            if next(numbers) == FEW:
                setattr(self, interval, 1 << 50)
            original(self)

        return arm

    return fault


def takes_the_last_life(original):
    """Lives are taken and never given back: who has lost all runs for ever."""

    def take_life(self, thread):
        left = self._lives.get(thread.id, self._full) - 1
        self._lives[thread.id] = left
        return not left

    return take_life


def takes_no_life(original):
    def take_life(self, thread):
        return False

    return take_life


def the_same_again(original):
    """The thread that has had its share goes on."""

    def pick(self, current, ready):
        return current if current in ready else original(self, current, ready)

    return pick


def no_quantum(original):
    def quantum(self):
        self._tick = None
        self._arm()

    return quantum


MUTANTS = (
    Mutant(
        "an interrupt spoils an integer register",
        ("opensbi",),
        HANDLE_TRAP["opensbi"],
        clobbers("s1"),
        "traps.sweep_switches",
    ),
    Mutant(
        "an interrupt spoils a callee's value",
        ("linux-riscv64",),
        HANDLE_TRAP["linux"],
        clobbers("t5"),
        "traps.sweep_switches",
    ),
    Mutant(
        "an interrupt spoils a floating-point register",
        ("opensbi",),
        HANDLE_TRAP["opensbi"],
        clobbers("f9", 1),
        "traps.sweep_switches",
    ),
    Mutant(
        "an interrupt spoils the rounding mode",
        ("linux-riscv64",),
        HANDLE_TRAP["linux"],
        clobbers("fcsr"),
        "traps.sweep_switches",
    ),
    Mutant(
        "an interrupt spoils an x86 register",
        ("linux-amd64",),
        HANDLE_TRAP["linux"],
        clobbers("r12"),
        "traps.sweep_switches",
    ),
    Mutant(
        "an interrupt spoils the flags",
        ("linux-amd64",),
        HANDLE_TRAP["linux"],
        clobbers("rflags", 0x202),
        "traps.sweep_switches",
    ),
    Mutant(
        "a switch of threads loses an integer register",
        ("opensbi",),
        f"{RISCV64}.restore",
        loses("x18"),
        "traps.sweep_switches",
    ),
    Mutant(
        "a switch of threads loses a floating-point register",
        ("opensbi",),
        f"{RISCV64}.restore",
        loses("f27"),
        "traps.sweep_switches",
    ),
    Mutant(
        "a switch of threads loses the rounding mode",
        ("linux-riscv64",),
        f"{RISCV64}.restore",
        loses("fcsr"),
        "traps.sweep_switches",
    ),
    Mutant(
        "a switch of threads loses a vector register",
        ("akaros",),
        f"{X86_64}.restore",
        loses("xmm13"),
        "traps.sweep_switches",
    ),
    Mutant(
        "a switch of threads loses the flags",
        ("akaros",),
        f"{X86_64}.restore",
        loses("rflags", 0x202),
        "traps.sweep_switches",
    ),
    Mutant(
        "a switch of threads loses MXCSR",
        ("linux-amd64",),
        f"{X86_64}.restore",
        loses("mxcsr", 0x1F80),
        "traps.sweep_switches",
    ),
    Mutant(
        "the timer is not armed again",
        ("opensbi",),
        "fairlead_opensbi.ethanol.kernel:Ethanol._arm_timer",
        not_soon("_interval"),
        "traps.shares",
        limit="500ms",
    ),
    Mutant(
        "slices are not started again",
        ("linux-amd64",),
        "fairlead_linux.kernel:Kernel._start_slice",
        not_soon("_slice"),
        "traps.shares",
        limit="500ms",
    ),
    Mutant(
        "the quantum is not armed again",
        ("akaros",),
        "fairlead_akaros.parlib.vcores:Vcores._arm",
        only_at_first,
        "traps.shares",
        limit="500ms",
    ),
    Mutant(
        "a quantum's end changes nothing",
        ("akaros",),
        "fairlead_akaros.parlib.vcores:Vcores._quantum",
        no_quantum,
        "traps.shares",
        limit="500ms",
    ),
    Mutant(
        "lives are not given back",
        ("opensbi",),
        "fairlead_opensbi.ethanol.ring:Ring.take_life",
        takes_the_last_life,
        "traps.shares",
    ),
    Mutant(
        "lives are not taken",
        ("opensbi",),
        "fairlead_opensbi.ethanol.ring:Ring.take_life",
        takes_no_life,
        "traps.shares",
        limit="500ms",
    ),
    Mutant(
        "the ring has one M",
        ("opensbi",),
        "fairlead_opensbi.ethanol.ring:Ring.pick",
        the_same_again,
        "traps.shares",
        limit="500ms",
    ),
    Mutant(
        "a slice's end changes nothing",
        ("linux-riscv64",),
        "fairlead_linux.kernel:Kernel.pick",
        the_same_again,
        "traps.shares",
        limit="500ms",
    ),
)
