"""Ports put through checks: every pair in processes of its own, several at once, one outcome each."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from fairlead.port import Port
from fairlead.testing.check import Check, CheckFailed, Outcome
from fairlead.testing.lab import Lab
from fairlead.testing.runner import FAIRLEAD, Runner

__all__ = ["GUEST", "build_kit", "put_on_trial", "try_check"]

GUEST = Path(__file__).parent / "guest"
"""The Go module that every port runs; one program, a part for each check."""
_BUILD = 900.0
"""Seconds of host time that building the kit's program may take."""


def build_kit(port: Port, image: Path, runner: Runner | None = None) -> str:
    """Build the kit's program for a port; what went wrong, or nothing."""
    runner = runner or Runner(seconds=_BUILD)
    ran = runner.run("build", f"--port={port.name}", "-o", str(image), str(GUEST), record=False)
    return "" if ran.code == 0 else f"the kit's program does not build: {ran.last_words}"


def try_check(port: Port, check: Check, image: Path, runner: Runner) -> Outcome:
    """One check on one port; it never raises for what the port does."""
    lab = Lab(port, check, image, runner)
    why = ""
    try:
        check.probe(lab)
        lab.must_have_called()
    except CheckFailed as failure:
        why = str(failure)
    return Outcome(
        check=check.name,
        hook=check.hook,
        port=port.name,
        passed=not why,
        why=why,
        guest_time_ns=lab.guest_time_ns,
        host_seconds=lab.host_seconds,
        calls=lab.calls,
    )


def put_on_trial(
    ports: Iterable[Port],
    checks: Sequence[Check],
    *,
    seconds: float = 60.0,
    command: Sequence[str] = FAIRLEAD,
    jobs: int | None = None,
    tell: Callable[[Outcome], None] = lambda _: None,
) -> list[Outcome]:
    """Every check on every port; outcomes in that order, each told as it comes.

    `seconds` of host time bound each run. An interrupt ends what is under way and comes out of here.
    """
    runner = Runner(command, seconds=seconds)
    builder = Runner(command, seconds=_BUILD)
    outcomes: dict[tuple[str, str], Outcome] = {}
    ports = list(ports)

    def keep(outcome: Outcome) -> None:
        outcomes[outcome.port, outcome.check] = outcome
        tell(outcome)

    with tempfile.TemporaryDirectory(prefix="fairlead-kit-") as name:
        folder = Path(name)
        pool = ThreadPoolExecutor(jobs or os.cpu_count() or 1)
        try:
            builds = {pool.submit(build_kit, port, folder / port.name, builder): port for port in ports}
            trials = []
            for build in as_completed(builds):
                port = builds[build]
                why = build.result()
                for check in checks:
                    if why:
                        keep(
                            Outcome(check=check.name, hook=check.hook, port=port.name, passed=False, why=why)
                        )
                    else:
                        trials.append(pool.submit(try_check, port, check, folder / port.name, runner))
            for trial in as_completed(trials):
                keep(trial.result())
        except BaseException:
            runner.stop()
            builder.stop()
            raise
        finally:
            pool.shutdown(cancel_futures=True)
    return [outcomes[port.name, check.name] for port in ports for check in checks]
