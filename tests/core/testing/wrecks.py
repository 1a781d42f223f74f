"""Ports that break the contract, one way each: the example port with one of its hooks spoiled."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

from fairlead_skiff import plugin as skiff
from fairlead_skiff.kernel import Kernel

from fairlead import hookimpl
from fairlead.port import Port, PortObject, Services
from fairlead.syscall import Pending, Result

AFTER = 3
"""Calls that a spoiled hook serves as it should."""


def _spoiled(hook: str, fault: Callable[[Kernel], object]) -> type[Kernel]:
    """A kernel whose hook does something else from some call on."""
    sound = getattr(Kernel, hook)

    class Wreck(Kernel):
        calls = 0

    # pluggy asks a hook's signature which arguments it wants, so each has one of its own
    def newosproc(self, thread):
        return serve(self, thread)

    def nanotime(self):
        return serve(self)

    def handle_trap(self, cpu, trap):
        return serve(self, cpu, trap)

    def syscall(self, cpu, call):
        return serve(self, cpu, call)

    def deliver_signal(self, cpu, signal):
        return serve(self, cpu, signal)

    def serve(self, *arguments):
        self.calls += 1
        return fault(self) if self.calls > AFTER else sound(self, *arguments)

    implementations = (newosproc, nanotime, handle_trap, syscall, deliver_signal)
    (own,) = (each for each in implementations if each.__name__ == hook)
    setattr(Wreck, hook, hookimpl(own))
    return Wreck


def _raise(error: BaseException) -> Callable[[Kernel], object]:
    def fault(kernel: Kernel) -> object:
        raise error

    return fault


def _hang(kernel: Kernel) -> object:
    while True:
        pass


def _eat(kernel: Kernel) -> object:
    hoard = []
    while True:
        hoard.append(bytearray(16 << 20))


def _hoard(kernel: Kernel) -> object:
    """What it eats it keeps, in small pieces."""
    kernel.hoard = []
    while True:
        kernel.hoard.append(bytearray(40))


def _answer(value: object) -> Callable[[Kernel], object]:
    return lambda kernel: value


_HOOKS = ("newosproc", "nanotime", "handle_trap", "syscall", "deliver_signal")
_FAULTS: dict[str, Callable[[Kernel], object]] = {
    "raises": _raise(KeyError("lost\nhold")),
    "leaves": _raise(SystemExit(0)),
    "silent": _answer(None),
    "hangs": _hang,
    "eats": _eat,
}

KERNELS: dict[str, type[Kernel]] = {
    "sound": Kernel,
    **{f"{name}-{hook}": _spoiled(hook, fault) for name, fault in _FAULTS.items() for hook in _HOOKS},
    "hoards": _spoiled("syscall", _hoard),
    "zero-id": _spoiled("newosproc", _answer(0)),
    "no-such-id": _spoiled("newosproc", _answer(4711)),
    "old-id": _spoiled("newosproc", _answer(1000)),
    "zero-time": _spoiled("nanotime", _answer(0)),
    "back-in-time": _spoiled("nanotime", _answer(1)),
    "half-time": _spoiled("nanotime", _answer(1e18)),
    "wordy": _spoiled("nanotime", _answer("later\n" * 100_000)),
    "no-number": _spoiled("syscall", _answer(Result("three"))),
    "no-queues": _spoiled("syscall", _answer(Pending(None, _answer(None)))),
}


def _boot(kernel: type[Kernel], services: Services) -> PortObject:
    return kernel(services)


@hookimpl
def fairlead_ports() -> Iterable[Port]:
    (port,) = skiff.fairlead_ports()
    stock = port.guest._replace(overlay=None)
    return [
        port._replace(name=name, guest=stock, boot=partial(_boot, kernel)) for name, kernel in KERNELS.items()
    ]
