from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from fairlead.errors import UsageError
from fairlead.guest.flags import split
from fairlead.guest.gocommand import adapt, runner
from fairlead.guest.identity import host_hash
from fairlead.port import Port

OVERLAY, LINK, EXEC = "-overlay=o.json", "-ldflags=-T=0x80201000", "-exec=RUN"


@pytest.mark.parametrize(
    ("words", "adapted"),
    [
        ("", ""),
        ("version", "version"),
        ("env GOARCH", "env GOARCH"),
        ("tool nm -ldflags=-s x", "tool nm -ldflags=-s x"),
        ("mod tidy -overlay=x", "mod tidy -overlay=x"),
        ("generate ./...", "generate ./..."),
        ("build", f"build {OVERLAY} {LINK}"),
        ("build -o x -v ./...", f"build {OVERLAY} {LINK} -o x -v ./..."),
        ("install .", f"install {OVERLAY} {LINK} ."),
        ("list -deps -ldflags -s .", f"list {OVERLAY} -deps -ldflags -s ."),
        ("vet -printf ./...", f"vet {OVERLAY} -printf ./..."),
        (
            "run . -ldflags=x -exec=y -overlay=z",
            f"run {OVERLAY} {LINK} {EXEC} . -ldflags=x -exec=y -overlay=z",
        ),
        ("run -x . -exec y", f"run {OVERLAY} {LINK} {EXEC} -x . -exec y"),
        ("run -tags a -exec mine . b", f"run {OVERLAY} {LINK} -tags a -exec=mine . b"),
        ("test", f"test {OVERLAY} {LINK} {EXEC}"),
        ("test ./a -exec=mine -v", f"test {OVERLAY} {LINK} ./a -exec=mine -v"),
        ("test -run X . -args -exec y", f"test {OVERLAY} {LINK} {EXEC} -run X . -args -exec y"),
        ("test --exec mine .", f"test {OVERLAY} {LINK} -exec=mine ."),
        ("test -v -short a b", f"test {OVERLAY} {LINK} {EXEC} -v -short a b"),
        ("build -ldflags=-s .", f"build {OVERLAY} {LINK} {LINK}\x1f-s ."),
        ("build -ldflags -s .", f"build {OVERLAY} {LINK} {LINK}\x1f-s ."),
        ("build --ldflags=all=-s .", f"build {OVERLAY} {LINK} -ldflags=all=-T=0x80201000\x1f-s ."),
        ("build -C d -v .", f"build -C d {OVERLAY} {LINK} -v ."),
        ("-C d build .", f"-C d build {OVERLAY} {LINK} ."),
        ("build -C=d .", f"build -C=d {OVERLAY} {LINK} ."),
        ("-C", "-C"),
        ("build -ldflags", f"build {OVERLAY} {LINK} -ldflags"),
    ],
)
def test_adapt(make_port: Callable[..., Port], words: str, adapted: str) -> None:
    result = adapt(words.split(), make_port(), [OVERLAY], "RUN")
    assert result == [word.replace("\x1f", " ") for word in adapted.split(" ") if word]


def test_vet_is_left_out_of_tests_where_it_cannot_go(make_port: Callable[..., Port]) -> None:
    def added(words: str) -> list[str]:
        return adapt(words.split(), make_port(), [], "RUN", vets=False)

    assert added("test .") == ["test", LINK, EXEC, "-vet=off", "."]
    assert added("test -vet=all .") == ["test", LINK, EXEC, "-vet=off", "-vet=all", "."]
    assert added("vet .") == ["vet", "."]


def test_link_flags_from_goflags_come_first(make_port: Callable[..., Port]) -> None:
    words = adapt(["build", "-ldflags=-w"], make_port(), [], "RUN", ["-s"])
    assert words == ["build", LINK, f"{LINK} -s", f"{LINK} -w"]


@pytest.mark.parametrize(
    "words", ["build -overlay=x", "test . -overlay x", "vet --overlay=x", "run -overlay x ."]
)
def test_an_overlay_of_the_user_s_own(make_port: Callable[..., Port], words: str) -> None:
    with pytest.raises(UsageError, match="overlay"):
        adapt(words.split(), make_port(), [OVERLAY], "RUN")


def test_runner(make_port: Callable[..., Port], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/a folder/python")
    words = split(runner(make_port(), "abc", ["--seed=5", "--env=A=b c"]))
    assert words[:5] == ["/a folder/python", "-P", "-m", "fairlead", "exec"]
    assert words[5:] == ["--port=trial", "--build-hash=abc", "--seed=5", "--env=A=b c"]


def test_host_hash_follows_the_sources(monkeypatch: pytest.MonkeyPatch) -> None:
    read = Path.read_bytes
    first = host_hash()
    assert first == host_hash()
    for name in ("system.py", "plugin.py", "riscv64.py", "gocommand.py"):
        monkeypatch.setattr(
            Path, "read_bytes", lambda path, name=name: read(path) + b"#" * (path.name == name)
        )
        assert host_hash() != first
    monkeypatch.setattr(Path, "read_bytes", read)
    assert host_hash() == first
    monkeypatch.setattr("fairlead.guest.identity.version", lambda name: "2.1.5")
    assert host_hash() != first
