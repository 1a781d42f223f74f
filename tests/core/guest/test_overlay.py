from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from fairlead.errors import PortError, ToolError
from fairlead.guest.cache import Cache
from fairlead.guest.overlay import Overlay, make_overlay, untested
from fairlead.guest.toolchain import Toolchain
from fairlead.port import Port

OLD = 1_600_000_000
EDITED, REPLACED, DELETED = (
    "one ECALL\ntwo ECALL\n",
    "package runtime // stock\n",
    "package runtime // gone\n",
)


class World:
    """A GOROOT of three files, and a port whose overlay edits, replaces, deletes and adds one each."""

    def __init__(self, root: Path, make_port: Callable[..., Port]) -> None:
        self.root = root
        self.cache = Cache(root / "cache")
        self.toolchain = Toolchain(root / "goroot", "1.99")
        self.overlay = root / "overlay"
        self.runtime = self.toolchain.goroot / "src" / "runtime"
        self.runtime.mkdir(parents=True)
        self.put(self.toolchain.goroot / "VERSION", "go1.99\n")
        self.put(self.runtime / "a.s", EDITED)
        self.put(self.runtime / "b.go", REPLACED)
        self.put(self.runtime / "c.go", DELETED)
        self.put(self.overlay / "files/src/runtime/b.go", "package runtime // ours\n")
        self.put(self.overlay / "files/src/runtime/d.go", "package runtime // added\n")
        self.write_edits()
        self.port = make_port(self.overlay)

    def put(self, path: Path, text: str) -> None:
        """Write a file whose times are long past, so that stamps are taken at once."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def write_edits(self, replacement: str = "CALL", matches: int = 2, edited: str = EDITED) -> None:
        def known(text: str) -> str:
            return f'known = [{{ go = "1.99", sha256 = "{hashlib.sha256(text.encode()).hexdigest()}" }}]'

        self.put(
            self.overlay / "edits.toml",
            f"""
[[file]]
path = "src/runtime/a.s"
{known(edited)}
[[file.edit]]
name = "calls"
why = "because"
anchor = "ECALL"
replacement = "{replacement}"
matches = {matches}

[[file]]
path = "src/runtime/b.go"
{known(REPLACED)}

[[file]]
path = "src/runtime/c.go"
delete = true
{known(DELETED)}
""",
        )

    def make(self, allow: bool = False) -> Overlay:
        return make_overlay(self.port, self.toolchain, self.cache, allow_untested=allow)

    def replaced(self, overlay: Overlay) -> dict[str, str]:
        assert overlay.path is not None
        table: dict[str, str] = json.loads(overlay.path.read_text())["Replace"]
        return {str(Path(key).relative_to(self.runtime)): value for key, value in table.items()}


@pytest.fixture
def world(tmp_path: Path, make_port: Callable[..., Port], monkeypatch: pytest.MonkeyPatch) -> World:
    # Files just written are not trusted to a stamp; here time has passed as soon as something is written.
    monkeypatch.setattr("fairlead.guest.stamps._SLACK", -(10**18))
    return World(tmp_path, make_port)


def test_made(world: World) -> None:
    overlay = world.make()
    table = world.replaced(overlay)
    assert sorted(table) == ["a.s", "b.go", "c.go", "d.go"]
    assert Path(table["a.s"]).read_text() == "one CALL\ntwo CALL\n"
    assert table["b.go"] == str(world.overlay / "files/src/runtime/b.go")
    assert table["c.go"] == ""
    assert Path(table["d.go"]).read_text() == "package runtime // added\n"
    assert overlay.flags() == [f"-overlay={overlay.path}"]
    assert untested(world.port, world.toolchain) == []


def test_a_port_of_stock_programs_has_none(make_port: Callable[..., Port], tmp_path: Path) -> None:
    port, toolchain = make_port(None), Toolchain(tmp_path, "1.99")
    assert make_overlay(port, toolchain, Cache(tmp_path)).flags() == []
    assert untested(port, toolchain) == []


def test_the_stamp_alone_decides(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    first = world.make()

    def unread(path: Path) -> None:
        raise AssertionError(f"{path} was read")

    monkeypatch.setattr("fairlead.guest.edits.read_edits", unread)
    assert world.make() == first
    os.utime(world.runtime / "a.s")
    with pytest.raises(AssertionError, match="was read"):
        world.make()


@pytest.mark.parametrize("what", ["edits", "own file", "added file", "new file", "renamed file"])
def test_every_change_makes_another(world: World, what: str) -> None:
    first = world.make()
    files = world.overlay / "files/src/runtime"
    if what == "edits":
        world.write_edits("KALL")
    elif what == "own file":
        (files / "b.go").write_text("package runtime // 0urs\n")
    elif what == "added file":
        (files / "d.go").write_text("package runtime // Added\n")
    elif what == "new file":
        (files / "e.go").write_text("package runtime\n")
    else:
        (files / "d.go").rename(files / "e.go")
    second = world.make()
    assert second.key != first.key
    assert world.replaced(second) != world.replaced(first) or what in ("own file", "added file")
    if what == "edits":
        assert Path(world.replaced(second)["a.s"]).read_text() == "one KALL\ntwo KALL\n"
    assert world.make() == second


def test_a_file_changed_while_it_is_read_is_not_stamped(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    world.make()
    assert not (world.cache.root / "overlay-stamps").exists()


def test_another_go_version_is_another_overlay(world: World) -> None:
    first = world.make()
    world.toolchain = Toolchain(world.toolchain.goroot, "1.99.1")
    assert world.make().key != first.key


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("a.s", "edit 'calls' of src/runtime/a.s"),
        ("b.go", "replacement of src/runtime/b.go"),
        ("c.go", "deletion of src/runtime/c.go"),
    ],
)
def test_unknown_source(world: World, name: str, title: str) -> None:
    first = world.make()
    with (world.runtime / name).open("a") as file:
        file.write("// changed upstream\n")
    for _ in range(2):
        with pytest.raises(ToolError) as caught:
            world.make()
        assert f"the port's {title} fits Go 1.99, but was never tried" in caught.value.what
        assert "--allow-untested-go" in caught.value.hint
        assert world.make(allow=True).key != first.key
    assert untested(world.port, world.toolchain) == [title]


def test_all_unknown_sources_are_counted(world: World) -> None:
    for name in ("a.s", "b.go", "c.go"):
        with (world.runtime / name).open("a") as file:
            file.write("// changed upstream\n")
    with pytest.raises(ToolError, match=r"\(and 2 more\)"):
        world.make()


@pytest.mark.parametrize("allow", [False, True])
def test_anchor_that_does_not_match(world: World, allow: bool) -> None:
    world.make()
    (world.runtime / "a.s").write_text("one ECALL\n")
    with pytest.raises(ToolError) as caught:
        world.make(allow)
    assert "'calls'" in caught.value.what
    assert "src/runtime/a.s" in caught.value.what
    assert "1 times, 2 expected" in caught.value.what
    assert "allow" not in caught.value.hint


@pytest.mark.parametrize("allow", [False, True])
@pytest.mark.parametrize("name", ["a.s", "b.go", "c.go"])
def test_source_that_is_not_there(world: World, name: str, allow: bool) -> None:
    (world.runtime / name).unlink()
    with pytest.raises(ToolError, match="no such file"):
        world.make(allow)


def test_go_gains_a_file_that_the_overlay_adds(world: World) -> None:
    world.make()
    (world.runtime / "d.go").write_text("package runtime // upstream\n")
    with pytest.raises(PortError, match=r"replaces src/runtime/d\.go"):
        world.make()


def test_listed_with_nothing_to_do(world: World) -> None:
    (world.overlay / "files/src/runtime/b.go").unlink()
    with pytest.raises(PortError, match="neither an edit nor a file"):
        world.make()


def test_edited_and_replaced(world: World) -> None:
    world.put(world.overlay / "files/src/runtime/a.s", "")
    with pytest.raises(PortError, match="both edits and replaces"):
        world.make()


@pytest.mark.parametrize("name", ["src/runtime/a.s", "overlay.json", "check.json"])
@pytest.mark.parametrize("damage", [None, b"", b"{}", b"one CALL\ntwo KALL\n", b"\xff"])
def test_a_damaged_overlay_is_made_again(world: World, name: str, damage: bytes | None) -> None:
    overlay = world.make()
    path = world.cache.root / "overlays" / overlay.key / name
    whole = path.read_bytes()
    if damage is None:
        path.unlink()
    else:
        path.write_bytes(damage)
    assert world.make() == overlay
    assert path.read_bytes() == whole


def test_damaged_stamps_are_made_again(world: World) -> None:
    overlay = world.make()
    (stamps,) = (world.cache.root / "overlay-stamps").iterdir()
    stamps.write_bytes(b"{}")
    assert world.make() == overlay
    assert stamps.read_bytes() != b"{}"


def test_made_at_once_by_many(world: World) -> None:
    results: list[Overlay] = []
    threads = [threading.Thread(target=lambda: results.append(world.make())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 8
    assert len(set(results)) == 1
    assert Path(world.replaced(results[0])["a.s"]).read_text() == "one CALL\ntwo CALL\n"
    left = [each.name for each in (world.cache.root / "overlays").iterdir()]
    assert left == [results[0].key]
