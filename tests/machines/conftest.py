from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from riscv64_lab import Lab
from x86_64_lab import PcLab


@pytest.fixture
def make_lab() -> Iterator[Callable[..., Lab]]:
    """Make boards that are closed at the test's end."""
    made: list[Lab] = []

    def make(**options: Any) -> Lab:
        made.append(Lab(**options))
        return made[-1]

    yield make
    for lab in made:
        lab.machine.close()


@pytest.fixture
def lab(make_lab: Callable[..., Lab]) -> Lab:
    return make_lab()


@pytest.fixture(params=["blocks", "instructions"])
def counted_lab(request: pytest.FixtureRequest, make_lab: Callable[..., Lab]) -> Lab:
    """A board by each kind of counter."""
    return make_lab(counter=request.param)


@pytest.fixture
def make_pc() -> Iterator[Callable[..., PcLab]]:
    """Make `pc` boards that are closed at the test's end."""
    made: list[PcLab] = []

    def make(**options: Any) -> PcLab:
        made.append(PcLab(**options))
        return made[-1]

    yield make
    for lab in made:
        lab.machine.close()


@pytest.fixture
def pc(make_pc: Callable[..., PcLab]) -> PcLab:
    return make_pc()


@pytest.fixture(params=["blocks", "instructions"])
def counted_pc(request: pytest.FixtureRequest, make_pc: Callable[..., PcLab]) -> PcLab:
    """A `pc` board by each kind of counter."""
    return make_pc(counter=request.param)
