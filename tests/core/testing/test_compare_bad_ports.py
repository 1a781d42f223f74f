"""A port that breaks the contract spoils its own column of a comparison only."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from testing_wrecks import PROGRAM, installed_wrecks

pytestmark = pytest.mark.slow

PORTS = ("linux-riscv64", "sound", "raises-syscall", "zero-id", "silent-nanotime", "hangs-nanotime")


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory, fairlead) -> tuple[Mapping[str, Any], str]:
    """What is said of sound and bad ports side by side, as a document and as text."""
    folder = tmp_path_factory.mktemp("bad")
    (folder / "main.go").write_text(PROGRAM)
    words = ["compare", "--seconds=20", *(f"--port={port}" for port in PORTS)]
    with installed_wrecks(folder / "site") as environment:
        document = fairlead(*words, "--json", folder / "main.go", env=environment)
        text = fairlead(*words[:-1], folder / "main.go", env=environment)
    assert (document.returncode, text.returncode) == (1, 1)
    assert (document.stderr, text.stderr) == ("", "")
    return json.loads(document.stdout), text.stdout


def test_each_says_why(found: tuple[Mapping[str, Any], str]) -> None:
    columns = {each["port"]: each for each in found[0]["columns"]}
    assert {port: each["state"] for port, each in columns.items()} == {
        "linux-riscv64": "ended",
        "sound": "ended",
        "raises-syscall": "failed",
        "zero-id": "failed",
        "silent-nanotime": "failed",
        "hangs-nanotime": "hung",
    }
    assert "hook syscall raised KeyError" in columns["raises-syscall"]["why"]
    assert "hook newosproc answered 0x0" in columns["zero-id"]["why"]
    assert "hook nanotime answered None" in columns["silent-nanotime"]["why"]
    assert columns["hangs-nanotime"]["why"] == "it did not end within its time on the host in hook nanotime"


def test_the_others_are_compared(found: tuple[Mapping[str, Any], str]) -> None:
    document, _ = found
    assert document["agree"] is False
    assert [each["ports"] for each in document["outputs"]] == [["linux-riscv64", "sound"]]
    assert document["odd"] == [port for port in PORTS if port not in ("linux-riscv64", "sound")]
    assert [each["output"] for each in document["columns"][:2]] == ["ok\n", "ok\n"]


def test_more_ports_than_fit_go_into_further_tables(found: tuple[Mapping[str, Any], str]) -> None:
    _, text = found
    assert max(map(len, text.splitlines())) <= 80
    assert sum("sound" in line for line in text.splitlines()) >= 1
    assert text.count("exit code  ") == 2
    assert "failed" in text
    assert "zero-id failed: port zero-id: hook newosproc answered 0x0" in text
