from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from fairlead.guest.toolchain import Toolchain, find_toolchain
from fairlead.port import GuestEnv, Port
from fairlead.syscall import RegisterABI

TRIAL = Path(__file__).parent / "trial"


def _never(*_: object) -> object:
    raise AssertionError("not booted here")


@pytest.fixture
def make_port() -> Callable[..., Port]:
    """A port that is only built for."""

    def make(overlay: Path | None = TRIAL, **changes: object) -> Port:
        guest = GuestEnv("linux", "riscv64", overlay, ("-T=0x80201000",))
        values: dict[str, object] = {
            "name": "trial",
            "summary": "",
            "board": "none",
            "abi": 1,
            "guest": guest,
            "convention": RegisterABI(number="a7", arguments=("a0",), result="a0"),
            "options": (),
            "boot": _never,
            **changes,
        }
        return Port(**values)  # type: ignore[arg-type]

    return make


@pytest.fixture
def no_go_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [*os.environ]:
        if name.startswith("GO") and name not in ("GOCACHE", "GOMODCACHE", "GOPATH"):
            monkeypatch.delenv(name)
    monkeypatch.delenv("FAIRLEAD_GO", raising=False)


@pytest.fixture
def toolchain(no_go_variables: None) -> Toolchain:
    return find_toolchain()


@pytest.fixture
def counted_go(tmp_path: Path, toolchain: Toolchain, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The real toolchain behind a go command that writes each of its calls into the file returned."""
    log = tmp_path / "go-calls"
    log.touch()
    goroot = tmp_path / "goroot"
    (goroot / "bin").mkdir(parents=True)
    for each in toolchain.goroot.iterdir():
        if each.name != "bin":
            (goroot / each.name).symlink_to(each)
    go = goroot / "bin" / "go"
    go.write_text(f'#!/bin/sh\necho "$1" >>"{log}"\nexec "{toolchain.go}" "$@"\n')
    go.chmod(0o755)
    monkeypatch.setenv("FAIRLEAD_GO", str(goroot))
    return log
