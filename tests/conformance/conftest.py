"""Conformance runs over every port that is installed."""

from __future__ import annotations

import pytest

from fairlead.plugins import installed


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that asks for `port` once for each."""
    if "port" in metafunc.fixturenames:
        metafunc.parametrize("port", sorted(installed().ports))
