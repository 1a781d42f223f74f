"""What every test may use: the command, run as a user runs it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def examples() -> Path:
    return ROOT / "examples"


@pytest.fixture(scope="session")
def fairlead() -> Command:
    """Run `fairlead` with arguments; its output as text, its exit code not checked."""

    def run(
        *arguments: str | Path,
        input: str = "",
        cwd: Path = ROOT,
        env: Mapping[str, str] | None = None,
        timeout: float = 300,
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "fairlead", *map(str, arguments)],
            input=input,
            cwd=cwd,
            env={**os.environ, **(env or {})},
            capture_output=True,
            text=True,
            errors="surrogateescape",
            timeout=timeout,
            check=False,
        )

    return run


GoProgram = Callable[[str], Path]


@pytest.fixture(scope="session")
def go_program(tmp_path_factory: pytest.TempPathFactory) -> GoProgram:
    """Write Go source (a whole file) to a folder of its own; the file's path."""

    def write(source: str) -> Path:
        path = tmp_path_factory.mktemp("program") / "main.go"
        path.write_text(source)
        return path

    return write


GoPackage = Callable[[Mapping[str, str]], Path]


@pytest.fixture(scope="session")
def go_package(tmp_path_factory: pytest.TempPathFactory) -> GoPackage:
    """Write the files of a main package, assembly too, to a module of its own; the folder's path."""

    def write(files: Mapping[str, str]) -> Path:
        folder = tmp_path_factory.mktemp("package")
        for name, text in {"go.mod": "module program\n\ngo 1.27\n", **files}.items():
            (folder / name).write_text(text)
        return folder

    return write
