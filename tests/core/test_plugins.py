"""Finding ports: by the entry point of their name, and once however many names a module stands under."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fairlead.errors import UsageError
from fairlead.plugins import _quick, find_port, installed

MODULE = """\
from fairlead import hookimpl
from fairlead.port import GuestEnv, Port
from fairlead.syscall import RegisterABI

{trouble}

@hookimpl
def fairlead_ports():
    guest = GuestEnv("linux", "riscv64", None)
    convention = RegisterABI("a7", (), "a0")
    return [Port(name, "", "virt", 1, guest, convention, (), None) for name in ("sloop", "yawl")]
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder on sys.path where distributions can be put, nothing remembered of them afterwards."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.setenv("FAIRLEAD_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(sys, "path", [*sys.path, str(folder)])
    installed.cache_clear()
    _quick.cache_clear()
    yield folder
    sys.modules.pop("boats", None)
    installed.cache_clear()
    _quick.cache_clear()


def _distribution(place: Path, name: str, trouble: str = "") -> None:
    (place / "boats.py").write_text(MODULE.format(trouble=trouble))
    info = place / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[fairlead]\nsloop = boats\nyawl = boats\n")


def test_a_module_with_two_ports_stands_under_the_names_of_both(place: Path) -> None:
    _distribution(place, "boats")
    found = installed()
    assert {"sloop", "yawl"} <= set(found.ports)
    assert found.failures == {}
    assert found.distributions["yawl"] == "boats 1.0"


@pytest.mark.parametrize("name", ["sloop", "yawl"])
def test_each_name_leads_there_and_nothing_else_is_loaded(place: Path, name: str) -> None:
    _distribution(place, "boats")
    assert find_port(name).name == name
    assert set(_quick(name).ports) == {"sloop", "yawl"}
    assert installed.cache_info().currsize == 0


def test_a_second_distribution_with_the_same_ports_is_a_conflict(place: Path) -> None:
    _distribution(place, "boats")
    _distribution(place, "wrecks")
    assert set(installed().failures) == {"sloop", "yawl"}
    assert installed().failures["yawl"].endswith("which boats 1.0 offers already")
    assert find_port("yawl").name == "yawl"


def test_a_module_that_fails_is_named_by_both_names(place: Path) -> None:
    _distribution(place, "boats", trouble="raise OSError('no wind')")
    assert installed().failures == {"sloop": "OSError: no wind", "yawl": "OSError: no wind"}
    with pytest.raises(Exception, match="plugin 'yawl' could not be loaded: OSError: no wind"):
        find_port("yawl")


@pytest.mark.parametrize("port", ["linux-amd64", "linux-riscv64"])
def test_both_linux_ports_are_found_without_loading_the_others(port: str, place: Path) -> None:
    assert find_port(port).name == port
    assert installed.cache_info().currsize == 0


def test_unknown_ports_list_what_there_is(place: Path) -> None:
    with pytest.raises(UsageError) as caught:
        find_port("linux")
    assert "linux-amd64, linux-riscv64, opensbi" in caught.value.hint
