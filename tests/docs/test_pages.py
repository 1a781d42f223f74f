"""The pages about a port and about machines say all there is: options, edits, boards, extensions."""

from __future__ import annotations

import re
from importlib import import_module
from pkgutil import iter_modules

from markdown_pages import ROOT, links, prose, spans

from fairlead.guest.edits import read_edits
from fairlead.hooks import RUNTIME_HOOKS
from fairlead.plugins import find_board, find_port
from fairlead.testing.check import GROUPS
from fairlead.testing.checks import every_check
from fairlead_akaros import kernel
from fairlead_akaros.abi import Sys
from fairlead_akaros.parlib.code import TABLE
from fairlead_machines.firmware.sbi.firmware import EXTENSIONS

OPENSBI = ROOT / "docs" / "opensbi.md"
AKAROS = ROOT / "docs" / "akaros.md"
MACHINES = ROOT / "docs" / "machines.md"


def test_the_ports_options_and_their_defaults() -> None:
    text = prose(OPENSBI)
    for option in find_port("opensbi").options:
        assert f"| `{option.name}` | {option.default} |" in text


def test_the_ports_edits_file_by_file() -> None:
    overlay = find_port("opensbi").guest.overlay
    assert overlay is not None
    rows = {
        f"| `{file.path.removeprefix('src/')}` |": {edit.name for edit in file.edit}
        for file in read_edits(overlay / "edits.toml")
    }
    lines = prose(OPENSBI).splitlines()
    for start, edits in rows.items():
        (row,) = [line for line in lines if line.startswith(start)]
        assert {edit for edit in edits if f"`{edit}`" not in row} == set()
    assert sum(line.startswith("| `") and ".s` |" in line for line in lines) == len(rows) - 1


def test_every_part_of_a_board_with_its_address() -> None:
    text = prose(MACHINES)
    for name in ("virt", "pc"):
        board = find_board(name)
        assert f"### `{name}`" in text
        for part in board.parts:
            assert f"| {part.name} | {part.address:#x} |" in text, part


def test_every_extension_of_the_firmware() -> None:
    text = prose(MACHINES)
    for extension in EXTENSIONS:
        assert f"| {extension.name.removeprefix('Legacy ')} | {extension.id:#x} |" in text, extension.name


def test_the_quirks_table_names_a_test_for_each() -> None:
    section = prose(MACHINES).partition("## Unicorn's quirks")[2].partition("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| ")][2:]
    assert len(rows) > 20
    assert [row for row in rows if "`test_" not in row] == []
    assert "`test_" in "".join(f"`{each}`" for each in spans(MACHINES))


def test_the_akaros_port_s_options_and_their_defaults() -> None:
    for option in find_port("akaros").options:
        assert f"| `{option.name}` | {option.default} |" in prose(AKAROS)


def test_every_edit_of_the_akaros_port_beside_its_file() -> None:
    overlay = find_port("akaros").guest.overlay
    assert overlay is not None
    parts = re.split("[;|\n]", prose(AKAROS).partition("| about | edits")[2].partition("\n\n")[0])
    for file in read_edits(overlay / "edits.toml"):
        said = "".join(part for part in parts if f"`{file.path.removeprefix('src/')}`" in part)
        assert said, file.path
        assert {edit.name for edit in file.edit if f"`{edit.name}`" not in said} == set(), file.path


def test_the_usys_table_in_its_order() -> None:
    rows = re.findall(r"^\| (\d) \| `(\w+)` \|", prose(AKAROS), re.MULTILINE)
    assert [int(index) for index, _ in rows] == list(range(len(TABLE)))
    assert all(full.startswith(name) for (_, name), full in zip(rows, TABLE, strict=True))


def test_each_row_of_the_guide_s_names_a_test() -> None:
    section = prose(AKAROS).partition("\n## The guide, section by section")[2].partition("\n## ")[0]
    rows = [line for line in section.splitlines() if re.match(r"\| (?!the guide|---)", line)]
    assert len(rows) > 25
    assert [row for row in rows if "`test_" not in row and "`tests/" not in row] == []


def test_the_calls_that_akaros_has_and_the_port_has_not() -> None:
    modules = [import_module(f"{kernel.__name__}.{each.name}") for each in iter_modules(kernel.__path__)]
    served = {number for module in modules for number in getattr(module, "HANDLERS", ())}
    said = re.search(r"\*\*These calls of the kernel\*\*[^:]*:\s([^.]+)\.", prose(AKAROS))
    assert said is not None
    assert set(re.split(r",\s+", said[1])) == {number.name for number in Sys if number not in served}


def test_every_module_of_the_akaros_port_is_on_the_way_through_it() -> None:
    package = ROOT / "ports" / "akaros" / "fairlead_akaros"
    made = {"__init__.py", "tables.py", "names.py"}
    modules = {path for path in package.rglob("*.py") if path.name not in made}
    assert modules - {(AKAROS.parent / link).resolve() for link in links(AKAROS)} == set()


def test_every_row_of_the_matrix() -> None:
    rows = [line for line in prose(ROOT / "docs" / "conformance.md").splitlines() if line.startswith("| `")]
    assert [row.split("`")[1] for row in rows] == list(GROUPS)
    hooks = {each.hook for each in every_check()}
    assert {row.split("`")[3] for row in rows} == hooks == set(RUNTIME_HOOKS)
