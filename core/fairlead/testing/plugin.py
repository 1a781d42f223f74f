"""The kit for pytest: a test that asks for `fairlead_trial` runs once for each check and installed port.

A port's own test suite needs no more than

    @pytest.mark.fairlead_ports("NAME")
    def test_conformance(fairlead_trial):
        fairlead_trial()
"""

from __future__ import annotations

from collections.abc import Callable
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from fairlead.testing.runner import Runner

__all__ = [
    "fairlead_kit",
    "fairlead_trial",
    "pytest_addoption",
    "pytest_configure",
    "pytest_generate_tests",
]

_MARK = "fairlead_ports"


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("fairlead", "Fairlead's conformance kit")
    group.addoption(
        "--fairlead-port",
        action="append",
        default=[],
        metavar="PORT",
        help="try only this port; repeatable (default: every installed one)",
    )
    group.addoption(
        "--fairlead-only",
        action="append",
        default=[],
        metavar="PATTERN",
        help="run only the checks of this name, as in signals.*; repeatable",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", f"{_MARK}(*names): the ports that fairlead_trial puts on trial")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "fairlead_trial" not in metafunc.fixturenames:
        return
    from fairlead.plugins import installed
    from fairlead.testing.checks import every_check

    mark = metafunc.definition.get_closest_marker(_MARK)
    ports = list(mark.args) if mark is not None else sorted(installed().ports)
    wanted = metafunc.config.getoption("--fairlead-port")
    patterns = metafunc.config.getoption("--fairlead-only")
    pairs = [
        (port, check)
        for port in ports
        if not wanted or port in wanted
        for check in every_check()
        if not patterns or any(fnmatchcase(check.name, pattern) for pattern in patterns)
    ]
    ids = [f"{port}-{check.name}" for port, check in pairs]
    metafunc.parametrize("fairlead_trial", pairs, ids=ids, indirect=True)


@pytest.fixture(scope="session")
def fairlead_kit(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[Path, Runner]]:
    """By a port's name: the kit's program built for it, and what runs it; each is built once."""
    from fairlead.plugins import find_port
    from fairlead.testing.runner import Runner
    from fairlead.testing.trial import build_kit

    runner = Runner()
    built: dict[str, tuple[Path, str]] = {}

    def kit(name: str) -> tuple[Path, Runner]:
        if name not in built:
            image = tmp_path_factory.mktemp("fairlead-kit") / name
            built[name] = image, build_kit(find_port(name), image)
        image, why = built[name]
        if why:
            pytest.fail(why, pytrace=False)
        return image, runner

    return kit


@pytest.fixture
def fairlead_trial(
    request: pytest.FixtureRequest, fairlead_kit: Callable[[str], tuple[Path, Runner]]
) -> Callable[[], None]:
    """Run the check on the port; the test fails with the reason if the port does."""
    from fairlead.plugins import find_port
    from fairlead.testing.trial import try_check

    name, check = request.param

    def trial() -> None:
        image, runner = fairlead_kit(name)
        outcome = try_check(find_port(name), check, image, runner)
        if not outcome.passed:
            pytest.fail(
                f"{check.name} (hook {check.hook}): {outcome.why}; {check.sentence} ({check.source})",
                pytrace=False,
            )

    return trial
