"""One run of `fairlead bench`, from targets and packages to a report."""

from __future__ import annotations

import os
import platform
import re
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

from fairlead.bench.measure import Measurement, Package
from fairlead.bench.plan import own_cases, packages, their_cases
from fairlead.bench.report import SCHEMA, Case, Report
from fairlead.bench.suite import GUEST
from fairlead.bench.targets import Target
from fairlead.errors import FairleadError, UsageError

__all__ = ["Session"]


@dataclass(slots=True)
class Session:
    """What to measure, and how often."""

    targets: Sequence[Target]
    baseline: str
    patterns: Sequence[str] = ()
    """Go packages; the benchmarks that come with Fairlead if none is named."""
    wanted: re.Pattern[str] = re.compile("")
    count: int = 5
    iterations: int | None = None
    seconds: float = 120.0
    tell: Callable[[str], None] = lambda _: None
    told: Callable[[Case], None] = lambda _: None

    def run(self) -> Report:
        """Measure all of it; an interrupt makes the report end where the measurement was."""
        measurement = Measurement(self.targets, self.count, self.seconds, self.tell, self.told)
        cases: list[Case] = []
        interrupted = False
        date = datetime.now(UTC).isoformat(timespec="seconds")
        found = packages(self.targets[0], self.patterns)
        with tempfile.TemporaryDirectory(prefix="fairlead-bench-") as folder:
            try:
                for number, package in enumerate(found):
                    place = Path(folder, str(number))
                    place.mkdir()
                    self._package(package, place, measurement, cases)
            except KeyboardInterrupt:
                interrupted = True
        if not cases and not interrupted:
            raise UsageError(
                f"no benchmark of {' '.join(self.patterns) or 'the suite'} matches {self.wanted.pattern!r}",
                hint="--list names those that come with Fairlead",
            )
        return Report(
            schema=SCHEMA,
            version=1,
            versions=_versions(self.targets[0].toolchain.version),
            machine={
                "cpu": _cpu(),
                "cores": str(len(os.sched_getaffinity(0))),
                "system": platform.platform(),
            },
            date=date,
            count=self.count,
            baseline=self.baseline,
            interrupted=interrupted,
            columns=[each.column for each in self.targets],
            cases=cases,
            outcomes=measurement.outcomes,
            start_host_ns=measurement.starts,
        )

    def _package(self, package: Package, place: Path, measurement: Measurement, cases: list[Case]) -> None:
        images: dict[str, Path | str] = {}
        for target in self.targets:
            self.tell(f"building {package.name} for {target.name}")
            try:
                target.build(package.folder, image := place / target.name)
                images[target.name] = image
            except FairleadError as error:
                images[target.name] = str(error)
        if package.folder == GUEST:
            mine = own_cases(self.wanted, self.iterations)
        else:
            self.tell(f"looking for the benchmarks of {package.name}")
            mine = their_cases(package, self.targets, images, self.wanted, self.iterations, self.seconds)
        cases += mine
        measurement.run(mine, package, images)


def _versions(go: str) -> dict[str, str]:
    from fairlead import __version__

    return {
        "fairlead": __version__,
        "go": go,
        "python": platform.python_version(),
        "unicorn": _unicorn(),
    }


def _unicorn() -> str:
    """Of its distribution: whoever measures need not load it."""
    try:
        return metadata.version("unicorn")
    except metadata.PackageNotFoundError:
        return "none"


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith(("model name", "uarch")))
    return next(names, platform.machine())
