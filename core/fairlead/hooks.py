"""The runtime hooks of one booted system: checked when made, plain calls where nobody observes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pluggy

from fairlead.errors import PortError
from fairlead.hookspecs import RuntimeSpec

__all__ = ["RUNTIME_HOOKS", "RuntimeHooks"]

RUNTIME_HOOKS = ("newosproc", "nanotime", "handle_trap", "syscall", "deliver_signal")


class RuntimeHooks:
    """A plugin manager of this system's own: one implementer, any number of observers as wrappers."""

    def __init__(self, port: str, implementer: object, observers: Iterable[object]) -> None:
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
            if not callers:
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
