from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from markdown_pages import ROOT

SKIFF = ROOT / "examples" / "skiff"


@pytest.fixture(scope="session")
def skiff(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """PYTHONPATH with the example port as an installer would leave it: its package, and its entry points."""
    project = tomllib.loads((SKIFF / "pyproject.toml").read_text("utf-8"))["project"]
    site = tmp_path_factory.mktemp("site")
    (site / "fairlead_skiff").symlink_to(SKIFF / "fairlead_skiff")
    info = site / f"fairlead_skiff-{project['version']}.dist-info"
    info.mkdir()
    groups = project["entry-points"].items()
    lines = [f"[{group}]\n" + "".join(f"{k} = {v}\n" for k, v in points.items()) for group, points in groups]
    (info / "entry_points.txt").write_text("".join(lines))
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    )
    return site
