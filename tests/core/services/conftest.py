"""The file side of a process without a machine: a clock, wait queues and signals are all it needs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fairlead.port import Mount
from fairlead.scheduler import Scheduler
from fairlead.services.linux.files import Files


class Wire:
    """What `Files` asks of a system; `now`, `stopping` and `kind` are the test's to set."""

    def __init__(self, kind: str = "blocks") -> None:
        self.now = 1000
        self.stopping = False
        self.seed = 7
        self.scheduler = Scheduler()
        self.wait_queue = self.scheduler.wait_queue
        clock = SimpleNamespace(epoch=10**18, kind=kind, now=self.tick)
        self.machine: Any = SimpleNamespace(clock=clock)

    def tick(self) -> int:
        self.now += 1
        return self.now

    def stop_requested(self) -> bool:
        return self.stopping


@pytest.fixture
def make_files() -> Iterator[Callable[..., Files]]:
    """Make a process's files; closed at the end."""
    made: list[Files] = []

    def make(wire: Wire | None = None, **options: Any) -> Files:
        options.setdefault("streams", (None, None, None))
        made.append(Files(wire or Wire(), **options))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for files in made:
        files.close()


@pytest.fixture
def new_wire() -> type[Wire]:
    return Wire


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder beside the mounted one, with something to steal and to spoil."""
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "secret").write_text("secret")
    return folder


@pytest.fixture
def inside(tmp_path: Path, outside: Path) -> Path:
    folder = tmp_path / "inside"
    (folder / "sub" / "deep").mkdir(parents=True)
    (folder / "file").write_text("hello")
    (folder / "sub" / "other").write_text("other")
    return folder


@pytest.fixture
def mounted(make_files: Callable[..., Files], inside: Path) -> Callable[[str], Files]:
    def make(kind: str) -> Files:
        mount = Mount(inside, "/mnt", writable=kind == "rw", overlay=kind == "overlay")
        return make_files(mounts=[mount], cwd="/mnt")

    return make
