"""A new port's distribution: whether the name will do, what stands in its files, and writing them."""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from fairlead.errors import UsageError
from fairlead.guest.toolchain import Toolchain, find_toolchain
from fairlead.machine import Board
from fairlead.plugins import Installed

__all__ = ["NewPort", "check_name", "new_port", "render", "write"]

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_LONGEST = 16
"""Bytes that an image's record has for the name (fairlead.guest.record)."""


class _Arch(NamedTuple):
    goarch: str
    entry: str
    """The line of runtime/rt0_linux_GOARCH.s in front of a program's first instruction."""
    keep: str
    """An instruction that refers to the record, in a register that is free there."""


_ARCHES = {
    "riscv64": _Arch(
        "riscv64", "TEXT _rt0_riscv64_linux(SB),NOSPLIT|NOFRAME,$0", "MOV	$runtime·fairleadRecord(SB), T0"
    ),
    "x86_64": _Arch(
        "amd64", "TEXT _rt0_amd64_linux(SB),NOSPLIT,$-8", "MOVQ	$runtime·fairleadRecord(SB), AX"
    ),
}


class NewPort(NamedTuple):
    """A port that is to be written."""

    name: str
    board: str
    arch: _Arch

    @property
    def distribution(self) -> str:
        return f"fairlead-{self.name}"

    @property
    def package(self) -> str:
        return f"fairlead_{self.name.replace('-', '_')}"


def new_port(name: str, board: Board) -> NewPort:
    """UsageError for a name that is none, and for a board whose architecture no template is for."""
    if not _NAME.fullmatch(name) or len(name) > _LONGEST:
        better = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-0123456789")[:_LONGEST].strip("-")
        raise UsageError(
            f"{name!r} is no name for a port: at most {_LONGEST} small letters and digits, a letter first, "
            "with single dashes between",
            hint=f"{better!r} would do" if better else "'skiff' would do",
        )
    if board.arch not in _ARCHES:
        raise UsageError(
            f"there is no template for board {board.name}, whose architecture is {board.arch}",
            hint=f"templates: {', '.join(_ARCHES)}; `fairlead boards` lists boards",
        )
    return NewPort(name, board.name, _ARCHES[board.arch])


def check_name(port: NewPort, found: Installed) -> None:
    """UsageError if the port's name is taken, or that of its distribution or its package."""
    hint = "choose another name, or uninstall it"
    for kind, there in (("port", found.ports), ("board", found.boards), ("plugin", found.failures)):
        if port.name in there:
            where = found.distributions.get(port.name, "")
            raise UsageError(
                f"a {kind} is called {port.name!r} already" + (f", in {where}" if where else ""), hint=hint
            )
    try:
        there_already = distribution(port.distribution)
    except PackageNotFoundError:
        pass
    else:
        raise UsageError(f"{port.distribution} {there_already.version} is installed already", hint=hint)
    if find_spec(port.package) is not None:
        raise UsageError(f"there is a Python package {port.package} already", hint=hint)


def render(port: NewPort, toolchain: Toolchain | None = None) -> dict[str, str]:
    """Every file by its path in the distribution, with its text."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    from fairlead import __version__

    toolchain = toolchain or find_toolchain()
    goarch = port.arch.goarch
    rt0 = toolchain.goroot / "src" / "runtime" / f"rt0_linux_{goarch}.s"
    padded = port.name.encode().ljust(_LONGEST, b"\0")
    values = {
        "name": port.name,
        "board": port.board,
        "distribution": port.distribution,
        "package": port.package,
        "goarch": goarch,
        "entry": port.arch.entry,
        "keep": port.arch.keep,
        "fairlead": __version__,
        "go": toolchain.version,
        "rt0": hashlib.sha256(rt0.read_bytes()).hexdigest(),
        "words": [padded[at : at + 8].decode().replace("\0", r"\x00") for at in (0, 8)],
    }
    environment = Environment(
        loader=PackageLoader("fairlead.scaffold", "templates"),
        keep_trailing_newline=True,
        undefined=StrictUndefined,
        autoescape=False,  # nothing of it is HTML
    )
    return {
        path: environment.get_template(template).render(values)
        for path, template in _files(port, goarch).items()
    }


def _files(port: NewPort, goarch: str) -> Mapping[str, str]:
    """Each file's path, and its template's."""
    package = port.package
    overlay = f"{package}/overlay"
    return {
        "pyproject.toml": "pyproject.toml.j2",
        "README.md": "README.md.j2",
        "hello.go": "hello.go.j2",
        f"{package}/__init__.py": "package/__init__.py.j2",
        f"{package}/py.typed": "package/py.typed.j2",
        f"{package}/plugin.py": "package/plugin.py.j2",
        f"{package}/kernel.py": "package/kernel.py.j2",
        f"{overlay}/edits.toml": "package/edits.toml.j2",
        f"{overlay}/files/src/runtime/fairlead_linux_{goarch}.s": "package/record.s.j2",
        "tests/test_port.py": "tests/test_port.py.j2",
    }


def write(folder: Path, files: Mapping[str, str]) -> None:
    """Make the folder and its files; UsageError, and nothing is changed, if it is there or cannot be made."""
    try:
        folder.mkdir()
    except FileExistsError:
        raise UsageError(
            f"{folder} is there already, and nothing is overwritten",
            hint="move it away, or choose another name",
        ) from None
    except OSError as error:
        raise _unwritable(folder, error) from None
    try:
        for path, text in files.items():
            file = folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, "utf-8")
    except BaseException as error:
        shutil.rmtree(folder, ignore_errors=True)
        if isinstance(error, OSError):
            raise _unwritable(folder, error) from None
        raise


def _unwritable(folder: Path, error: OSError) -> UsageError:
    return UsageError(
        f"{folder} cannot be written: {error.strerror}", hint="go to a folder that you may write"
    )
