"""The runtime hooks of one booted system: checked when made, plain calls where nobody observes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import Enum
from inspect import getdoc
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pluggy

from fairlead.errors import PortError
from fairlead.hookspecs import RuntimeSpec, hookimpl

if TYPE_CHECKING:
    from fairlead.machine import Cpu
    from fairlead.port import Resume
    from fairlead.signal import Signal
    from fairlead.syscall import Pending, Result, Syscall
    from fairlead.thread import NewThread
    from fairlead.trap import Trap

__all__ = ["RUNTIME_HOOKS", "RuntimeHooks"]

RUNTIME_HOOKS = ("newosproc", "nanotime", "handle_trap", "syscall", "deliver_signal")


class RuntimeHooks:
    """A plugin manager of this system's own: one implementer, any number of observers as wrappers."""

    def __init__(
        self, port: str, implementer: object, observers: Iterable[object], *, unfinished: bool = False
    ) -> None:
        """PortError for a hook that is missing; of an `unfinished` port, only once it is asked for."""
        self._port = port
        self._manager = pluggy.PluginManager("fairlead")
        self._manager.add_hookspecs(RuntimeSpec)
        try:
            self._manager.register(implementer, name=port)
            for observer in observers:
                self._manager.register(observer)
            self._manager.check_pending()
        except pluggy.PluginValidationError as error:
            raise PortError(
                f"port {port}: {' '.join(str(error).split())}", hint="the hooks' names are in hookspecs.py"
            ) from error
        for name in RUNTIME_HOOKS:
            callers = [each for each in self._impls(name) if not (each.wrapper or each.hookwrapper)]
            if not callers and unfinished:
                self._manager.register(SimpleNamespace(**{name: getattr(_Missing(port), name)}))
            elif not callers:
                raise PortError(
                    f"port {port}: hook {name} is missing", hint=f"add a method {name} marked @hookimpl"
                )
            if len(callers) > 1:
                names = ", ".join(each.plugin_name for each in callers)
                raise PortError(f"port {port}: hook {name} is answered more than once, by {names}")

    @property
    def observed(self) -> bool:
        """Does anybody wrap a hook?"""
        return any(self._wrapped(name) for name in RUNTIME_HOOKS)

    def resolve(self, name: str) -> Callable[..., Any]:
        """A callable with the hook's positional arguments: the implementer's own if nobody wraps it."""
        code = getattr(RuntimeSpec, name).__code__
        arguments = code.co_varnames[1 : code.co_argcount]
        if not self._wrapped(name):
            (implementation,) = self._impls(name)
            if tuple(implementation.argnames) == arguments:
                return implementation.function
        caller = getattr(self._manager.hook, name)
        return lambda *values: caller(**dict(zip(arguments, values, strict=True)))

    def _impls(self, name: str) -> list[pluggy.HookImpl]:
        return list(getattr(self._manager.hook, name).get_hookimpls())

    def _wrapped(self, name: str) -> bool:
        return any(each.wrapper or each.hookwrapper for each in self._impls(name))


class _Missing:
    """Stands in for hooks that are not there: an error with what was asked and what the contract says."""

    def __init__(self, port: str) -> None:
        self._port = port

    @hookimpl
    def newosproc(self, thread: NewThread) -> int:
        raise self._asked("newosproc", thread)

    @hookimpl
    def nanotime(self) -> int:
        raise self._asked("nanotime")

    @hookimpl
    def handle_trap(self, cpu: Cpu, trap: Trap) -> Resume:
        raise self._asked("handle_trap", trap)

    @hookimpl
    def syscall(self, cpu: Cpu, call: Syscall) -> Result | Pending:
        raise self._asked("syscall", call)

    @hookimpl
    def deliver_signal(self, cpu: Cpu, signal: Signal) -> bool:
        raise self._asked("deliver_signal", signal)

    def _asked(self, name: str, *values: object) -> PortError:
        asked = ", ".join(map(_told, values))
        due = (getdoc(getattr(RuntimeSpec, name)) or "").partition("\n")[0].rstrip(".")
        return PortError(
            f"port {self._port}: hook {name} is missing, and was asked {name}({asked})",
            hint=f"add a method {name} marked @hookimpl; hookspecs.py describes it: {due}",
        )


def _told(value: object) -> str:
    """A noun of the contract's as it was made, addresses in hexadecimal."""
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, int):
        return hex(value) if type(value) is int else str(value)
    if isinstance(value, (tuple, list)) and not hasattr(value, "_fields"):
        return f"({', '.join(map(_told, value))})"
    names = getattr(value, "_fields", None) or getattr(type(value), "__slots__", None)
    if not names:
        return str(value)
    fields = ", ".join(f"{each}={_told(getattr(value, each))}" for each in names if getattr(value, each))
    return f"{type(value).__name__}({fields})"
