from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable

import click
import pytest

from fairlead.cli.main import COMMANDS, main
from fairlead.errors import DeadlockError, TimeLimitError, ToolError, UsageError

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def run(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as caught:
            main(arguments)
        out, err = capsys.readouterr()
        assert isinstance(caught.value.code, int)
        return caught.value.code, out, err

    return run


raised: BaseException | None = None


@click.command()
@click.option("--number", type=int)
def probe(number: int | None) -> int:
    if raised is not None:
        raise raised
    return number or 0


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch, run: Run) -> Callable[..., tuple[int, str, str]]:
    """Run a command that ends with an error."""
    monkeypatch.setitem(COMMANDS, "probe", (f"{__name__}:probe", "For tests."))

    def failing(error: BaseException | None, *arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys.modules[__name__], "raised", error)
        return run(*arguments)

    return failing


def test_help_lists_every_command(run: Run) -> None:
    code, out, err = run("--help")
    assert (code, err) == (0, "")
    for name, (_, summary) in COMMANDS.items():
        assert f"  {name} " in out
        assert summary in out


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_there(run: Run, name: str) -> None:
    code, out, err = run(name, "--help")
    assert (code, err) == (0, "")
    assert f"fairlead {name}" in out
    assert "--debug" in out


def test_version(run: Run) -> None:
    from fairlead import __version__

    assert run("--version") == (0, f"fairlead {__version__}\n", "")


def test_no_command_is_a_usage_error(run: Run) -> None:
    code, out, err = run()
    assert (code, out) == (2, "")
    assert "Usage: fairlead" in err


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["nosuch"], r"no such command .*nosuch.*; see fairlead --help"),
        (["--nosuch"], r"no such option.*--nosuch.*; see fairlead --help"),
        (["build"], r"missing .*; see fairlead build --help"),
    ],
)
def test_usage_errors_are_one_line(run: Run, arguments: list[str], line: str) -> None:
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert re.fullmatch(rf"fairlead: {line}\n", err)


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (ToolError("no go", hint="get one"), 125, "fairlead: no go; get one\n"),
        (UsageError("wrong"), 2, "fairlead: wrong\n"),
        (DeadlockError("all wait"), 123, "fairlead: all wait\n"),
        (TimeLimitError("too long"), 124, "fairlead: too long\n"),
        (KeyboardInterrupt(), 130, ""),
        (
            RuntimeError("a\nb"),
            125,
            "fairlead: internal error: RuntimeError: a b; --debug shows where\n",
        ),
    ],
)
def test_errors_are_one_line(failing: Run, error: BaseException, code: int, line: str) -> None:
    assert failing(error, "probe") == (code, "", line)


@pytest.mark.parametrize("arguments", [("--debug", "probe"), ("probe", "--debug")])
def test_debug_shows_where(failing: Run, arguments: tuple[str, ...]) -> None:
    for error in (ToolError("no go"), RuntimeError("x")):
        code, _, err = failing(error, *arguments)
        assert code == 125
        assert "Traceback" in err
        assert "in probe" in err
        assert err.splitlines()[-1].startswith("fairlead: ")


def test_a_command_s_result_is_the_exit_code(failing: Run) -> None:
    assert failing(None, "probe", "--number", "7") == (7, "", "")
    assert failing(None, "probe") == (0, "", "")


def test_one_command_imports_no_other() -> None:
    code = (
        "import sys\n"
        "from fairlead.cli.main import main\n"
        "try: main(['build', '--help'])\n"
        "except SystemExit: pass\n"
        "print(sorted(name for name in sys.modules if name.startswith('fairlead.cli.')))\n"
        "print({'rich', 'cattrs', 'elftools', 'subprocess'} & set(sys.modules))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-2:] == ["['fairlead.cli.build', 'fairlead.cli.main']", "set()"]


def test_output_to_nobody() -> None:
    command = f"{sys.executable} -m fairlead --help | true; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert done.stderr == ""
