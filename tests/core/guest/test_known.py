from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from fairlead.errors import PortError, ToolError
from fairlead.guest.edits import Known, read_edits
from fairlead.guest.known import record_hashes
from fairlead.guest.toolchain import Toolchain

EDITS = """# A comment that stays.
[[file]]
path = "src/a.go"
# and one more
known = [
  { go = "1.0", sha256 = "00" },
]
[[file.edit]]
name = "e"
why = "because"
anchor = "x"
replacement = "]"

[[file]]
path = "src/b.go"
known = []
delete = true
"""


@pytest.fixture
def toolchain(tmp_path: Path) -> Toolchain:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "a.go").write_text("x")
    (tmp_path / "src" / "b.go").write_text("y")
    return Toolchain(tmp_path, "1.99")


def test_recorded_once(toolchain: Toolchain, tmp_path: Path) -> None:
    path = tmp_path / "edits.toml"
    path.write_text(EDITS)
    assert record_hashes(path, toolchain) == ["src/a.go", "src/b.go"]
    a, b = read_edits(path)
    assert a.known == (Known("1.0", "00"), Known("1.99", hashlib.sha256(b"x").hexdigest()))
    assert b.known == (Known("1.99", hashlib.sha256(b"y").hexdigest()),)
    assert (a.edit, b.delete) == ((read_edits(path)[0].edit), True)
    assert "# A comment that stays." in path.read_text()
    before = path.read_text()
    assert record_hashes(path, toolchain) == []
    assert path.read_text() == before


def test_an_edit_that_does_not_fit_is_not_recorded(toolchain: Toolchain, tmp_path: Path) -> None:
    path = tmp_path / "edits.toml"
    path.write_text(EDITS.replace('anchor = "x"', 'anchor = "z"'))
    with pytest.raises(ToolError, match="does not fit"):
        record_hashes(path, toolchain)
    path.write_text(EDITS.replace("known = []\n", ""))
    with pytest.raises(PortError, match=r"src/b\.go has no"):
        record_hashes(path, toolchain)
