from __future__ import annotations

import os
import pty
import subprocess
import sys

CODE = """
import sys, threading
from fairlead.guest import progress
progress._PATIENCE = 0
with progress.working("building hello"):
    threading.Event().wait(0.5)
line = progress.StatusLine()
line.show("3 passed " + "x" * 500)
line.clear()
print("done", file=sys.stderr)
"""


TESTS = """
from fairlead.guest.gotest import Package
from fairlead.guest.progress import Progress
progress = Progress(2)
one, two = Package("m/one", passed=1), Package("m/two")
progress.running([one, two])
one.status, one.seconds = "pass", 1.5
progress.ended(one)
progress.running([one, two])
progress.clear()
"""


def run(on_terminal: bool, code: str = CODE) -> str:
    main, other = pty.openpty() if on_terminal else os.pipe()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "60"}
    with subprocess.Popen([sys.executable, "-c", code], stderr=other, env=environment) as process:
        os.close(other)
        text = b""
        try:
            while piece := os.read(main, 4096):
                text += piece
        except OSError:  # a terminal whose other side is closed
            pass
        os.close(main)
    assert process.returncode == 0
    return text.decode()


def test_on_a_terminal() -> None:
    text = run(on_terminal=True)
    assert "building hello" in text
    assert "3 passed xxx" in text
    assert "x" * 60 not in text, "a line that wraps cannot be rewritten"
    assert text.endswith("\r\x1b[Kdone\r\n")


def test_elsewhere_nothing_is_shown() -> None:
    assert run(on_terminal=False) == "done\n"


def test_tests_on_a_terminal_have_one_line() -> None:
    begun, went_on = (
        "0/2 packages, 1 passed, 0 failed: m/one m/two",
        "1/2 packages, 1 passed, 0 failed: m/two",
    )
    assert run(True, TESTS) == f"\r\x1b[K{begun}\r\x1b[K{went_on}\r\x1b[K"


def test_tests_elsewhere_have_a_line_a_package() -> None:
    assert run(False, TESTS) == "1/2 m/one: pass, 1 passed, 0 failed, 0 skipped, 1.5 s\n"
