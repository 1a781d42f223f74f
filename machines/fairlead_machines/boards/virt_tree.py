"""The device tree of the board `virt` (Devicetree specification 0.4; node shapes as QEMU generates them)."""

from __future__ import annotations

from collections.abc import Mapping

import fdt

from fairlead.errors import UsageError
from fairlead.machine import BoardOptions, Part

__all__ = ["ISA", "SOURCES", "device_tree"]

ISA = "rv64imafdc_zicsr_zifencei"
SOURCES = 95
"""Interrupt sources of the PLIC (riscv,ndev)."""
_CPU, _CPU_INTERRUPTS, _PLIC, _TEST = 1, 2, 3, 4
"""Phandles."""
_MACHINE_SOFTWARE, _MACHINE_TIMER, _MACHINE_EXTERNAL, _SUPERVISOR_EXTERNAL = 3, 7, 11, 9
_UART_CLOCK = 3_686_400

Value = int | str | bytes | list[int] | list[str] | None


def device_tree(options: BoardOptions, parts: Mapping[str, Part], timebase: int) -> bytes:
    """The flattened tree (version 17): chosen, cpus, memory, devices."""
    memory = parts["memory"].address
    serial = _path("serial", parts["serial"])
    tree = fdt.FDT()
    root = _node(
        "/",
        {
            "#address-cells": 2,
            "#size-cells": 2,
            "compatible": "riscv-virtio",
            "model": "riscv-virtio,fairlead",
        },
        _node(
            "chosen",
            {
                "stdout-path": f"/soc/{serial}",
                "bootargs": options.bootargs.encode("utf-8", "surrogateescape") + b"\0",
                **{_checked(name): data for name, data in options.properties.items()},
            },
        ),
        _node(f"memory@{memory:x}", {"device_type": "memory", "reg": _reg(memory, options.memory)}),
        _node(
            "cpus",
            {"#address-cells": 1, "#size-cells": 0, "timebase-frequency": timebase},
            _cpu(),
        ),
        _node(
            "soc",
            {"#address-cells": 2, "#size-cells": 2, "compatible": "simple-bus", "ranges": None},
            *(_node(_path(name, parts[name]), _device(parts[name], kind)) for name, kind in _DEVICES.items()),
        ),
        _node(
            "poweroff",
            {"compatible": "syscon-poweroff", "regmap": _TEST, "offset": 0, "value": 0x5555},
        ),
        _node("reboot", {"compatible": "syscon-reboot", "regmap": _TEST, "offset": 0, "value": 0x7777}),
    )
    tree.root = root
    flat: bytes = tree.to_dtb(version=17)
    return flat


def _cpu() -> fdt.Node:
    return _node(
        "cpu@0",
        {
            "device_type": "cpu",
            "reg": 0,
            "status": "okay",
            "compatible": "riscv",
            "riscv,isa": ISA,
            "mmu-type": "riscv,sv39",
            "phandle": _CPU,
        },
        _node(
            "interrupt-controller",
            {
                "#interrupt-cells": 1,
                "interrupt-controller": None,
                "compatible": "riscv,cpu-intc",
                "phandle": _CPU_INTERRUPTS,
            },
        ),
    )


_DEVICES: dict[str, dict[str, Value]] = {
    "test": {"compatible": ["sifive,test1", "sifive,test0", "syscon"], "phandle": _TEST},
    "rtc": {"compatible": "google,goldfish-rtc"},
    "clint": {
        "compatible": ["sifive,clint0", "riscv,clint0"],
        "interrupts-extended": [_CPU_INTERRUPTS, _MACHINE_SOFTWARE, _CPU_INTERRUPTS, _MACHINE_TIMER],
    },
    "plic": {
        "compatible": ["sifive,plic-1.0.0", "riscv,plic0"],
        "#address-cells": 0,
        "#interrupt-cells": 1,
        "interrupt-controller": None,
        "interrupts-extended": [_CPU_INTERRUPTS, _MACHINE_EXTERNAL, _CPU_INTERRUPTS, _SUPERVISOR_EXTERNAL],
        "riscv,ndev": SOURCES,
        "phandle": _PLIC,
    },
    "serial": {"compatible": "ns16550a", "clock-frequency": _UART_CLOCK},
}


def _device(part: Part, properties: Mapping[str, Value]) -> dict[str, Value]:
    described = {**properties, "reg": _reg(part.address, part.size)}
    if part.interrupt is not None:
        described |= {"interrupts": part.interrupt, "interrupt-parent": _PLIC}
    return described


def _path(name: str, part: Part) -> str:
    return f"{name}@{part.address:x}"


def _reg(address: int, size: int) -> list[int]:
    """Two cells of address, two of size."""
    return [address >> 32, address & 0xFFFF_FFFF, size >> 32, size & 0xFFFF_FFFF]


def _node(name: str, properties: Mapping[str, Value], *children: fdt.Node) -> fdt.Node:
    node = fdt.Node(name)
    for key, value in properties.items():
        node.append(_property(key, value))
    for child in children:
        node.append(child)
    return node


def _property(name: str, value: Value) -> fdt.Property:
    if value is None:
        return fdt.Property(name)
    if isinstance(value, bytes):
        return fdt.PropBytes(name, data=value) if value else fdt.Property(name)
    if isinstance(value, int):
        return fdt.PropWords(name, value)
    if isinstance(value, str):
        return fdt.PropStrings(name, value)
    return fdt.PropStrings(name, *value) if isinstance(value[0], str) else fdt.PropWords(name, *value)


def _checked(name: str) -> str:
    """A property name of the specification's alphabet (section 2.2.4.1), which the library does not check."""
    if not 1 <= len(name) <= 31 or not all(c.isascii() and (c.isalnum() or c in ",._+?#-") for c in name):
        raise UsageError(f"{name!r} is no name for a device tree property")
    return name
