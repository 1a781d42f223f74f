from __future__ import annotations

from pathlib import Path

import pytest

from fairlead.errors import PortError, ToolError
from fairlead.guest.edits import Edit, FileEdits, Known, apply_edits, read_edits

SOUND = """
[[file]]
path = "src/runtime/a.s"
known = [{ go = "1.27.3", sha256 = "12" }, { go = "1.27.4", sha256 = "34" }]

[[file.edit]]
name = "calls"
why = "because"
anchor = '''
	ECALL
'''
replacement = '''
	CALL
'''
matches = 2

[[file]]
path = "src/runtime/b.go"
delete = true
"""


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "edits.toml"
    path.write_text(text)
    return path


def test_read(tmp_path: Path) -> None:
    a, b = read_edits(write(tmp_path, SOUND))
    assert a == FileEdits(
        "src/runtime/a.s",
        (Known("1.27.3", "12"), Known("1.27.4", "34")),
        (Edit("calls", "because", "\tECALL\n", "\tCALL\n", 2),),
    )
    assert b == FileEdits("src/runtime/b.go", delete=True)
    assert a.titles() == ["edit 'calls' of src/runtime/a.s"]
    assert b.titles() == ["deletion of src/runtime/b.go"]


def test_none(tmp_path: Path) -> None:
    assert read_edits(tmp_path / "edits.toml") == ()
    assert read_edits(write(tmp_path, "")) == ()


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("[[file]]", "[[file", "not TOML"),
        ('"calls"', "7", "expected str"),
        ("matches = 2", 'matches = "2"', "expected int"),
        ("matches = 2", "matches = true", "expected int"),
        ("matches = 2", "matches = 0", "at least one match"),
        ("matches = 2", "times = 2", "times"),
        ('why = "because"\n', "", "why"),
        ('path = "src/runtime/b.go"\n', "", "path"),
        ("src/runtime/b.go", "src/runtime/a.s", "there twice"),
        ("src/runtime/b.go", "/etc/passwd", "not one in GOROOT"),
        ("src/runtime/b.go", "src/../../x.go", "not one in GOROOT"),
        ("src/runtime/b.go", "src//runtime/b.go", "not one in GOROOT"),
        ("src/runtime/b.go", "lib/x", "not one in GOROOT"),
        ("[[file.edit]]", "delete = true\n[[file.edit]]", "both edited and deleted"),
        ('name = "calls"', 'name = ""', "needs a name"),
        ("\tECALL\n", "", "an anchor"),
        (
            "matches = 2",
            "regex = true\n[[file.edit]]\nname='calls'\nwhy=''\nanchor='x'\nreplacement=''",
            "two",
        ),
        ("\tECALL\n'''", "(['''\nregex = true", "no regular expression"),
    ],
)
def test_refused(tmp_path: Path, old: str, new: str, reason: str) -> None:
    assert old in SOUND
    path = write(tmp_path, SOUND.replace(old, new, 1))
    with pytest.raises(PortError, match=reason) as caught:
        read_edits(path)
    assert str(path) in caught.value.what


def test_refused_bytes(tmp_path: Path) -> None:
    (tmp_path / "edits.toml").write_bytes(b"\xff")
    with pytest.raises(PortError, match="cannot be read"):
        read_edits(tmp_path / "edits.toml")


def file(*edits: Edit) -> FileEdits:
    return FileEdits("src/x.go", (), edits)


def test_literal_text_is_taken_literally() -> None:
    edit = Edit("e", "", "a.b(\\1)$", "\\g<0>\n\\", 2)
    assert apply_edits(file(edit), "a.b(\\1)$ axb a.b(\\1)$", "1") == "\\g<0>\n\\ axb \\g<0>\n\\"


def test_edits_apply_in_order() -> None:
    first = Edit("one", "", "a", "b", 2)
    second = Edit("two", "", "b", "c", 3)
    assert apply_edits(file(first, second), "aab", "1") == "ccc"


def test_regular_expression() -> None:
    edit = Edit("e", "", r"^MOV (\w+), (?P<to>\w+)$", r"MOV \g<to>, \1", 2, regex=True)
    assert apply_edits(file(edit), "MOV a, b\nMOV c, d\n", "1") == "MOV b, a\nMOV d, c\n"


@pytest.mark.parametrize("found", [0, 1, 3])
def test_anchor_that_does_not_match(found: int) -> None:
    with pytest.raises(ToolError) as caught:
        apply_edits(file(Edit("calls", "", "x", "y", 2)), "x" * found, "1.99")
    assert "'calls'" in caught.value.what
    assert "src/x.go of Go 1.99" in caught.value.what
    assert f"there {found} times, 2 expected" in caught.value.what
    assert "untested" not in caught.value.line()


def test_group_that_is_not_there() -> None:
    with pytest.raises(PortError, match=r"'e' of .* cannot be made"):
        apply_edits(file(Edit("e", "", "a", r"\2", regex=True)), "a", "1")
