"""Puts the parts of the board `virt` together."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from fairlead.machine import BoardOptions, Console, Machine, Part, Stop
from fairlead_machines.boards.assembly import make_clock, open_engine
from fairlead_machines.devices.clint import Clint
from fairlead_machines.devices.device import Device
from fairlead_machines.devices.finisher import Finisher
from fairlead_machines.devices.goldfish_rtc import GoldfishRtc
from fairlead_machines.devices.plic import Plic
from fairlead_machines.devices.uart16550 import Uart16550
from fairlead_machines.engine.counter import Counter
from fairlead_machines.engine.native import ARCH_RISCV, MODE_RISCV64, Unicorn
from fairlead_machines.engine.ram import EngineRam
from fairlead_machines.engine.riscv64 import Riscv64Machine
from fairlead_machines.engine.riscv64_cpu import Riscv64Cpu
from fairlead_machines.engine.riscv64_emulate import TIMEBASE
from fairlead_machines.engine.riscv64_interrupts import EXTERNAL
from fairlead_machines.engine.wakeup import Wakeup
from fairlead_machines.firmware.sbi.firmware import SbiFirmware

__all__ = ["VirtMachine", "build"]

_JUMP_TO_ITSELF = bytes.fromhex("6f000000")
_SOURCES = 95


class VirtMachine(Riscv64Machine):
    """`Machine` for the board `virt`, and the platform its firmware stands on."""

    def __init__(
        self,
        options: BoardOptions,
        parts: Sequence[Part],
        unicorn: Unicorn,
        ram: EngineRam,
        counter: Counter,
    ) -> None:
        wakeup = Wakeup()
        super().__init__(
            unicorn,
            ram,
            make_clock(options, counter, wakeup),
            counter,
            wakeup,
            Riscv64Cpu(unicorn, user=options.user),
        )
        self.console: Console = options.console
        self.exit_code = 0
        """What the test finisher was given, once `run` has answered SHUTDOWN."""
        self._options = options
        self._parts = {part.name: part for part in parts}
        self._tree: bytes | None = None
        self.firmware = self._firmware = SbiFirmware(self)
        self.calls = self._firmware.calls
        self.foreign = self._firmware.foreign
        plic = Plic(_SOURCES, [_unconnected, partial(self.interrupts.set_line, EXTERNAL)])
        lines = {part.name: plic.source(part.interrupt) for part in parts if part.interrupt is not None}
        self._serial = Uart16550(options.console, lines["serial"])
        self._attach("test", Finisher(self._finish))
        self._attach("rtc", GoldfishRtc(self.clock.now, self.clock.epoch, self.set_alarm, lines["rtc"]))
        self._attach("clint", Clint(self.ticks, self.set_timer, self._set_software))
        self._attach("plic", plic)
        self._attach("serial", self._serial)

    def device_tree(self) -> bytes:
        """Made when first asked for (about 2 ms); whoever boots the guest puts it into RAM and passes a1."""
        if self._tree is None:
            from fairlead_machines.boards.virt_tree import device_tree

            self._tree = device_tree(self._options, self._parts, TIMEBASE)
        return self._tree

    def _take_interrupts(self) -> bool:
        self._serial.poll()
        return super()._take_interrupts()

    def _finish(self, code: int) -> None:
        self.exit_code = code
        self.leave(Stop.SHUTDOWN)

    def _set_software(self, level: bool) -> None:
        if level:
            self.interrupts.send_software()
        else:
            self.interrupts.clear_software()

    def _attach(self, name: str, device: Device) -> None:
        """Map a device, whose errors must not pass through the engine's C frames."""
        part = self._parts[name]

        def read(offset: int, size: int) -> int:
            try:
                return device.read(offset, size)
            except BaseException as error:
                self.carry(error)
                return 0

        def write(offset: int, size: int, value: int) -> None:
            try:
                device.write(offset, size, value)
            except BaseException as error:
                self.carry(error)

        self.unicorn.map_mmio(part.address, part.size, read, write)

    # The firmware's platform.

    def send_software_interrupt(self) -> None:
        self.interrupts.send_software()

    def clear_software_interrupt(self) -> None:
        self.interrupts.clear_software()

    def wait_for_interrupt(self) -> None:
        self.leave(Stop.WAIT)

    def power_off(self) -> None:
        self.leave(Stop.SHUTDOWN)

    def memory(self, address: int, size: int) -> memoryview | None:
        start = address - self.ram.base
        if start < 0 or start + size > self.ram.size:
            return None
        return self.ram.view[start : start + size]

    def probe(self, extension: int) -> bool:
        return self._firmware.probe(extension)


def build(options: BoardOptions, parts: Sequence[Part]) -> Machine:
    """Make a machine; UsageError for options that make no sense."""
    base = next(part.address for part in parts if part.name == "memory")
    unicorn, ram, counter = open_engine(
        options, "virt", base, ARCH_RISCV, MODE_RISCV64, None, _JUMP_TO_ITSELF
    )
    return VirtMachine(options, parts, unicorn, ram, counter)


def _unconnected(level: bool) -> None:
    """The PLIC's machine-mode context: the firmware takes no external interrupts."""
