"""What is made from calls.toml is what is checked in, and fits what it stands for."""

from __future__ import annotations

import re

import pytest

from fairlead.services.linux.numbers import NUMBERS
from fairlead_akaros.abi import Sys
from fairlead_akaros.generate import generate
from fairlead_akaros.parlib.code import GATES, TABLE, assemble
from fairlead_akaros.tables import CONSTANTS, FUNCTIONS

FILES = generate()
LINUX = {
    "stat": "newfstatat", "unlink": "unlinkat", "symlink": "symlinkat",
    "readlink": "readlinkat", "mkdir": "mkdirat", "rename": "renameat", "llseek": "lseek",
    "access": "faccessat", "proc_destroy": "exit_group", "notify": "kill",
}  # fmt: skip
"""Calls that go by another name on Linux."""


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_generated_file_is_up_to_date(path) -> None:
    assert path.read_text() == FILES[path], "run python -m fairlead_akaros.generate"


def test_translated_numbers_are_linux_s() -> None:
    (text,) = (text for path, text in FILES.items() if path.name.startswith("ztranslate"))
    cases = re.findall(r"case (\d+):\n\t\tf\.kernel\(usys\.Constant\(usys\.SYS_(\w+)\)", text)
    assert len(cases) > 5
    for number, name in cases:
        if int(number) > 1000:
            assert Sys[name.lower()] == int(number) - 1000
            continue
        assert NUMBERS["x86_64"][LINUX.get(name.lower(), name.lower())] == int(number)


def test_every_function_of_both_tables_has_code() -> None:
    code, offsets = assemble()
    for name in (*TABLE, *FUNCTIONS):
        assert code[offsets[name]] != 0xCC
    assert len(set(offsets.values())) == len(offsets) >= len(GATES)
    assert len(TABLE) == 7


def test_constants_have_names_of_their_own() -> None:
    names = [name for name, _ in CONSTANTS]
    assert len(set(names)) == len(names)
    assert {"TSC_FREQUENCY", "SYS_READ", "SIZEOF_SYSCALL"} <= set(names)
