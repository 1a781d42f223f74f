from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Fairlead = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def clean_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No settings of the developer's own, and a cache of the test's own."""
    for name in [*os.environ]:
        if name.startswith("GO") and name not in ("GOCACHE", "GOMODCACHE", "GOPATH"):
            monkeypatch.delenv(name)
    monkeypatch.delenv("FAIRLEAD_GO", raising=False)
    monkeypatch.setenv("FAIRLEAD_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("GOPROXY", "off")


@pytest.fixture
def fairlead(clean_environment: None, tmp_path: Path) -> Fairlead:
    """The command, run in a folder `work` of the test's own."""
    folder = tmp_path / "work"
    folder.mkdir()

    def fairlead(*arguments: str, cwd: Path = folder) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "fairlead", *arguments]
        return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=300, check=False)

    return fairlead
