"""Where benchmarks run: a port, or a peer that runs the stock build; how they are built and started there."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fairlead.bench.report import Column
from fairlead.errors import ToolError, UsageError
from fairlead.guest.build import go_environment
from fairlead.guest.cache import Cache
from fairlead.guest.flags import take_goflags
from fairlead.guest.gocommand import adapt
from fairlead.guest.overlay import make_overlay
from fairlead.guest.toolchain import Toolchain
from fairlead.plugins import installed
from fairlead.port import Port
from fairlead.testing.runner import FAIRLEAD, Ran, Runner

__all__ = ["PEERS", "Target", "find_peers", "of_peer", "of_port"]

_MACHINES = {"x86_64": "amd64", "amd64": "amd64", "riscv64": "riscv64", "aarch64": "arm64", "arm64": "arm64"}
PEERS = {"native": "", "qemu-x86_64": "amd64", "qemu-riscv64": "riscv64"}
"""Name to Go's name of the architecture that it runs; native's is the host's."""
_PEER_MEMORY = 64 << 30
"""Bytes of address space: qemu-user keeps all of the guest's for itself."""
_LONGEST = "30m"
"""Guest time that a run may take: a guest that waits in vain reaches it at once, since idling is skipped."""


@dataclass(slots=True)
class Target:
    """One column, able to build a package's tests and to run them."""

    column: Column
    toolchain: Toolchain
    environment: Mapping[str, str]
    port: Port | None = None
    command: Sequence[str] = ()
    """What runs an image of a peer's; a native one runs itself."""
    _overlay: Sequence[str] | None = field(default=None, repr=False)
    _link: Sequence[str] = field(default=(), repr=False)
    _cache: Cache = field(default_factory=Cache, repr=False)
    _allow_untested: bool = False

    @property
    def name(self) -> str:
        return self.column.name

    def go(self, words: Sequence[str]) -> list[str]:
        """The words of a go command, for this column."""
        if self.port is None:
            return list(words)
        if self._overlay is None:
            made = make_overlay(self.port, self.toolchain, self._cache, allow_untested=self._allow_untested)
            self._overlay = made.flags()
        return adapt(words, self.port, self._overlay, "false", self._link)

    def build(self, folder: Path, image: Path) -> None:
        """Build the tests of the package in a folder; ToolError says what does not compile."""
        done = self.toolchain.run(
            self.go(["test", "-c", "-vet=off", "-o", str(image), "."]),
            environment=self.environment,
            cwd=folder,
        )
        if done.status != 0 or not image.is_file():
            said = done.messages.decode("utf-8", "replace").split("\n")
            lines = [line.strip() for line in said if line.strip() and not line.startswith("#")]
            raise ToolError(f"does not build: {lines[0] if lines else 'go made no program of it'}")

    def runner(self, seconds: float) -> Runner:
        if self.port is not None:
            return Runner(FAIRLEAD, seconds=seconds)
        return Runner(self.command, seconds=seconds, memory=_PEER_MEMORY)

    def run(
        self, runner: Runner, image: Path, flags: Sequence[str], cwd: Path, *, count: bool = False
    ) -> Ran:
        """Run an image with -test flags; with `count`, a port's run is observed and its record read back.

        An interrupt ends the run and comes out of here.
        """
        try:
            return self._run(runner, image, flags, cwd, count)
        except BaseException:
            runner.stop()
            raise

    def _run(self, runner: Runner, image: Path, flags: Sequence[str], cwd: Path, count: bool) -> Ran:
        if self.port is None:
            return runner.run(str(image), *flags, cwd=cwd, record=False)
        observe = ["--time-hooks"] if count else []
        words = ["exec", f"--port={self.port.name}", f"--max-time={_LONGEST}", *observe, str(image), *flags]
        return runner.run(*words, cwd=cwd, record=count)


def of_port(port: Port, toolchain: Toolchain, cache: Cache, *, allow_untested: bool = False) -> Target:
    link, environment = take_goflags(go_environment(port, toolchain, cache))
    column = Column(
        port.name, "port", port.guest.goarch, port.board, installed().distributions.get(port.name, "")
    )
    return Target(
        column, toolchain, environment, port, _link=link, _cache=cache, _allow_untested=allow_untested
    )


def host_arch() -> str:
    """The host's architecture as Go names it; empty if no peer is known for it."""
    return _MACHINES.get(os.uname().machine, "") if os.uname().sysname == "Linux" else ""


def find_peers(architectures: Sequence[str]) -> list[str]:
    """The peers that are there: the host itself, and emulators of these architectures."""
    return [
        name
        for name, arch in PEERS.items()
        if (host_arch() if not arch else arch in architectures and shutil.which(name))
    ]


def of_peer(name: str, toolchain: Toolchain, cache: Cache) -> Target:
    """A peer by name; UsageError if it is not there."""
    arch = PEERS[name] or host_arch()
    command = shutil.which(name) if name != "native" else ""
    if command is None or not arch:
        raise UsageError(f"the peer {name} is not installed", hint="leave it out, or install qemu-user")
    target = {"GOOS": "linux", "GOARCH": arch}
    _, environment = take_goflags(toolchain.environment(target, cache))
    return Target(
        Column(name, "peer", arch, version=_version(command)),
        toolchain,
        environment,
        command=[command] if command else [],
    )


def _version(command: str) -> str:
    if not command:
        return os.uname().release
    try:
        said = subprocess.run([command, "--version"], capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    return said.stdout.partition("\n")[0].strip()
