"""What a check's probe is given: one port, the kit's program built for it, and a way to run it."""

from __future__ import annotations

from pathlib import Path

from fairlead.port import Port
from fairlead.testing.check import Check, CheckFailed
from fairlead.testing.runner import Ran, Runner

__all__ = ["Lab"]


class Lab:
    """One trial: its runs are kept, for what has to be said of them all."""

    def __init__(self, port: Port, check: Check, image: Path, runner: Runner) -> None:
        self.port = port
        self.check = check
        self.image = image
        """The kit's guest program (testing/guest), built for the port."""
        self.runs: list[Ran] = []
        self._runner = runner

    def run(
        self, *arguments: str, options: tuple[str, ...] = (), stdin: bytes = b"", record: bool = True
    ) -> Ran:
        """Run the guest program with arguments, the check's options and further ones.

        Without `record` nobody observes the run, and no hook is counted.
        """
        words = (
            "run",
            f"--port={self.port.name}",
            "--unfinished",
            *((f"--max-time={self.check.limit}",) if self.check.limit else ()),
            *self.check.options,
            *options,
            str(self.image),
            *arguments,
        )
        ran = self._runner.run(*words, stdin=stdin, record=record)
        self.runs.append(ran)
        return ran

    def must_have_called(self) -> None:
        """CheckFailed unless the runs called the check's hook as often as the check needs it."""
        if self.calls < self.check.calls:
            raise CheckFailed(
                f"hook {self.check.hook} was called {self.calls} times where the trial makes "
                f"{self.check.calls} calls or more"
            )

    @property
    def calls(self) -> int:
        return sum(each.hooks.get(self.check.hook, 0) for each in self.runs)

    @property
    def guest_time_ns(self) -> int:
        return sum(each.record.get("guest_time_ns", 0) for each in self.runs)

    @property
    def host_seconds(self) -> float:
        return sum(each.host_seconds for each in self.runs)
