"""From a port, an image and settings to a finished run: what `run` and `exec` share."""

from __future__ import annotations

import os
import select
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType, MappingProxyType
from typing import BinaryIO, NamedTuple, TextIO

from fairlead.errors import FairleadError, MachineError, PortError, UsageError
from fairlead.guest.image import Image
from fairlead.machine import Board, BoardOptions
from fairlead.plugins import find_board
from fairlead.port import Mount, Port, Program
from fairlead.signal import Sig
from fairlead.system import Exit, System

__all__ = ["Settings", "launch", "parse_checks", "parse_options"]

_FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT, signal.SIGHUP)


class Settings(NamedTuple):
    """What the options of run, exec and test say."""

    environment: Mapping[str, str] = MappingProxyType({})
    mounts: Sequence[Mount] = ()
    cwd: str = "/"
    seed: int = 0
    clock: str = "virtual"
    epoch: int | None = None
    """Nanoseconds since 1970-01-01 UTC; None for the board's default."""
    memory: int | None = None
    """Bytes of guest RAM; None for the board's default."""
    max_time: int | None = None
    """Guest nanoseconds."""
    counter: str = "auto"
    options: Mapping[str, str] = MappingProxyType({})
    """The port's own options as text."""
    strace: str | None = None
    """A file, "" for standard error, None for off."""
    trace: Mapping[str, str] = MappingProxyType({})
    """Kind of trace to its file, "" for standard error."""
    check: Sequence[str] = ()
    """Names of checks that the port offers."""
    result: Path | None = None
    time_hooks: bool = False
    """Measure the host's CPU time in each hook for the result."""
    timeline: Path | None = None
    gdb: str | None = None
    """[HOST:]PORT to wait at for a debugger."""
    adversity: bool = False
    """Serve the calls that conformance checks' programs ask for trouble by (fairlead.testing.adversity)."""
    unfinished: bool = False
    """Hooks may be missing until the guest asks for one."""


_FAULTS = frozenset({Sig.SIGILL, Sig.SIGTRAP, Sig.SIGABRT, Sig.SIGBUS, Sig.SIGFPE, Sig.SIGSEGV, Sig.SIGSYS})
"""Signals whose end of a guest is worth a line: something is wrong with it."""
_LOOK = 50
"""Milliseconds of waiting between two looks at whether the host wants to stop."""


class _Console:
    """The board's serial port on the host's standard streams; input is not offered there."""

    def __init__(self) -> None:
        self.stopped: Callable[[], bool] = lambda: False
        self._poll = select.poll()
        self._poll.register(1, select.POLLOUT)

    def write(self, data: bytes) -> None:
        """Wait for a reader that is slow, unless the run is to end; a serial port loses what nobody reads."""
        rest = memoryview(data)
        while rest:
            if not self._poll.poll(_LOOK):
                if self.stopped():
                    return
                continue
            try:
                rest = rest[os.write(1, rest[: select.PIPE_BUF]) :]
            except BlockingIOError:
                continue
            except OSError:
                return

    def read(self, limit: int) -> bytes | None:
        return None


def parse_options(port: Port, given: Mapping[str, str]) -> dict[str, object]:
    """The port's options with defaults filled in; UsageError names a wrong one and lists what there is."""
    known = {option.name: option for option in port.options}
    for name in given:
        if name not in known:
            names = ", ".join(sorted(known)) or "none"
            raise UsageError(f"port {port.name} has no option {name!r}", hint=f"its options: {names}")
    parsed: dict[str, object] = {}
    for name, option in known.items():
        text = given.get(name, option.default)
        try:
            parsed[name] = option.parse(text)
        except ValueError as error:
            raise UsageError(f"--set {name}={text}: {error}", hint=option.help) from None
    return parsed


def parse_checks(port: Port, given: Sequence[str]) -> frozenset[str]:
    """The checks wanted; UsageError for one that the port does not offer."""
    for name in given:
        if name not in port.checks:
            offered = ", ".join(port.checks) or "none"
            raise UsageError(f"port {port.name} has no check {name!r}", hint=f"its checks: {offered}")
    return frozenset(given)


@contextmanager
def _host_signals(system: System) -> Iterator[None]:
    """Hand the host's signals to the guest while it runs; only a flag is set in the handler."""

    def forward(number: int, _frame: FrameType | None) -> None:
        system.interrupt(number)

    before = {number: signal.signal(number, forward) for number in _FORWARDED}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _debugger(settings: Settings, system: System) -> Iterator[None]:
    """Have a debugger hold the guest up, if one is wanted."""
    if settings.gdb is None:
        yield
        return
    from fairlead.debug.server import GdbServer
    from fairlead.debug.wire import Listener, parse_address

    server = GdbServer(system, Listener(parse_address(settings.gdb)))
    with server.serving():
        yield


def _open(stack: ExitStack, path: str) -> TextIO:
    if not path:
        return sys.stderr
    try:
        return stack.enter_context(Path(path).open("w", encoding="utf-8", errors="backslashreplace"))
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from None


def _open_raw(stack: ExitStack, path: Path) -> BinaryIO:
    try:
        return stack.enter_context(path.open("wb", buffering=0))
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from None


def _observers(settings: Settings, stack: ExitStack) -> tuple[list[object], list[Callable[[System], None]]]:
    """Observers to register, and what has to be told the system once it is there."""
    observers: list[object] = []
    attach: list[Callable[[System], None]] = []
    if settings.strace is not None:
        from fairlead.observe.strace import Strace

        strace = Strace(_open(stack, settings.strace))
        observers.append(strace)
        attach.append(strace.attach)
    if settings.trace:
        from fairlead.observe.trace import Trace

        files = {path: _open(stack, path) for path in set(settings.trace.values())}
        trace = Trace({kind: files[path] for kind, path in settings.trace.items()})
        if trace.observes:
            observers.append(trace)
        attach.append(trace.attach)
    if settings.result is not None:
        from fairlead.observe.counters import Counters

        observers.append(Counters())
    if settings.time_hooks:
        from fairlead.observe.hooktimes import HookTimes

        observers.append(HookTimes())
    if settings.timeline is not None:
        from fairlead.observe.timeline import Timeline

        timeline = Timeline(_open_raw(stack, settings.timeline))
        observers.append(timeline)

        def begin(system: System) -> None:
            timeline.attach(system)
            stack.callback(timeline.close)  # while the machine, and so its clock, is still there

        attach.append(begin)
    if settings.adversity:
        from fairlead.testing.adversity import Adversity

        adversity = Adversity()
        observers.append(adversity)
        attach.append(adversity.attach)
    return observers, attach


def _board_of(port: Port) -> Board:
    try:
        return find_board(port.board)
    except UsageError as error:  # not the user's choice
        raise PortError(f"port {port.name}: {error.what}", hint=error.hint) from None


def launch(port: Port, image: Image, arguments: Sequence[str], settings: Settings) -> Exit:
    """Run an image to its end; FairleadError if the run itself fails."""
    image.check_port(port)
    options = parse_options(port, settings.options)
    checks = parse_checks(port, settings.check)
    board = _board_of(port)
    program = Program(image, arguments, settings.environment, settings.mounts, settings.cwd)
    console = _Console()
    board_options = BoardOptions(
        console=console, clock=settings.clock, seed=settings.seed, counter=settings.counter
    )
    if settings.memory is not None:
        board_options = board_options._replace(memory=settings.memory)
    if settings.epoch is not None:
        board_options = board_options._replace(epoch=settings.epoch)
    if port.configure is not None:
        board_options = port.configure(program, board_options)
    with ExitStack() as stack:
        observers, attach = _observers(settings, stack)
        machine = board.build(board_options)
        stack.callback(machine.close)
        system = System(
            port,
            machine,
            program,
            options=options,
            seed=settings.seed,
            checks=checks,
            observers=observers,
            max_time=settings.max_time,
            unfinished=settings.unfinished,
        )
        console.stopped = system.stop_requested
        for each in attach:
            each(system)
        stack.callback(_summary, system)
        with _host_signals(system), _debugger(settings, system):
            outcome = _run(system)
        if settings.result is not None:
            _write_result(settings.result, system, outcome, observers)
        if outcome.signal in _FAULTS:
            _report_crash(system)
        return outcome


def _run(system: System) -> Exit:
    """Run; where the port or the machine fails, the error says who was at work in the guest."""
    try:
        return system.run()
    except (PortError, MachineError) as error:
        from fairlead.observe.crash import callers

        if where := callers(system):
            error.what += f", with the guest in {where}"
        raise


def _report_crash(system: System) -> None:
    """One line, and of a fault that the program did not handle what led there."""
    print(f"fairlead: {_last_words(system)}", file=sys.stderr)
    if system.fatal is not None and system.fatal.synchronous:
        from fairlead.observe.crash import crash_report

        print(*crash_report(system), sep="\n", file=sys.stderr)


def _last_words(system: System) -> str:
    """What ended a guest that did not end itself."""
    signal, pc = system.fatal, system.fatal_pc
    assert signal is not None
    said = f"the guest was ended by {Sig(signal.number).name}"
    if not signal.synchronous:
        return said
    said += f" at pc {pc:#x}"
    return said if signal.number in (Sig.SIGILL, Sig.SIGTRAP) else f"{said}, address {signal.address:#x}"


def _summary(system: System) -> None:
    """Name every call that was answered ENOSYS, once, in one line."""
    if system.unknown_calls:
        calls = ", ".join(f"{name} ({count})" for name, count in sorted(system.unknown_calls.items()))
        print(f"fairlead: system calls that {system.port.name} does not have: {calls}", file=sys.stderr)


def _write_result(path: Path, system: System, outcome: Exit, observers: Sequence[object]) -> None:
    from fairlead.observe.counters import Counters
    from fairlead.observe.hooktimes import HookTimes
    from fairlead.observe.result import result_json

    counters = next(each for each in observers if isinstance(each, Counters))
    times = next((each for each in observers if isinstance(each, HookTimes)), None)
    try:
        path.write_text(result_json(system, outcome, counters, times), encoding="utf-8")
    except OSError as error:
        raise FairleadError(f"cannot write the result to {path}: {error.strerror}") from None
