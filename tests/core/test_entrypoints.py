"""Entry points are remembered, and never after what is installed has changed."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from fairlead.entrypoints import Entry, entries


def _distribution(folder: Path, name: str, line: str) -> None:
    info = folder / f"{name}-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text(f"[fairlead]\n{line}\n")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on sys.path, and a cache of the test's own."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.setenv("FAIRLEAD_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(sys, "path", [*sys.path, str(folder)])
    return folder


def test_this_distribution_s_own_are_found() -> None:
    assert {"virt", "opensbi"} <= {entry.name for entry in entries()}


def test_a_newly_installed_distribution_is_found_and_a_removed_one_forgotten(place: Path) -> None:
    before = entries()
    _distribution(place, "stranger", "odd = odd_module")
    assert [each for each in entries() if each not in before] == [Entry("odd", "odd_module", "stranger 1.2")]
    for file in (place / "stranger-1.2.dist-info").iterdir():
        file.unlink()
    (place / "stranger-1.2.dist-info").rmdir()
    assert entries() == before


def test_the_second_look_reads_no_metadata(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = entries()
    monkeypatch.setattr("fairlead.entrypoints._search", lambda: pytest.fail("searched again"))
    assert entries() == first


def test_a_damaged_cache_is_searched_around(place: Path, tmp_path: Path) -> None:
    first = entries()
    for file in (tmp_path / "cache" / "plugins").iterdir():
        file.write_bytes(file.read_bytes()[:-3])
    assert entries() == first


def test_a_cache_that_cannot_be_written_does_not_matter(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("FAIRLEAD_CACHE", str(tmp_path / "file" / "below"))
    assert {"virt", "opensbi"} <= {entry.name for entry in entries()}
