"""`fairlead doctor`."""

from __future__ import annotations

import json
import mmap
import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, requires, version

import click

from fairlead.errors import FairleadError
from fairlead.guest.cache import Cache
from fairlead.guest.overlay import known_versions, untested
from fairlead.guest.toolchain import Toolchain, find_toolchain
from fairlead.plugins import installed

__all__ = ["doctor"]

_OLDEST_PYTHON = (3, 11)
_PEERS = ("qemu-riscv64", "qemu-x86_64", "qemu-system-riscv64", "qemu-system-x86_64")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at: "ok", "missing" (can be done without) or "bad", with what to do about it."""

    name: str
    state: str
    found: str
    hint: str = ""


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def doctor(as_json: bool) -> int:
    """Check that everything needed is there. Exits with 1 if something needed is missing or broken."""
    findings = [finding for look in _LOOKS for finding in look()]
    bad = any(finding.state == "bad" for finding in findings)
    if as_json:
        document = {"schema": "fairlead/doctor", "version": 1, "ok": not bad}
        click.echo(json.dumps({**document, "findings": [asdict(each) for each in findings]}, indent=2))
    else:
        width = max(len(each.name) for each in findings)
        for each in findings:
            hint = f"; {each.hint}" if each.hint else ""
            click.echo(f"{each.state:8} {each.name:{width}}  {each.found}{hint}")
    return 1 if bad else 0


def _python() -> Iterator[Finding]:
    old = sys.version_info < _OLDEST_PYTHON
    hint = f"Python {'.'.join(map(str, _OLDEST_PYTHON))} or later is needed" if old else ""
    found = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    yield Finding("python", "bad" if old else "ok", found, hint)


def _unicorn() -> Iterator[Finding]:
    wanted = next((each for each in requires("fairlead") or () if each.startswith("unicorn==")), "unicorn")
    try:
        there = version("unicorn")
    except PackageNotFoundError:
        yield Finding("unicorn", "bad", "not installed", f"run `pip install {wanted}`")
        return
    if wanted not in ("unicorn", f"unicorn=={there}"):
        yield Finding("unicorn", "bad", f"{there}, {wanted} is needed", f"run `pip install {wanted}`")
    else:
        yield Finding("unicorn", "ok", there)


def _executable_memory() -> Iterator[Finding]:
    try:
        mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC).close()
    except OSError as error:
        yield Finding(
            "executable memory",
            "missing",
            error.strerror or str(error),
            "guests run slower: instructions are counted instead of blocks",
        )
    else:
        yield Finding("executable memory", "ok", "can be had")


def _cache() -> Iterator[Finding]:
    cache = Cache()
    try:
        cache.store("doctor", "probe", b"probe")
        good = cache.load("doctor", "probe") == b"probe"
    except FairleadError as error:
        yield Finding("cache", "bad", error.what, error.hint)
    else:
        hint = "" if good else "the file system does not give back what was written"
        yield Finding("cache", "ok" if good else "bad", str(cache.root), hint)


def _plugins() -> Iterator[Finding]:
    found = installed()
    for name, reason in sorted(found.failures.items()):
        yield Finding(f"plugin {name}", "bad", reason, "mend, reinstall or remove its distribution")
    for board in sorted(found.boards):
        yield Finding(f"board {board}", "ok", found.distributions[board])


def _go() -> Iterator[Finding]:
    toolchain: Toolchain | None = None
    try:
        toolchain = find_toolchain()
        done = toolchain.run(["version"], environment=toolchain.environment({}, Cache()))
    except FairleadError as error:
        yield Finding("go", "bad", error.what, error.hint)
    else:
        works = done.status == 0
        hint = "" if works else "reinstall it: `go version` fails"
        yield Finding("go", "ok" if works else "bad", f"{toolchain.version} in {toolchain.goroot}", hint)
    for name in sorted(installed().ports):
        yield _port(name, toolchain)


def _port(name: str, toolchain: Toolchain | None) -> Finding:
    found = installed()
    port = found.ports[name]
    title, where = f"port {name}", found.distributions[name]
    if port.board not in found.boards:
        return Finding(title, "bad", where, f"install a board called {port.board}")
    if toolchain is None:
        return Finding(title, "ok", where)
    versions = ""
    try:
        versions = ", ".join(known_versions(port)) or "no version of it"
        unknown = untested(port, toolchain)
    except FairleadError as error:
        known = f"it is known good with Go {versions}" if versions else error.hint
        return Finding(title, "bad", error.what, known)
    if port.guest.overlay is None:
        return Finding(title, "ok", f"{where}; runs stock programs")
    if unknown:
        more = f" and {len(unknown) - 1} more" if len(unknown) > 1 else ""
        what = f"{where}; never tried with Go {toolchain.version}: {unknown[0]}{more}"
        known = f"it is known good with Go {versions}; --allow-untested-go tries this one"
        return Finding(title, "bad", what, known)
    return Finding(title, "ok", f"{where}; known good with Go {versions}")


def _peers() -> Iterator[Finding]:
    for peer in _PEERS:
        path = shutil.which(peer, path=os.environ.get("PATH", os.defpath))
        yield Finding(
            peer,
            "ok" if path else "missing",
            path or "not found",
            "" if path else "only compared with",
        )


_LOOKS: tuple[Callable[[], Iterator[Finding]], ...] = (
    _python,
    _unicorn,
    _executable_memory,
    _cache,
    _plugins,
    _go,
    _peers,
)
