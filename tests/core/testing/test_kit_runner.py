"""Runs in processes of their own: what is read of them, and how they are ended."""

from __future__ import annotations

import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fairlead.testing.check import CheckFailed
from fairlead.testing.runner import Ran, Runner

HANG = """
class Port:
    def nanotime(self):
        print("waiting", flush=True)
        while True:
            pass

def guarded(hook):
    hook()

guarded(Port().nanotime)
"""


def python(code: str, **settings) -> Runner:
    """A runner of a Python program in place of `fairlead`."""
    return Runner((sys.executable, "-c", code), **settings)


def test_what_a_run_says_is_read_back(tmp_path: Path) -> None:
    code = (
        "import os, sys; print(sys.argv[1:], sys.stdin.read(), os.getcwd()); sys.stderr.write('tut'); exit(3)"
    )
    ran = python(code).run("run", "--x", "é", stdin=b"in", cwd=tmp_path, record=False)
    assert ran.stdout == f"['run', '--x', 'é'] in {tmp_path}\n"
    assert (ran.stderr, ran.code, ran.timed_out, ran.words) == ("tut", 3, False, ("run", "--x", "é"))
    assert ran.record == {}
    assert ran.hooks == {}
    assert ran.host_seconds > 0


WRITE = "import sys, pathlib; assert sys.argv[1] == 'run'; pathlib.Path(sys.argv[2].split('=')[1]).write_{}"


@pytest.mark.parametrize(
    ("writing", "record"),
    [
        ("""text('{"hooks": {"syscall": 7}}')""", {"hooks": {"syscall": 7}}),
        ("text('{')", {}),
        ("text('[1]')", {}),
        ("bytes(bytes([255, 0]))", {}),
    ],
)
def test_the_record_is_what_the_run_wrote_or_nothing(writing: str, record: dict[str, object]) -> None:
    ran = python(WRITE.format(writing)).run("run", "program")
    assert (ran.code, ran.stderr) == (0, "")
    assert ran.record == record
    assert ran.hooks == record.get("hooks", {})


def test_the_record_of_a_process_that_was_killed_does_not_count() -> None:
    code = WRITE.format("text('{}')") + "; import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    ran = python(code).run("run")
    assert ran.code == -9
    with pytest.raises(CheckFailed, match="its process was ended by SIGKILL; silence"):
        ran.must_end()


def test_output_that_is_no_text_and_has_no_end_is_cut() -> None:
    code = "import os\nfor _ in range(40): os.write(1, bytes([255]) * 100_000)\nos.write(1, b'last')"
    ran = python(code).run("run")
    assert 1 << 20 <= len(ran.stdout) < 1_200_000
    assert ran.stdout[0] == "\N{REPLACEMENT CHARACTER}"
    assert ran.stdout.endswith("last")
    with pytest.raises(CheckFailed) as caught:
        ran.must_say("ok\n")
    assert len(str(caught.value)) < 1000


def test_a_run_that_is_too_slow_says_where_it_is() -> None:
    ran = python(HANG, seconds=2.5).run("run")
    assert ran.timed_out
    assert ran.stdout == "waiting\n"
    assert ran.hook == "nanotime"
    with pytest.raises(CheckFailed) as caught:
        ran.must_say("ok\n")
    assert str(caught.value) == "did not end within its time on the host: it was in hook nanotime; silence"


def test_one_that_is_in_no_hook_names_none() -> None:
    ran = python(
        "import sys; print('fairlead: note', file=sys.stderr, flush=True)\nwhile 1: pass", seconds=2.5
    ).run("run")
    with pytest.raises(CheckFailed) as caught:
        ran.must_end()
    assert str(caught.value) == "did not end within its time on the host; note"


def test_one_that_does_not_heed_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fairlead.testing.runner._ABORT_TIME", 0.2)
    code = (
        "import faulthandler, signal; faulthandler.disable(); signal.signal(signal.SIGABRT, signal.SIG_IGN)"
    )
    code += "\nwhile 1: pass"
    ran = python(code, seconds=2.5).run("run")
    assert (ran.timed_out, ran.code) == (True, -9)


def test_a_crash_inside_a_hook_names_it() -> None:
    code = "import ctypes\ndef handle_trap():\n    ctypes.string_at(8)\nhandle_trap()"
    ran = python(code).run("run")
    with pytest.raises(CheckFailed) as caught:
        ran.must_end()
    assert str(caught.value) == "its process was ended by SIGSEGV: it was in hook handle_trap; silence"


def test_a_program_that_prints_a_stack_is_not_believed() -> None:
    said = 'Fatal Python error: x\n  File "a", line 1 in syscall'
    ran = python(f"import sys; sys.stderr.write({said!r}); exit(1)").run("run")
    assert ran.hook == ""


def test_memory_has_an_end() -> None:
    ran = python("bytearray(1 << 30)", memory=512 << 20).run("run")
    assert ran.code == 1
    assert ran.last_words == "MemoryError"


def test_what_a_run_leaves_behind_ends_with_it() -> None:
    code = "import subprocess, sys; child = [sys.executable, '-c', 'import time; time.sleep(600)']"
    code += "; print(subprocess.Popen(child).pid)"
    ran = python(code).run("run", record=False)
    child = int(ran.stdout)
    for _ in range(500):
        try:
            stat = Path(f"/proc/{child}/stat").read_text()
        except OSError:
            return
        if stat.rpartition(")")[2].split()[0] == "Z":
            return
        time.sleep(0.01)
    os.kill(child, 9)
    raise AssertionError(f"process {child} still runs")


def test_stopping_ends_what_is_under_way_and_lets_nothing_start() -> None:
    runner = python("import time; time.sleep(600)")
    with ThreadPoolExecutor(2) as pool:
        runs = [pool.submit(runner.run, "run") for _ in range(2)]
        while len(runner._running) < 2:
            time.sleep(0.01)
        runner.stop()
        assert [run.result().code for run in runs] == [-9, -9]
    with pytest.raises(KeyboardInterrupt):
        runner.run("run")


def test_the_environment_is_the_callers_and_ones_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OURS", "1")
    code = "import os; print(*(os.environ.get(name) for name in ('OURS', 'THEIRS', 'PYTHONFAULTHANDLER')))"
    assert python(code, environment={"THEIRS": "2"}).run("run").stdout == "1 2 1\n"


@pytest.mark.parametrize(
    ("stderr", "words"),
    [
        ("", ""),
        ("one\n\ntwo\n\n", "two"),
        ("fairlead: what; how\npanic: later\n", "what; how"),
        ("fairlead: a\nfairlead: b\n", "b"),
        ("note\nfatal error: bad\npanic: worse\n\ngoroutine 1:\n\tmain.go:5\n", "fatal error: bad"),
    ],
)
def test_last_words_are_the_commands_own_or_gos_or_the_last(stderr: str, words: str) -> None:
    assert Ran(("run",), "", stderr, 1, 0.0).last_words == words


def test_a_wrong_end_says_both() -> None:
    with pytest.raises(CheckFailed) as caught:
        Ran(("run",), "half\n", "fairlead: deadlock\n", 123, 0.0).must_say("ok\n")
    assert str(caught.value) == "ended with 123 where 0 is due, printed 'half\\n': deadlock"
    with pytest.raises(CheckFailed) as caught:
        Ran(("run",), "half\n", "", 0, 0.0).must_say("ok\n")
    assert str(caught.value) == "printed 'half\\n' where 'ok\\n' is due"
    Ran(("run",), "ok\n", "", 4, 0.0).must_say("ok\n", code=4)
