"""Conformance runs over every port that is installed."""

from __future__ import annotations

import pytest

from fairlead.plugins import installed


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that asks for `port` once for each, or for those that --fairlead-port names."""
    if "port" in metafunc.fixturenames:
        wanted = metafunc.config.getoption("--fairlead-port")
        metafunc.parametrize("port", wanted or sorted(installed().ports))
