"""Holds a guest up for a debugger: when it stops, what is told, and how it goes on.

All threads stop together, and the guest's time with them: nothing that the guest can see depends on where a
debugger stopped it. Which thread runs when stays the port's choice; a debugger that lets one thread go on
alone gets that as far as the instruction it stands at.
"""

from __future__ import annotations

import signal as host
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from fairlead.debug.packets import Ending, Resumption
from fairlead.debug.points import Points
from fairlead.debug.rsp import Kind
from fairlead.debug.session import Session
from fairlead.debug.signals import INTERRUPT, TRAP, to_gdb
from fairlead.debug.wire import Connection, Listener
from fairlead.errors import FairleadError
from fairlead.signal import Sig, Signal
from fairlead.system import System
from fairlead.thread import Thread, ThreadState

__all__ = ["GdbServer"]

_SI_USER = 0


class GdbServer:
    """A `Debugger` that is one connection's other end."""

    def __init__(self, system: System, listener: Listener) -> None:
        self._system = system
        self._listener = listener
        self._wire: Connection | None = None
        self._session: Session | None = None
        self._tracer = system.machine.trace(self._halted)
        self._arrived = False
        self._stepping: Thread | None = None
        self._steps_alone = False
        self._armed = False
        self._left = 0
        """Instructions that the stepping thread may begin before it stops."""
        self._ran: Thread | None = None
        self._posted: set[tuple[int, int]] = set()
        """(thread, signal) that the debugger has sent, which are no news to it."""
        system.debugger = self

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Notice what arrives while the guest runs; the debugger is told how it ended."""
        before = host.signal(host.SIGIO, self._on_arrival)
        try:
            yield
            self._ended()
        except FairleadError as error:
            self._tell_end(f"W{error.exit_code:02x}")
            raise
        finally:
            self._listener.close()
            if self._wire is not None:
                self._wire.close()
            host.signal(host.SIGIO, before)  # with nobody left to send it, as it would end the process

    def _ended(self) -> None:
        outcome = self._system.outcome
        if outcome is None:
            return
        if outcome.signal:
            self._tell_end(f"X{to_gdb(outcome.signal):02x}")
        else:
            self._tell_end(f"W{outcome.status:02x}")

    def _tell_end(self, packet: str) -> None:
        wire, self._wire = self._wire, None
        if wire is not None:
            if not wire.gone:
                wire.send(packet.encode())
            wire.close()

    def _on_arrival(self, _number: int, _frame: FrameType | None) -> None:
        """SIGIO's handler."""
        self._arrived = True
        self._system.machine.request_stop()

    # What the driver tells.

    def before_run(self, thread: Thread) -> None:
        self._save_steps()
        if self._session is None:
            self._wait(thread)
        else:
            watched = self._watched()
            if watched:
                ran = (
                    self._ran
                    if self._ran is not None and self._ran.state is not ThreadState.ENDED
                    else thread
                )
                self._stop(ran, TRAP, watched)
            elif self._stepping is not None and self._stepping.state is ThreadState.ENDED:
                alone, self._stepping = self._steps_alone, None
                if alone:
                    self._stop(thread, TRAP)
            self._heed(thread)
        self._ran = thread
        self._arm(thread)

    def before_idle(self) -> None:
        self._save_steps()
        threads = self._system.threads()
        if self._session is not None and threads:
            current = self._system.current
            self._heed(current if current in threads else threads[0])

    def before_signal(self, thread: Thread, signal: Signal) -> Signal | None:
        session = self._session
        if session is None:
            return signal
        self._save_steps()
        if (thread.id, signal.number) in self._posted:
            self._posted.remove((thread.id, signal.number))
            return signal
        number = to_gdb(signal.number)
        if number in session.passed and thread is not self._stepping:
            return signal
        resumption = self._hold(thread, number)
        if resumption is None or self._system.debugger is None:
            return signal
        chosen = resumption.of(thread).signal
        if chosen == signal.number:
            return signal
        return Signal(chosen, _SI_USER) if chosen else None

    def _halted(self) -> bool:
        """The tracer has stopped the guest, in the middle of a run."""
        thread = self._system.current
        goes_on = self._judge(thread)
        if goes_on:
            self._arm(thread)
        return goes_on

    def _judge(self, thread: Thread) -> bool:
        """Why the tracer has stopped a thread; False to let the driver go round."""
        session = self._session
        assert session is not None
        watched = self._watched()
        if watched:
            return self._stop(thread, TRAP, watched)
        reason = session.points.reason(self._system.machine.cpu.pc)
        if reason or self._stepping is thread:
            return self._stop(thread, TRAP, reason)
        self._tracer.steps = None
        return True

    # Stopping and going on.

    def _watched(self) -> str:
        """The reason to tell where a watchpoint was hit."""
        watch = self._tracer.take_watch()
        return Points.watch_reason(watch) if watch is not None else ""

    def _save_steps(self) -> None:
        """The guest has been left: what there is to do of a step is kept for the thread's next turn."""
        if self._armed:
            self._left = self._tracer.steps or 0
            self._tracer.steps = None
            self._armed = False

    def _arm(self, thread: Thread) -> None:
        if self._stepping is thread:
            self._tracer.steps = self._left
            self._armed = True

    def _heed(self, thread: Thread) -> None:
        """Look at what arrived while the guest ran: Ctrl-C, or the end of the connection."""
        wire = self._wire
        if not self._arrived or wire is None:
            return
        self._arrived = False
        event = wire.look()
        if wire.gone:
            self._lose()
        elif event is not None and event.kind is Kind.INTERRUPT:
            self._stop(thread, INTERRUPT)

    def _wait(self, thread: Thread) -> None:
        """Stand at the guest's first instruction until a debugger comes and lets it go on."""
        stopped = self._system.stop_requested
        print(
            f"fairlead: waiting for a debugger at {self._listener.name} "
            f"(gdb: target remote :{self._listener.port})",
            file=sys.stderr,
            flush=True,
        )
        self._wire = self._listener.accept(stopped)
        if self._wire is None:
            self._system.end_by_host()
            return
        self._wire.signal_arrivals()
        self._session = Session(self._system)
        self._session.stopped(thread, TRAP)
        resumption = self._serve(self._session, self._wire)
        if resumption is not None:
            self._post(thread, resumption)

    def _stop(self, thread: Thread, number: int, reason: str = "") -> bool:
        """Tell of a stop and serve the debugger; False if the driver has to look after what it wants."""
        resumption = self._hold(thread, number, reason)
        if resumption is None:
            return False
        return not self._post(thread, resumption)

    def _post(self, thread: Thread, resumption: Resumption) -> bool:
        """Send the signals that the debugger makes up; were there any?"""
        posted = False
        for each in self._system.threads():
            chosen = resumption.of(each).signal if each is thread or each in resumption.threads else 0
            if chosen:
                self._posted.add((each.id, chosen))
                self._system.post_signal(each, Signal(chosen, _SI_USER))
                posted = True
        return posted

    def _hold(self, thread: Thread, number: int, reason: str = "") -> Resumption | None:
        session, wire = self._session, self._wire
        assert session is not None and wire is not None
        self._stepping, self._armed, self._tracer.steps = None, False, None
        wire.send(session.stopped(thread, number, reason))
        return self._serve(session, wire)

    def _serve(self, session: Session, wire: Connection) -> Resumption | None:
        """Answer until the guest is to go on; None if it is to end."""
        while (event := wire.receive()) is not None:
            if event.kind is Kind.INTERRUPT:
                continue  # it stands already
            answer = session.answer(event.payload)
            if isinstance(answer, Resumption):
                self._go_on(session, answer)
                return answer
            if isinstance(answer, Ending):
                self._end(answer, wire)
                return None if answer.kills else Resumption({}, None)
            wire.send(answer)
            if session.no_acknowledgements:
                wire.stop_acknowledging()
        if wire.gone:
            self._lose()
        else:
            self._system.end_by_host()
        return None

    def _go_on(self, session: Session, resumption: Resumption) -> None:
        self._tracer.set_breakpoints(session.points.addresses)
        self._tracer.set_watches(session.points.watches)
        stepping = [
            each
            for each in (session.thread, *self._system.threads())
            if (action := resumption.threads.get(each)) is not None and action.step
        ]
        if not stepping and resumption.others is not None and resumption.others.step:
            stepping = [session.thread]
        if stepping:
            self._stepping, self._left = stepping[0], 1
            self._steps_alone = resumption.others is None

    def _end(self, ending: Ending, wire: Connection) -> None:
        if ending.reply:
            wire.send(ending.reply)
        wire.close()
        self._wire = None
        self._let_go()
        if ending.kills:
            self._system.exit_by_signal(Sig.SIGKILL)

    def _lose(self) -> None:
        """The debugger has gone without a word: the guest, which was its own, is killed."""
        print("fairlead: the debugger's connection has ended, and the guest with it", file=sys.stderr)
        self._wire = None
        self._let_go()
        self._system.exit_by_signal(Sig.SIGKILL)

    def _let_go(self) -> None:
        self._stepping, self._armed = None, False
        self._tracer.close()
        self._system.debugger = None
