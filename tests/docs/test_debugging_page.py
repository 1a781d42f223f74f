"""The session with gdb on the page about debugging is what gdb shows."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from markdown_pages import ROOT, listings
from test_commands import answers

GDB = shutil.which("gdb-multiarch")
PAGE = ROOT / "docs" / "debugging.md"
_PROMPT = "(gdb) "
_PORT = "1234"


def session() -> list[str]:
    (found,) = [each.text for each in listings(PAGE) if _PROMPT in each.text]
    return found.splitlines()


def announcement() -> str:
    (found,) = [each.text for each in listings(PAGE) if "waiting for a debugger" in each.text]
    return found.splitlines()[1]


@pytest.mark.slow
@pytest.mark.skipif(GDB is None, reason="gdb-multiarch is not installed")
def test_the_session_is_what_gdb_shows(tmp_path: Path) -> None:
    assert GDB is not None
    fairlead = [sys.executable, "-m", "fairlead"]
    image = tmp_path / "pipes"
    subprocess.run(
        [*fairlead, "build", "--port", "opensbi", "-o", image, "examples/pipes"], cwd=ROOT, check=True
    )
    lines = session()
    with subprocess.Popen(
        [*fairlead, "run", "--port", "opensbi", "--gdb", "0", image],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as run:
        assert run.stderr is not None
        said = run.stderr.readline().strip()
        match = re.search(r"remote :(\d+)", said)
        assert match is not None, said
        assert said == announcement().replace(_PORT, match[1])
        commands = [line.removeprefix(_PROMPT) for line in lines if line.startswith(_PROMPT)]
        typed = "\n".join([*commands, ""]).replace(_PORT, match[1])
        settings = ("pagination off", "width 0", "confirm off", "auto-load no", "trace-commands on")
        done = subprocess.run(
            [GDB, "-nx", "-q", *(f"-iex=set {each}" for each in settings), image],
            input=typed,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )
        output, _errors = run.communicate(timeout=60)
    assert output.endswith("caught: user defined signal 1\n")
    seen = done.stdout.replace(f":{match[1]}", f":{_PORT}").replace(f"{_PROMPT}+", _PROMPT)
    assert answers(lines[1:], seen.removesuffix(f"{_PROMPT}quit\n")), seen
