"""A system's hooks: what is wrong with a port is found when it boots, and named."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from fairlead import hookimpl
from fairlead.errors import PortError
from fairlead.hooks import RUNTIME_HOOKS, RuntimeHooks
from fairlead.hookspecs import RuntimeSpec


class Whole:
    """A port's hooks, each answering something of its own."""

    @hookimpl
    def newosproc(self, thread):  # type: ignore[no-untyped-def]
        return 7

    @hookimpl
    def nanotime(self):  # type: ignore[no-untyped-def]
        return 1_000

    @hookimpl
    def handle_trap(self, cpu, trap):  # type: ignore[no-untyped-def]
        return ("trap", cpu, trap)

    @hookimpl
    def syscall(self, call):  # type: ignore[no-untyped-def]
        return ("call", call)

    @hookimpl
    def deliver_signal(self, cpu, signal):  # type: ignore[no-untyped-def]
        return True


class Doubling:
    """An observer of one hook."""

    @hookimpl(wrapper=True)
    def nanotime(self) -> Generator[None, int, int]:
        return 2 * (yield)


def test_the_names_are_the_spec_s() -> None:
    assert set(RUNTIME_HOOKS) == {name for name in vars(RuntimeSpec) if not name.startswith("_")}


def test_an_unobserved_hook_is_the_implementer_s_own_method() -> None:
    port = Whole()
    hooks = RuntimeHooks("whole", port, [])
    assert not hooks.observed
    assert hooks.resolve("handle_trap") == port.handle_trap
    assert hooks.resolve("handle_trap")("cpu", "trap") == ("trap", "cpu", "trap")


def test_a_hook_that_takes_fewer_arguments_gets_the_right_ones() -> None:
    assert RuntimeHooks("whole", Whole(), []).resolve("syscall")("cpu", "call") == ("call", "call")


def test_an_observer_wraps_its_hook_and_leaves_the_others_alone() -> None:
    port = Whole()
    hooks = RuntimeHooks("whole", port, [Doubling()])
    assert hooks.observed
    assert hooks.resolve("nanotime")() == 2_000
    assert hooks.resolve("handle_trap") == port.handle_trap


@pytest.mark.parametrize("name", RUNTIME_HOOKS)
def test_a_missing_hook_is_named(name: str) -> None:
    lacking = type("Lacking", (), {each: vars(Whole)[each] for each in RUNTIME_HOOKS if each != name})
    with pytest.raises(PortError, match=f"port lacking: hook {name} is missing"):
        RuntimeHooks("lacking", lacking(), [])


def test_a_misspelt_hook_is_named() -> None:
    misspelt = type("Misspelt", (Whole,), {"nanotine": hookimpl(lambda self: 1)})
    with pytest.raises(PortError, match="nanotine"):
        RuntimeHooks("misspelt", misspelt(), [])


def test_a_hook_with_an_argument_that_does_not_exist_is_named() -> None:
    wrong = type("Wrong", (Whole,), {"nanotime": hookimpl(lambda self, when: 1)})
    with pytest.raises(PortError, match="when"):
        RuntimeHooks("wrong", wrong(), [])


def test_two_answers_to_one_hook_are_refused() -> None:
    second = type("Second", (), {"nanotime": hookimpl(lambda self: 5)})
    with pytest.raises(PortError, match="hook nanotime is answered more than once"):
        RuntimeHooks("whole", Whole(), [second()])
