"""Everything that is checked, as nox sessions; `nox` alone runs lint, types, tests and ports."""

from __future__ import annotations

import nox

nox.options.sessions = ["lint", "types", "tests", "ports"]
nox.options.reuse_existing_virtualenvs = True
nox.options.default_venv_backend = "venv"


@nox.session
def lint(session: nox.Session) -> None:
    """Style, and who may import whom."""
    session.install("-e", ".[dev]")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("lint-imports")


@nox.session
def types(session: nox.Session) -> None:
    """Types, strictly."""
    session.install("-e", ".[dev]")
    session.run("mypy")


@nox.session
def tests(session: nox.Session) -> None:
    """Unit and integration tests, the fast ones first; arguments go to pytest."""
    session.install("-e", ".[test]")
    session.run("pytest", "-n", "2", "--ignore=tests/conformance", *session.posargs)


@nox.session
def ports(session: nox.Session) -> None:
    """Every installed port on trial: conformance, then Go's own tests; arguments go to pytest."""
    session.install("-e", ".[test]")
    session.run("pytest", "-n", "2", "tests/conformance", *session.posargs)
